//! Does a subscription's filter policy let a reaction's events through?
//!
//! Enters: the policy as JSON, whether it filters the body or SNS's attributes, the event types, and the field that
//! names the type. Leaves: yes, no, or "it depends", with the field that decides. Pure. Knows only what is the same
//! in every event of a type: the type's name, and for our own type which other fields there can be.

use serde_json::Value;

use crate::events::USER_SIGNED_UP;

/// What the filter does to events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passage {
    /// All pass.
    Open,
    /// None passes, because of this field.
    Shut(String),
    /// Some may not pass, because of this field.
    Unclear(String),
}

/// The other fields of `user.signed_up`. Their values differ from event to event.
const IN_BODY: &[&str] = &["version", "eventId", "userId", "email", "plan", "timestamp"];
const IN_ATTRIBUTES: &[&str] = &["eventVersion"];

/// What is known of a field before an event comes.
enum Field<'a> {
    Fixed(&'a str),
    Varies,
    Absent,
}

pub(super) fn passage(policy: &str, filters_body: bool, type_field: &str, types: &[&str]) -> Passage {
    if types.is_empty() {
        return of_type(policy, filters_body, type_field, None);
    }
    let mut each = types.iter().map(|kind| of_type(policy, filters_body, type_field, Some(kind)));
    let first = each.next().unwrap_or(Passage::Open);
    each.fold(first, |so_far, next| match (so_far, next) {
        (so_far, next) if so_far == next => so_far,
        // One type passes and another does not, so some events do not arrive.
        (Passage::Open, Passage::Shut(field) | Passage::Unclear(field))
        | (Passage::Shut(field) | Passage::Unclear(field), _) => Passage::Unclear(field),
        (Passage::Open, Passage::Open) => Passage::Open,
    })
}

/// The passage of one type. `None`: whatever comes is taken, so a filter by type chooses what is.
fn of_type(policy: &str, filters_body: bool, type_field: &str, known: Option<&str>) -> Passage {
    let Ok(Value::Object(policy)) = serde_json::from_str(policy) else {
        return Passage::Unclear("the policy itself".to_owned());
    };
    let (kind, varying) = if filters_body { (type_field, IN_BODY) } else { ("eventType", IN_ATTRIBUTES) };
    let mut passage = Passage::Open;
    for (name, conditions) in &policy {
        let field = match name.as_str() {
            name if name == kind => match known {
                Some(known) => Field::Fixed(known),
                None => continue,
            },
            name if known == Some(USER_SIGNED_UP) && !varying.contains(&name) => Field::Absent,
            _ => Field::Varies,
        };
        // Every field must match; the conditions of one field are alternatives.
        match any(conditions, &field) {
            Some(true) => {}
            Some(false) => return Passage::Shut(name.clone()),
            None => passage = Passage::Unclear(name.clone()),
        }
    }
    passage
}

/// Does one of the conditions match? `None`: it depends on the event, or we do not know the condition.
fn any(conditions: &Value, field: &Field<'_>) -> Option<bool> {
    let Value::Array(conditions) = conditions else {
        // A nested field, or an operator over several fields.
        return if conditions.is_object() && matches!(field, Field::Absent) { Some(false) } else { None };
    };
    let answers: Vec<_> = conditions.iter().map(|condition| one(condition, field)).collect();
    match answers {
        answers if answers.contains(&Some(true)) => Some(true),
        answers if answers.contains(&None) => None,
        _ => Some(false),
    }
}

