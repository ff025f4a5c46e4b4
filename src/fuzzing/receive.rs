//! SQS's answer to a receive → deliveries.
//!
//! Enters: a whole answer, or one message, as JSON. Leaves: nothing.

use serde_json::Value;

use engine::queue::Delivery;
use engine::queue::dead_letter::is_ours;
use engine::queue::sqs::deliveries;

/// A message like any other.
const GOOD: &str = r#"{"MessageId":"good","ReceiptHandle":"r","Body":"b","MessageAttributes":{"n":{"DataType":"Number","StringValue":"7"}}}"#;

/// What holds of an answer.
pub fn receive(input: &[u8]) {
    // What is no answer is an error and no panic.
    let _ = deliveries(input);
    let message = String::from_utf8_lossy(input);
    let answer = format!(r#"{{"Messages":[{GOOD},{message},{GOOD}]}}"#);
    let Ok(read) = serde_json::from_str::<Value>(&answer) else { return };
    let Some(brought) = deliveries(answer.as_bytes()) else { panic!("one odd message fails its batch: {message}") };
    let ([first, .., last], true) = (&brought[..], brought.len() >= 2) else { panic!("its neighbours are lost") };
    for good in [first, last] {
        assert_eq!((good.message_id.as_str(), good.body.as_str(), good.receipt.as_str()), ("good", "b", "r"));
        assert_eq!(good.attributes["n"].value, "7");
    }
    if let ([_, odd, _], Some([_, told, _])) = (&brought[..], read["Messages"].as_array().map(Vec::as_slice)) {
        is_as_it_was_sent(odd, told);
    }
}

/// A text that SQS wrote arrives as it was written, unless the message was a letter: then its original does.
fn is_as_it_was_sent(delivery: &Delivery, told: &Value) {
    assert_eq!(delivery.receipt.as_str(), told["ReceiptHandle"]);
    assert!(delivery.attempt.get() >= 1);
    let is_letter = told["MessageAttributes"].as_object().is_some_and(|all| all.contains_key("failure.reason"));
    assert!(is_letter || delivery.body.as_str() == told["Body"], "{told}");
    assert!(is_letter || !is_ours(&delivery.attributes));
    for (name, attribute) in &delivery.attributes {
        let told = &told["MessageAttributes"][name];
        assert!(is_letter || attribute.data_type == told["DataType"], "{name}");
        assert!(is_letter || told["StringValue"].is_null() || attribute.value == told["StringValue"], "{name}");
    }
}
