//! The answer to a receive, read by `serde_json` in place of the SDK's own reader.
//!
//! Enters: SQS's answer, as the SDK received it. Leaves: the SDK's own message type, so that nothing else changes. Why:
//! the SDK reads a string byte by byte, and a receive is nearly all strings; measured, that is a third of a message's
//! cost. An answer that is no success is left to the SDK. Promises: an oddity in one message affects that message
//! alone, and is logged. Knows no delivery.

use std::collections::HashMap;

use aws_sdk_sqs::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName as Name};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::surrogates::mended;

/// Only for a client that makes no other call than receive.
#[derive(Debug)]
pub(super) struct ReadAnswers;

#[dyn_dispatch_hint]
impl Intercept for ReadAnswers {
    fn name(&self) -> &'static str {
        "ReadAnswers"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        call: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().status().is_success() {
            call.interceptor_state().store_put(SharedResponseDeserializer::new(AnswerReader));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct AnswerReader;

impl DeserializeResponse for AnswerReader {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let body = response.body().bytes().unwrap_or_default();
        let answer = read(body).map_err(OrchestratorError::response)?;
        Ok(Output::erase(answer))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveAnswer {
    messages: Option<Vec<WireMessage>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireMessage {
    message_id: Option<String>,
    receipt_handle: Option<String>,
    body: Option<String>,
    attributes: Option<SystemAttributes>,
    message_attributes: Option<HashMap<String, WireAttribute>>,
}

/// The system attributes that we ask for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SystemAttributes {
    approximate_receive_count: Option<String>,
    sent_timestamp: Option<String>,
    message_group_id: Option<String>,
    #[serde(rename = "AWSTraceHeader")]
    aws_trace_header: Option<String>,
    dead_letter_queue_source_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

pub(super) fn read(body: &[u8]) -> Result<ReceiveMessageOutput, BoxError> {
    let text = std::str::from_utf8(body)?;
    let messages = match regular(text) {
        Ok(messages) => messages,
        Err(_) => one_by_one(text)?,
    };
    Ok(ReceiveMessageOutput::builder().set_messages(Some(messages)).build())
}

fn regular(text: &str) -> Result<Vec<Message>, BoxError> {
    let answer: ReceiveAnswer = serde_json::from_str(text)?;
    answer.messages.unwrap_or_default().into_iter().map(message).collect()
}

/// The slow way, for an answer with something odd in it: reads what can be read of each message.
fn one_by_one(text: &str) -> Result<Vec<Message>, BoxError> {
    let mended = mended(text);
    let text = match &mended {
        Some((text, halves)) => {
            tracing::warn!(halves, "a receive brought half a surrogate pair: it is read with U+FFFD in its place");
            text
        }
        None => text,
    };
    let answer: Map<String, Value> = serde_json::from_str(text)?;
    match answer.get("Messages") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(all)) => all.iter().map(|one| message(received(one))).collect(),
        Some(_) => Err("the messages are no list".into()),
    }
}

/// A part with another shape than SQS's is treated as absent, and one log line says so.
fn received(message: &Value) -> WireMessage {
    let mut odd = Vec::new();
    let mut text = |name: &str| {
        let value = &message[name];
        if !value.is_string() && !value.is_null() {
            odd.push(name.to_owned());
        }
        value.as_str().map(str::to_owned)
    };
    let [message_id, receipt_handle, body] = ["MessageId", "ReceiptHandle", "Body"].map(&mut text);
    // A JSON number is accepted too, as a count or a time.
    let system = |name: &str| match &message["Attributes"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let attributes = SystemAttributes {
        approximate_receive_count: system("ApproximateReceiveCount"),
        sent_timestamp: system("SentTimestamp"),
        message_group_id: system("MessageGroupId"),
        aws_trace_header: system("AWSTraceHeader"),
        dead_letter_queue_source_arn: system("DeadLetterQueueSourceArn"),
    };
    let own = message["MessageAttributes"].as_object().into_iter().flatten();
    let message_attributes = own.filter_map(|(name, value)| {
        let read = || serde_json::from_value::<WireAttribute>(value.clone()).ok();
        let is_sound = read().is_some_and(|attribute| value_of(attribute).is_ok());
        if !is_sound {
            odd.push(name.clone());
        }
        Some((name.clone(), read().filter(|_| is_sound)?))
    });
    let message_attributes = Some(message_attributes.collect());
    if !odd.is_empty() {
        tracing::warn!(
            message_id,
            ?odd,
            "parts of a received message have not the shape that SQS gives them; it is read without them"
        );
    }
    WireMessage { message_id, receipt_handle, body, attributes: Some(attributes), message_attributes }
}

fn message(received: WireMessage) -> Result<Message, BoxError> {
    let WireMessage { message_id, receipt_handle, body, attributes, message_attributes } = received;
    let own = |all: HashMap<String, WireAttribute>| all.into_iter().map(attribute).collect::<Result<_, BoxError>>();
    Ok(Message::builder()
        .set_message_id(message_id)
        .set_receipt_handle(receipt_handle)
        .set_body(body)
        .set_attributes(attributes.map(SystemAttributes::named))
        .set_message_attributes(message_attributes.map(own).transpose()?)
        .build())
}

impl SystemAttributes {
    fn named(self) -> HashMap<Name, String> {
        let all = [
            (Name::ApproximateReceiveCount, self.approximate_receive_count),
            (Name::SentTimestamp, self.sent_timestamp),
            (Name::MessageGroupId, self.message_group_id),
            (Name::AwsTraceHeader, self.aws_trace_header),
            (Name::DeadLetterQueueSourceArn, self.dead_letter_queue_source_arn),
        ];
        // Allocated for all entries at once: growing step by step would allocate three times.
        let mut named = HashMap::with_capacity(all.len());
        named.extend(all.into_iter().filter_map(|(name, value)| Some((name, value?))));
        named
    }
}

fn attribute((name, read): (String, WireAttribute)) -> Result<(String, MessageAttributeValue), BoxError> {
    Ok((name, value_of(read)?))
}

fn value_of(read: WireAttribute) -> Result<MessageAttributeValue, BoxError> {
    let binary = read.binary_value.map(|text| BASE64.decode(text.as_bytes())).transpose()?;
    let value = MessageAttributeValue::builder().data_type(read.data_type).set_string_value(read.string_value);
    Ok(value.set_binary_value(binary.map(Blob::new)).build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_message_arrives_as_it_was_sent() {
        let answer = r#"{"Messages":[{"MessageId":"m-1","ReceiptHandle":"r/1+","MD5OfBody":"ignored","Body":"{\"a\":\"\u00fc \\n \ud83c\udf89\"}",
            "Attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1767225600000","SenderId":"not asked for",
            "AWSTraceHeader":"Root=1-2-3"},"MessageAttributes":{"n":{"DataType":"Number","StringValue":"7"},
            "b":{"DataType":"Binary","BinaryValue":"AAH/"}}},{"MessageId":null}]}"#;
        let messages = read(answer.as_bytes()).expect("an answer").messages.expect("messages");
        let [first, bare] = &messages[..] else { panic!("{} messages", messages.len()) };
        assert_eq!((first.message_id(), first.receipt_handle()), (Some("m-1"), Some("r/1+")));
        assert_eq!(first.body(), Some("{\"a\":\"ü \\n 🎉\"}"));
        let attributes = first.attributes().expect("attributes");
        assert_eq!(attributes.get(&Name::ApproximateReceiveCount).map(String::as_str), Some("3"));
        assert_eq!(attributes.get(&Name::SentTimestamp).map(String::as_str), Some("1767225600000"));
        assert_eq!(attributes.get(&Name::AwsTraceHeader).map(String::as_str), Some("Root=1-2-3"));
        let own = first.message_attributes().expect("attributes of the sender's");
        assert_eq!(own["n"].string_value(), Some("7"));
        assert_eq!(own["b"].binary_value().map(AsRef::as_ref), Some(&[0, 1, 255][..]));
        assert_eq!((bare.message_id(), bare.body()), (None, None));
    }

