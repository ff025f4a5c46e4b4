//! From `publish` to the service: an event that no schema knows arrives to the byte.

use std::time::Duration;

use super::crm::Crm;
use super::service::Service;
use crate::world::eventually;
use crate::world::processes::execute_with_input;

const SOON: Duration = Duration::from_secs(30);

/// Spaces, figures and letters as no JSON library would write them again.
const FIELDS: &str = concat!(
    r#""eventId" : "e-1" ,  "total":1.50, "large":123456789012345678901234567890, "most":18446744073709551616,"#,
    r#" "tiny":1E-400,"minus":-0.0, "\u0061\u00e9":"caf\u00e9 café cafe\u0301","rtl":"\u202eשלום","line":"\u2028 \t","#,
    "\"emoji\":\"👩‍👧 \\ud83d\\ude00\",\t\"slash\":\"a\\/b/c\", \"empty\":{ }, \"list\":[ 1,[],null ,true]",
);

#[tokio::test]
async fn an_event_of_no_schema_goes_from_publish_to_a_webhook_to_the_byte() {
    let service = Service::start().await;
    let crm = Crm::calling(&service.url, SOON).await;
    let topic = crm.world.topic(&[&crm.queue]).await;
    let crm = crm.with("USER_EVENTS_TOPIC_ARN", &topic);
    let worker = crm.worker();
    let arrived = async |count: usize| {
        let all = async || (service.requests().len() >= count).then_some(());
        eventually("the service is called", SOON, all).await;
        service.requests().remove(count - 1)
    };

    let fields = |n| FIELDS.replace("e-1", &crm.id(n));
    let data = format!("  {{ {} }}\n", fields(1));
    crm.says(&["publish", "--type", "crm.lead/né", "--data", &data]).await;
    let sent = arrived(1).await;
    // The type is put before the fields; all else is as it was typed.
    assert_eq!(sent.body, format!(r#"{{"type":"crm.lead/né",{} }}"#, fields(1)));
    assert_eq!(sent.headers["webhook-id"], crm.id(1));

    let line = format!(r#"{{  {}, "type" :"crm.lead"}}"#, fields(2));
    let ended = execute_with_input(&crm.env, &["publish", "--stdin"], &line).await;
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(arrived(2).await.body, line);
    assert_eq!(worker.terminate().await, Some(0));
}