fn one(condition: &Value, field: &Field<'_>) -> Option<bool> {
    if let Some(wanted) = condition.get("exists").and_then(Value::as_bool) {
        return match field {
            Field::Varies => None,
            Field::Fixed(_) => Some(wanted),
            Field::Absent => Some(!wanted),
        };
    }
    let text = match field {
        Field::Fixed(text) => *text,
        Field::Varies => return None,
        Field::Absent => return Some(false),
    };
    let Some((operator, operand)) = condition.as_object().and_then(|all| all.iter().next()) else {
        return Some(condition.as_str() == Some(text));
    };
    match (operator.as_str(), operand) {
        ("prefix", Value::String(start)) => Some(text.starts_with(start.as_str())),
        ("suffix", Value::String(end)) => Some(text.ends_with(end.as_str())),
        ("equals-ignore-case", Value::String(other)) => Some(text.eq_ignore_ascii_case(other)),
        ("anything-but", Value::String(other)) => Some(text != other),
        ("anything-but", Value::Array(others)) => Some(others.iter().all(|other| other.as_str() != Some(text))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lets_our_event_through_or_not_or_it_depends() {
        let shut = |field: &str| Passage::Shut(field.to_owned());
        let unclear = |field: &str| Passage::Unclear(field.to_owned());
        let cases = [
            (r#"{"type":["user.signed_up"]}"#, true, Passage::Open),
            (r#"{"eventType":["order.placed","user.signed_up"]}"#, false, Passage::Open),
            (r#"{"type":[{"prefix":"user."}]}"#, true, Passage::Open),
            (r#"{"type":[{"suffix":"_up"}],"tenant":[{"exists":false}]}"#, true, Passage::Open),
            (r#"{"type":[{"anything-but":["order.placed"]}]}"#, true, Passage::Open),
            (r#"{"type":[{"equals-ignore-case":"USER.SIGNED_UP"}]}"#, true, Passage::Open),
            // The right policy in the wrong scope: SNS looks for the field in another place.
            (r#"{"type":["user.signed_up"]}"#, false, shut("type")),
            (r#"{"eventType":["user.signed_up"]}"#, true, shut("eventType")),
            (r#"{"type":["user.deleted"]}"#, true, shut("type")),
            (r#"{"type":[{"anything-but":"user.signed_up"}]}"#, true, shut("type")),
            (r#"{"type":["user.signed_up"],"tenant":["acme"]}"#, true, shut("tenant")),
            (r#"{"user":{"plan":["pro"]}}"#, true, shut("user")),
            (r#"{"type":["user.signed_up"],"plan":["pro"]}"#, true, unclear("plan")),
            (r#"{"type":[{"wildcard":"user.*"}]}"#, true, unclear("type")),
            (r#"[]"#, true, unclear("the policy itself")),
            (r#"{"email":[{"suffix":"@x"}],"type":["no"]}"#, true, shut("type")),
        ];
        for (policy, filters_body, expected) in cases {
            assert_eq!(passage(policy, filters_body, "type", &[USER_SIGNED_UP]), expected, "{policy}");
        }
    }

    #[test]
    fn of_another_teams_event_only_the_type_is_known_and_of_several_each_must_pass() {
        let unclear = |field: &str| Passage::Unclear(field.to_owned());
        let both = [USER_SIGNED_UP, "order.paid"];
        for (policy, types, expected) in [
            (r#"{"type":["order.paid"]}"#, &both[1..], Passage::Open),
            (r#"{"type":["order.paid"],"tenant":["acme"]}"#, &both[1..], unclear("tenant")),
            (r#"{"type":["user.signed_up"]}"#, &both[1..], Passage::Shut("type".to_owned())),
            (r#"{"type":["user.signed_up","order.paid"]}"#, &both[..], Passage::Open),
            (r#"{"type":["user.signed_up"]}"#, &both[..], unclear("type")),
            (r#"{"type":["user.signed_up"]}"#, &[], Passage::Open),
            (r#"{"type":["user.signed_up"],"tenant":["acme"]}"#, &[], unclear("tenant")),
            (r#"{}"#, &[], Passage::Open),
        ] {
            assert_eq!(passage(policy, true, "type", types), expected, "{policy} {types:?}");
        }
        let own = r#"{"eventType":["Bounce"]}"#;
        assert_eq!(passage(own, true, "eventType", &["Bounce"]), Passage::Open, "an event may name its type elsewhere");
        assert_eq!(passage(own, true, "type", &["Bounce"]), unclear("eventType"));
    }
}
