//! What publishers write for numbers and times, wrapped and raw: read as they meant it, or without refusing the event.

use super::{UserSignedUp, code, open, opened, raw_with, taken, wrapped};
use engine::event::{Arrival, Event, EventError, Opened, to_be_published};

#[test]
fn a_user_id_that_is_a_whole_number_is_its_digits() {
    let with_id = |id: &str| format!(r#"{{"type":"user.signed_up","userId":{id},"email":"a@example.com"}}"#);
    for (id, digits) in [("123", "123"), ("0", "0"), ("18446744073709551615", "18446744073709551615"), ("7.0", "7")] {
        assert_eq!(opened(&with_id(id)).user_id.as_str(), digits);
        assert_eq!(opened(&wrapped(&with_id(id))).user_id.as_str(), digits);
    }
    for bad in ["-1", "1.5", "1e300", "true", "[1]", "{}", "\"\""] {
        assert_eq!(code(&with_id(bad)), "invalid_field", "{bad}");
    }
}

#[test]
fn a_timestamp_of_no_use_costs_no_event_and_the_carriers_stands_in() {
    let raw = |time: &str| opened(&raw_with(&format!(r#","timestamp":{time}"#))).head.occurred_at;
    let wrapped =
        |time: &str| opened(&wrapped(&raw_with(&format!(r#","timestamp":{time}"#)))).head.occurred_at.to_string();
    for odd in ["null", "\"yesterday\"", "\"\"", "true", "[]", "{}", "-1", "1e300", "\"9999-12-31T23:59:59Z\"", "9e14"]
    {
        assert_eq!(raw(odd), taken(), "{odd}");
        assert_eq!(wrapped(odd), "2026-02-03T04:05:06.789Z", "{odd}");
    }
    for read in ["1767225600", "1767225600000", "1767225600.0", "\"1767225600\"", "\"2026-01-01 00:00:00+0000\""] {
        assert_eq!(raw(read).to_string(), "2026-01-01T00:00:00.000Z", "{read}");
    }
}

#[test]
fn an_event_may_be_a_day_ahead_of_whichever_carrier_took_it_last() {
    let at = |time: &str| raw_with(&format!(r#","timestamp":"{time}""#));
    // SNS took it in February, SQS (by the arrival) in January. For a redriven body it is the other way round.
    let (day, more) = ("2026-02-04T04:05:06.789Z", "2026-02-04T04:05:06.790Z");
    assert_eq!(opened(&wrapped(&at(day))).head.occurred_at.to_string(), day);
    assert_eq!(opened(&wrapped(&at(more))).head.occurred_at.to_string(), "2026-02-03T04:05:06.789Z");
    let late = "2027-01-01T00:00:00Z".parse().expect("a moment");
    let redriven = |time| match open(&wrapped(&at(time)), late) {
        Ok(Opened::Ours(event)) => event.head.occurred_at.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(redriven("2027-01-01T23:59:59.000Z"), "2027-01-01T23:59:59.000Z");
    assert_eq!(redriven("2027-01-02T00:00:01.000Z"), "2026-02-03T04:05:06.789Z");
}

fn written(text: &str) -> Result<Opened<UserSignedUp>, EventError> {
    to_be_published(text, &Arrival::raw(taken()), UserSignedUp::TYPES)
}

#[test]
fn who_publishes_is_told_of_a_timestamp_that_no_consumer_would_take() {
    for (time, rule) in
        [("\"yesterday\"", "RFC 3339"), ("true", "a number"), ("\"2026-01-04T00:00:01Z\"", "a day ahead")]
    {
        let text = raw_with(&format!(r#","timestamp":{time}"#));
        let error = written(&text).expect_err("of no use");
        assert!(error.to_string().starts_with("the event's field `timestamp`"), "{error}");
        assert!(error.to_string().contains(rule), "{error}");
    }
    assert!(written(&raw_with("")).is_ok());
}
