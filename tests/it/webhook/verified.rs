//! The receivers' own libraries judge what the program sends: on a further try, after a redrive, while a secret changes.

use std::time::Duration;

use super::crm::Crm;
use super::service::{Request, Service, status};
use super::{PREVIOUS, SECRET};
use crate::world::eventually;
use crate::world::http::post;
use crate::world::receiver::{LANGUAGES, start_receiver};

const SOON: Duration = Duration::from_secs(30);

/// What a receiver with this secret, in each language, answers to these requests.
async fn answers(secret: &str, requests: &[Request]) -> Vec<Vec<u16>> {
    let mut all = Vec::new();
    for language in LANGUAGES {
        let (_receiver, url, accepted) = start_receiver(language, secret).await;
        let mut answers = Vec::new();
        for request in requests {
            let own = request.headers.iter().filter(|(name, _)| name.starts_with("webhook-"));
            let headers: Vec<_> = own.map(|(name, value)| (name.as_str(), value.as_str())).collect();
            answers.push(post(&url, &headers, &request.body).await);
        }
        let works = answers.iter().filter(|answer| **answer == 204).count().div_ceil(2);
        let all_told = async || (accepted.ids().len() >= works).then_some(());
        eventually("the receiver tells of its work", SOON, all_told).await;
        assert_eq!(accepted.ids().len(), works, "{language}: each event came twice, and is worked on once");
        all.push(answers);
    }
    all
}

#[tokio::test]
async fn the_receivers_own_libraries_verify_each_try_and_what_a_redrive_sends_while_a_secret_changes() {
    let service = Service::start().await;
    let mut crm = Crm::calling(&service.url, SOON).await.with("CRM_WEBHOOK_SECRET", PREVIOUS);
    let worker = crm.worker();
    // A failure, then done.
    service.script([status(500, ""), status(204, "")]);
    crm.world.send(&crm.queue, &crm.event(1, r#",  "note":"Zoë""#)).await;
    crm.world.drained(&crm.queue, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));

    crm = crm.with("CRM_WEBHOOK_SECRET", SECRET).with("CRM_WEBHOOK_SECRET_PREVIOUS", PREVIOUS);
    let worker = crm.worker();
    // Refused, sent back by an operator, then done.
    service.script([status(400, ""), status(204, "")]);
    crm.world.send(&crm.queue, &crm.event(2, r#",  "total":1.50"#)).await;
    let refused = async || (crm.world.depth(&crm.queue.dlq_url).await.visible == 1).then_some(());
    eventually("the refused one is in the DLQ", SOON, refused).await;
    crm.says(&["dlq", "redrive", "crm", "--yes"]).await;
    let again = async || (service.requests().len() == 4).then_some(());
    eventually("it is sent again", SOON, again).await;
    crm.world.drained(&crm.queue, SOON).await;
    assert_eq!(worker.terminate().await, Some(0));

    let requests = service.requests();
    let ids: Vec<_> = requests.iter().map(|request| request.headers["webhook-id"].as_str()).collect();
    assert_eq!(ids, [1, 1, 2, 2].map(|n| crm.id(n)), "one id on every try");
    assert_eq!(answers(PREVIOUS, &requests).await, [[204; 4]; 2], "by the secret before");
    assert_eq!(answers(SECRET, &requests).await, [[400, 400, 204, 204]; 2], "by the new one");
    let strange = PREVIOUS.replace("QUFB", "QkJC");
    assert_eq!(answers(&strange, &requests).await, [[400; 4]; 2], "by a stranger's");
}
