//! Several types of event on one queue: an enum of events is an event, too.
//!
//! Enters: the enum's variants, each around an event. Leaves: the enum, which takes exactly the types of its variants.
//! It does not compile if two variants share a type, one takes every type, or their heads name their fields in
//! different ways.

use super::Names;

/// Declares an enum of events, which is an event itself: its users match it without a wildcard.
///
/// ```
/// use user_events_engine::event::{Event, EventError, Fields, Head};
/// use user_events_engine::one_of;
///
/// #[derive(Debug)]
/// struct Closed { head: Head, account: String }
///
/// impl Event for Closed {
///     const TYPES: &'static [&'static str] = &["account.closed"];
///
///     fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
///         Ok(Self { head, account: fields.parsed("account")? })
///     }
///
///     fn head(&self) -> &Head {
///         &self.head
///     }
///
///     fn subject(&self) -> &str {
///         &self.account
///     }
/// }
///
/// # #[derive(Debug)]
/// # struct Opened { head: Head, account: String }
/// #
/// # impl Event for Opened {
/// #     const TYPES: &'static [&'static str] = &["account.opened"];
/// #
/// #     fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
/// #         Ok(Self { head, account: fields.parsed("account")? })
/// #     }
/// #
/// #     fn head(&self) -> &Head {
/// #         &self.head
/// #     }
/// #
/// #     fn subject(&self) -> &str {
/// #         &self.account
/// #     }
/// # }
/// one_of! {
///     /// What becomes of an account.
///     pub enum Account { Opened(Opened), Closed(Closed) }
/// }
///
/// assert_eq!(Account::TYPES, ["account.opened", "account.closed"]);
/// ```
///
/// Two variants that share a type do not compile:
///
/// ```compile_fail,E0080
/// # use user_events_engine::event::{Event, EventError, Fields, Head};
/// # #[derive(Debug)]
/// # struct Closed { head: Head, account: String }
/// #
/// # impl Event for Closed {
/// #     const TYPES: &'static [&'static str] = &["account.closed"];
/// #
/// #     fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
/// #         Ok(Self { head, account: fields.parsed("account")? })
/// #     }
/// #
/// #     fn head(&self) -> &Head {
/// #         &self.head
/// #     }
/// #
/// #     fn subject(&self) -> &str {
/// #         &self.account
/// #     }
/// # }
/// user_events_engine::one_of! { enum Twice { One(Closed), Other(Closed) } }
/// assert_eq!(Twice::TYPES.len(), 2);
/// ```
///
/// Nor does a variant that takes every type:
///
/// ```compile_fail,E0080
/// # use user_events_engine::event::{AnyEvent, Event, EventError, Fields, Head};
/// # #[derive(Debug)]
/// # struct Closed { head: Head, account: String }
/// #
/// # impl Event for Closed {
/// #     const TYPES: &'static [&'static str] = &["account.closed"];
/// #
/// #     fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
/// #         Ok(Self { head, account: fields.parsed("account")? })
/// #     }
/// #
/// #     fn head(&self) -> &Head {
/// #         &self.head
/// #     }
/// #
/// #     fn subject(&self) -> &str {
/// #         &self.account
/// #     }
/// # }
/// user_events_engine::one_of! { enum Any { Closed(Closed), Other(AnyEvent) } }
/// assert_eq!(Any::TYPES.len(), 1);
/// ```
#[macro_export]
macro_rules! one_of {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$of:meta])* $variant:ident($event:ty)),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis enum $name { $($(#[$of])* $variant($event)),+ }

        impl $crate::event::Event for $name {
            const TYPES: &'static [&'static str] = {
                const COUNT: usize = 0 $(+ <$event as $crate::event::Event>::TYPES.len())+;
                const ALL: [&str; COUNT] = $crate::event::joined(&[$(<$event as $crate::event::Event>::TYPES),+]);
                &ALL
            };

            const IS_ONE_OF: bool = true;

            const NAMES: $crate::event::Names = $crate::event::shared_names(&[$(<$event as $crate::event::Event>::NAMES),+]);

            fn newest(kind: &str) -> u32 {
                $(if <$event as $crate::event::Event>::TYPES.contains(&kind) {
                    return <$event as $crate::event::Event>::newest(kind);
                })+
                1
            }

            fn read(head: $crate::event::Head, fields: &$crate::event::Fields<'_>) -> ::core::result::Result<Self, $crate::event::EventError> {
                $(if <$event as $crate::event::Event>::TYPES.contains(&&*head.kind) {
                    return <$event as $crate::event::Event>::read(head, fields).map(Self::$variant);
                })+
                ::core::result::Result::Err($crate::event::EventError::Foreign { has_type: true })
            }

            fn resembles(fields: &$crate::event::Fields<'_>) -> bool {
                false $(|| <$event as $crate::event::Event>::resembles(fields))+
            }

            fn head(&self) -> &$crate::event::Head {
                match self { $(Self::$variant(event) => $crate::event::Event::head(event)),+ }
            }

            fn subject(&self) -> &str {
                match self { $(Self::$variant(event) => $crate::event::Event::subject(event)),+ }
            }

            fn content(&self) -> $crate::event::Content<'_> {
                match self { $(Self::$variant(event) => $crate::event::Event::content(event)),+ }
            }

            fn schema() -> $crate::event::Schema {
                $crate::event::one_schema_of(::std::vec![$(<$event as $crate::event::Event>::schema()),+])
            }
        }
    };
}

/// The types of an enum's variants.
///
/// # Panics
/// While it is compiled: a variant takes every type, or two share one.
#[doc(hidden)]
#[must_use]
pub const fn joined<const COUNT: usize>(variants: &[&[&'static str]]) -> [&'static str; COUNT] {
    let (mut all, mut at, mut variant) = ([""; COUNT], 0, 0);
    while variant < variants.len() {
        assert!(!variants[variant].is_empty(), "an event that takes every type cannot be one of several");
        let mut n = 0;
        while n < variants[variant].len() {
            let mut earlier = 0;
            while earlier < at {
                assert!(!is_same(all[earlier], variants[variant][n]), "two events of one enum share a type");
                earlier += 1;
            }
            all[at] = variants[variant][n];
            at += 1;
            n += 1;
        }
        variant += 1;
    }
    all
}

/// The names of the head's fields, which all of an enum's variants share.
///
/// # Panics
/// While it is compiled: two differ.
#[doc(hidden)]
#[must_use]
pub const fn shared_names(variants: &[Names]) -> Names {
    let (names, mut n) = (variants[0], 1);
    while n < variants.len() {
        let own = variants[n];
        let is_shared = is_same(names.kind, own.kind)
            && is_same(names.version, own.version)
            && is_same(names.id, own.id)
            && is_same(names.time, own.time);
        assert!(is_shared, "two events of one enum name the fields of their heads in different ways");
        n += 1;
    }
    names
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut n = 0;
    while n < a.len() && n < b.len() {
        if a[n] != b[n] {
            return false;
        }
        n += 1;
    }
    a.len() == b.len()
}
