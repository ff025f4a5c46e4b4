//! What a body carries of a trace, in each of its forms.

use super::*;

const WRAPPED: &str = r#"{"Type":"Notification","Message":"{}","MessageAttributes":{
    "eventType":{"Type":"String","Value":"user.signed_up"},
    "traceparent":{"Type":"String","Value":"00-inside"},"tracestate":{"Type":"String","Value":"a=1"}}}"#;

fn beside(name: &str) -> Option<String> {
    (name == TRACEPARENT).then(|| "00-beside".to_owned())
}

fn pair(traceparent: &str, tracestate: Option<&str>) -> Carried {
    Carried { traceparent: Some(traceparent.to_owned()), tracestate: tracestate.map(str::to_owned) }
}

#[test]
fn it_is_read_from_the_envelope_and_else_from_beside_the_body() {
    assert_eq!(carried(WRAPPED, beside), pair("00-inside", Some("a=1")));
    assert_eq!(carried("{}", beside), pair("00-beside", None));
    assert_eq!(carried("{}", |_| None), Carried::default());
}

#[test]
fn a_cloud_events_own_counts_where_no_attribute_has_any() {
    let own = r#"{"specversion":"1.0","traceparent":"00-own","tracestate":"b=2"}"#;
    let wrapped = |attributes: &str| {
        let message = serde_json::Value::from(own);
        let marks = r#""Type":"Notification","TopicArn":"t","MessageId":"m""#;
        format!(r#"{{{marks},"Message":{message},"MessageAttributes":{attributes}}}"#)
    };
    for body in [own, &wrapped("{}"), &wrapped("null")] {
        assert_eq!(carried(body, |_| None), pair("00-own", Some("b=2")), "{body}");
        assert_eq!(carried(body, beside), pair("00-beside", None), "{body}");
    }
    let inside = wrapped(r#"{"traceparent":{"Type":"String","Value":"00-inside"}}"#);
    assert_eq!(carried(&inside, beside), pair("00-inside", None));
    for odd in [r#"{"specversion":"1.0","traceparent":7}"#, r#"{"specversion":null,"traceparent":"00-x"}"#] {
        assert_eq!(carried(odd, |_| None), Carried::default(), "{odd}");
    }
    let dapr = include_str!("../../../tests/fixtures/cloud_events/dapr.json");
    let parent = "00-113ad9c4e42b27583ae98ba698d54255-e3743e35ff56f219-01";
    assert_eq!(carried(dapr, |_| None), pair(parent, Some("")));
}

#[test]
fn the_word_in_an_event_of_its_own_means_nothing() {
    for body in [r#"{"traceparent":"00-x"}"#, r#"{"MessageAttributes":{"traceparent":7}}"#, "traceparent"] {
        assert_eq!(carried(body, beside), pair("00-beside", None), "{body}");
    }
}