    #[test]
    fn what_is_odd_about_a_message_costs_that_message_alone() {
        let good = r#"{"MessageId":"good","ReceiptHandle":"r","Body":"b","MessageAttributes":{"n":{"DataType":"Number","StringValue":"7"}}}"#;
        let odd = [
            r#"{"MessageId":"odd","ReceiptHandle":"r","Body":"b","MessageAttributes":{"x":{"StringValue":"v"},"n":{"DataType":"Number","StringValue":"7"}}}"#,
            r#"{"MessageId":"odd","ReceiptHandle":"r","Body":"b","MessageAttributes":{"x":{"DataType":"Number","StringValue":7},"n":{"DataType":"Number","StringValue":"7"}}}"#,
            r#"{"MessageId":"odd","ReceiptHandle":"r","Body":"b","MessageAttributes":{"x":{"DataType":"Binary","BinaryValue":"no base64"},"n":{"DataType":"Number","StringValue":"7"}}}"#,
            r#"{"MessageId":"odd","ReceiptHandle":"r","Body":"b","Attributes":{"ApproximateReceiveCount":3,"SentTimestamp":[]},"MessageAttributes":{"x":"v","n":{"DataType":"Number","StringValue":"7"}}}"#,
        ];
        for odd in odd {
            let messages = read(format!(r#"{{"Messages":[{good},{odd},{good}]}}"#).as_bytes())
                .expect("an answer")
                .messages
                .expect("messages");
            assert_eq!(messages.len(), 3, "{odd}");
            for message in &messages {
                assert_eq!((message.body(), message.receipt_handle()), (Some("b"), Some("r")), "{odd}");
                let own = message.message_attributes().expect("attributes");
                assert_eq!((own.len(), own["n"].string_value()), (1, Some("7")), "{odd}");
            }
        }
        let counted =
            read(format!(r#"{{"Messages":[{}]}}"#, odd[3]).as_bytes()).expect("an answer").messages.expect("one");
        assert_eq!(counted[0].attributes().expect("system's")[&Name::ApproximateReceiveCount], "3");
    }

    #[test]
    fn a_message_without_a_usable_body_leaves_its_neighbours_whole() {
        let good = r#"{"MessageId":"good","ReceiptHandle":"r","Body":"b"}"#;
        for odd in [
            r#"{"MessageId":"odd","ReceiptHandle":"r","Body":5}"#,
            r#"{"MessageId":1,"ReceiptHandle":{},"Body":"b"}"#,
            "7",
            "null",
            "[]",
        ] {
            let messages = read(format!(r#"{{"Messages":[{odd},{good}]}}"#).as_bytes())
                .expect("an answer")
                .messages
                .expect("messages");
            let [odd_one, good] = &messages[..] else { panic!("{odd}") };
            assert!(odd_one.body().is_none() || odd_one.receipt_handle().is_none(), "{odd}");
            assert_eq!((good.message_id(), good.body()), (Some("good"), Some("b")), "{odd}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_costs_its_message_that_character_alone() {
        let answer = r#"{"Messages":[{"ReceiptHandle":"r","Body":"good \ud83d\ude00"},{"ReceiptHandle":"r","Body":"odd \ud800"},
            {"ReceiptHandle":"r","Body":"odder","MessageAttributes":{"n":{"DataType":"String","StringValue":"\udc00"}}}]}"#;
        let messages = read(answer.as_bytes()).expect("an answer").messages.expect("messages");
        let bodies: Vec<_> = messages.iter().filter_map(Message::body).collect();
        assert_eq!(bodies, ["good 😀", "odd \u{fffd}", "odder"]);
        assert_eq!(messages[2].message_attributes().expect("one")["n"].string_value(), Some("\u{fffd}"));
    }

    #[test]
    fn an_empty_long_poll_brings_no_message() {
        for empty in ["{}", r#"{"Messages":[]}"#, r#"{"Messages":null,"New":[1]}"#] {
            assert!(read(empty.as_bytes()).expect("an answer").messages.unwrap_or_default().is_empty(), "{empty}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_no_panic() {
        let hostile = [
            &b""[..],
            b"<html>",
            b"{\"Messages\":[{\"Body\":\"cut",
            b"{\"Messages\":[{\"Body\":\"\xff\"}]}",
            b"[]",
            br#"{"Messages":{"Body":"x"}}"#,
        ];
        for answer in hostile {
            assert!(read(answer).is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }
}
