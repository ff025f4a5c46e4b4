//! `user.signed_up`: the event that this service ships with.
//!
//! Enters: its fields, or values that already keep their rules. Leaves: a [`UserSignedUp`] in which every field is
//! valid.

use serde_json::{Value, json};

use super::{EmailAddress, Plan, UserId, schema};
use engine::event::{Content, Event, EventError, Fields, Head, Published};

/// The `type` of [`UserSignedUp`], and the value of its `eventType` attribute.
pub const USER_SIGNED_UP: &str = "user.signed_up";

/// A user has signed up. Versions 1 (no plan) and 2 (with plan) of the schema are both read into it.
///
/// ```
/// use user_events::event::Published;
/// use user_events::events::{EmailAddress, UserSignedUp};
///
/// let email: EmailAddress = "user@example.com".parse()?;
/// let event = UserSignedUp::new("123".parse()?, email, Some("pro".parse()?));
/// assert_eq!(event.head.version, 2);
/// assert!(event.to_json().contains(r#""userId":"123""#));
/// assert!(!format!("{event:?}").contains("user@example.com"), "addresses mask themselves");
/// # Ok::<(), user_events::event::InvalidValue>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSignedUp {
    /// The part that every event has.
    pub head: Head,
    /// Who signed up: an effect happens once for each.
    pub user_id: UserId,
    /// Where the welcome mail goes. Masked when printed.
    pub email: EmailAddress,
    /// What they signed up for. Version 1 has no plan, version 2 may leave it out.
    pub plan: Option<Plan>,
}

impl UserSignedUp {
    /// A new event with a fresh id (UUID v7), occurred now: version 2 with a plan, else version 1.
    #[must_use]
    pub fn new(user_id: UserId, email: EmailAddress, plan: Option<Plan>) -> Self {
        let version = if plan.is_some() { 2 } else { 1 };
        Self { head: Head::new(USER_SIGNED_UP, version), user_id, email, plan }
    }
}

impl Event for UserSignedUp {
    const TYPES: &'static [&'static str] = &[USER_SIGNED_UP];
    const NEWEST: u32 = 2;

    fn read(head: Head, fields: &Fields<'_>) -> Result<Self, EventError> {
        let (user_id, email) = (fields.id("userId")?, fields.required("email")?);
        let plan = match head.version {
            1 => None,
            2 => fields.optional::<Plan>("plan")?,
            _ => Some(fields.required("plan")?),
        };
        if head.version == 2 && plan.is_none() {
            tracing::debug!("an event of version 2 without a plan: taken as version 1");
        }
        Ok(Self { head, user_id, email, plan })
    }

    fn resembles(fields: &Fields<'_>) -> bool {
        fields.has("userId") && fields.has("email")
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn subject(&self) -> &str {
        self.user_id.as_str()
    }

    fn content(&self) -> Content<'_> {
        Content::spelled(self.email.canonical(), self.email.folded())
    }

    fn schema() -> Value {
        schema::schema()
    }
}

impl Published for UserSignedUp {
    fn to_json(&self) -> String {
        let Head { version, id, occurred_at, .. } = &self.head;
        let mut object = json!({
            "type": USER_SIGNED_UP,
            "version": version.to_string(),
            "eventId": id.as_str(),
            "userId": self.user_id.as_str(),
            "email": self.email.as_str(),
            "timestamp": occurred_at.to_string(),
        });
        if let Some(plan) = &self.plan {
            object["plan"] = plan.as_str().into();
        }
        object.to_string()
    }
}
