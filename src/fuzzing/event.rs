//! `user.signed_up`: read, written, read again; given another id; published as it came.
//!
//! Enters: an event's text. Leaves: nothing.

use super::{assert_tells_nothing, sent_at};
use crate::events::{EmailAddress, UserSignedUp, WithFields};
use engine::event::{AnyEvent, Arrival, Event, EventError, EventId, Names, Opened, Published, read, with_new_id};

/// What holds of an event's text.
pub fn event(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match signed_up(&text) {
        Ok(Opened::Ours(event)) => {
            let UserSignedUp { email, .. } = &event.event;
            is_itself_again(&event.event);
            has_another_id(&text, &event.event);
            is_an_address(email);
            is_masked(&event.event);
        }
        Ok(Opened::Foreign(kind)) => {
            assert!(kind.chars().count() <= 64 && !kind.contains(char::is_control), "{kind:?}");
        }
        Err(error) => {
            assert_tells_nothing(&error.detail(), &text);
            assert_tells_nothing(&error.to_string(), &text);
        }
    }
    is_published_as_it_came(&text);
}

fn signed_up(text: &str) -> Result<Opened<WithFields<UserSignedUp>>, EventError> {
    read(text, &Arrival::wrapped("m-1", sent_at()), UserSignedUp::TYPES)
}

fn ours(text: &str) -> UserSignedUp {
    match signed_up(text) {
        Ok(Opened::Ours(event)) => event.event,
        other => panic!("{text} is {other:?}"),
    }
}

/// Whatever is read in any spelling is written in one, which is read as the same.
fn is_itself_again(event: &UserSignedUp) {
    let again = ours(&event.to_json());
    assert_eq!(facts(&again), facts(event));
    assert_eq!(again.head.id, event.head.id);
    assert_eq!(again.to_json(), event.to_json(), "written once more it is the same text");
}

/// An event that is given another id is another event and says the same.
fn has_another_id(text: &str, event: &UserSignedUp) {
    let Ok(id) = "another".parse::<EventId>() else { panic!("an id") };
    let Ok(renamed) = with_new_id(text, &Names::OURS, &id) else { panic!("it is an object: {text}") };
    let again = ours(&renamed);
    assert_eq!(facts(&again), facts(event));
    let is_cloud_event = again.head.id != id;
    assert!(!is_cloud_event || text.contains("specversion") || text.contains('\\'), "{renamed}");
    let Ok(twice) = with_new_id(&renamed, &Names::OURS, &id) else { panic!("it is an object: {renamed}") };
    assert_eq!(ours(&twice), again, "once is enough");
}

/// All that an event says, but for its id.
fn facts(event: &UserSignedUp) -> impl PartialEq + std::fmt::Debug + use<> {
    let UserSignedUp { head, user_id, email, plan } = event;
    let spellings = (email.as_str().to_owned(), email.folded(), email.deliverable());
    (head.version, head.occurred_at, user_id.as_str().to_owned(), plan.clone(), spellings)
}

/// It goes into a command of SMTP and into a header: nothing in it may end either.
fn is_an_address(email: &EmailAddress) {
    let deliverable = email.deliverable();
    let told = deliverable.to_string();
    assert!(!told.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,;\\".contains(c)), "{told:?}");
    assert_eq!(told.matches('@').count(), 1, "{told:?}");
    assert!(deliverable.domain().is_ascii() || !deliverable.user().is_ascii(), "{told:?}");
    let Ok(folded) = email.folded().parse::<EmailAddress>() else { panic!("{:?} is none", email.folded()) };
    assert_eq!(folded.folded(), email.folded());
}

/// No log shows an address.
fn is_masked(event: &UserSignedUp) {
    let shown = format!("{event:?} {}", event.email);
    let others = [event.head.id.as_str(), event.plan.as_ref().map_or("", |plan| plan.as_str())];
    let address = event.email.as_str();
    assert!(others.iter().any(|other| other.contains(address)) || !shown.contains(address), "{shown}");
}

/// Whatever may be published has an id, and is read by everybody as the same event.
fn is_published_as_it_came(text: &str) {
    let Ok(event) = AnyEvent::to_be_published(text) else { return };
    let read = read::<AnyEvent>(event.text(), &Arrival::raw(sent_at()), &[]);
    let Ok(Opened::Ours(read)) = read else { panic!("{} is {read:?}", event.text()) };
    assert_eq!(read.head().id, event.head().id);
    let again = AnyEvent::to_be_published(event.text());
    assert_eq!(again.as_ref().map(AnyEvent::text), Ok(event.text()), "it has its id");
}
