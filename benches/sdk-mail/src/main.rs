//! The main job as a user would write it in Rust: receive ten, claim by SET NX, send by lettre's pool, delete ten.
//!
//! Enters: QUEUE_URL, REDIS_URL, SMTP_URL, MAIL_FROM, MAIL_TEMPLATE (a folder: `subject`, `text`, `html`), POLLERS: each has
//! ten mails under way; CONNECTIONS of the pool at most. Runs until it is killed. Has no record beside the claim: whoever
//! dies between claim and mail loses the mail.

use std::sync::Arc;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use futures_util::future::join_all;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use redis::aio::ConnectionManager;
use serde_json::Value;

struct Sender {
    from: Mailbox,
    subject: String,
    text: String,
    html: String,
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    redis: ConnectionManager,
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn number(name: &str, default: &str) -> usize {
    variable(name, default).parse().expect("a number")
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn filled(template: &str, plan: &str, signed_up_on: &str) -> String {
    template.replace("{{ plan }}", plan).replace("{{ signed_up_on }}", signed_up_on)
}

impl Sender {
    async fn new() -> Self {
        let client = redis::Client::open(variable("REDIS_URL", "redis://127.0.0.1:6379/0")).expect("a URL");
        let template = |name: &str| {
            std::fs::read_to_string(format!("{}/{name}", variable("MAIL_TEMPLATE", "."))).expect("a template")
        };
        let pool = PoolConfig::new().max_size(number("CONNECTIONS", "40") as u32);
        let smtp = AsyncSmtpTransport::<Tokio1Executor>::from_url(&variable("SMTP_URL", "")).expect("a URL");
        Self {
            from: variable("MAIL_FROM", "").parse().expect("a mailbox"),
            subject: template("subject"),
            text: template("text"),
            html: template("html"),
            smtp: smtp.pool_config(pool).build(),
            redis: ConnectionManager::new(client).await.expect("Redis is there"),
        }
    }

    fn compose(&self, event: &Value) -> lettre::Message {
        let field = |name: &str| event[name].as_str().expect("text");
        let (plan, signed_up_on) = (field("plan"), &field("timestamp")[..10]);
        let bodies = MultiPart::alternative_plain_html(
            filled(&self.text, plan, signed_up_on),
            filled(&self.html, &escaped(plan), signed_up_on),
        );
        lettre::Message::builder()
            .from(self.from.clone())
            .to(field("email").parse().expect("an address"))
            .subject(filled(&self.subject, plan, signed_up_on))
            .message_id(None)
            .multipart(bodies)
            .expect("a mail")
    }

    async fn handle(&self, body: &str) {
        let envelope: Value = serde_json::from_str(body).expect("JSON");
        let event: Value = serde_json::from_str(envelope["Message"].as_str().expect("text")).expect("JSON");
        let key = format!("mail:{}", event["userId"].as_str().expect("an id"));
        let claim = redis::cmd("SET").arg(key).arg(1).arg("NX").arg("EX").arg(45 * 86_400).to_owned();
        let claim: Option<String> = claim.query_async(&mut self.redis.clone()).await.expect("Redis answers");
        if claim.is_some() {
            self.smtp.send(self.compose(&event)).await.expect("taken");
        }
    }
}

fn entry((n, message): (usize, &Message)) -> DeleteMessageBatchRequestEntry {
    let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
    entry.receipt_handle(message.receipt_handle().unwrap_or_default()).build().expect("whole")
}

async fn poll(client: aws_sdk_sqs::Client, url: String, sender: Arc<Sender>) {
    loop {
        let receive = client.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(20);
        let Ok(answer) = receive.send().await else { continue };
        let messages = answer.messages();
        join_all(messages.iter().map(|message| sender.handle(message.body().unwrap_or_default()))).await;
        if !messages.is_empty() {
            let entries = messages.iter().enumerate().map(entry).collect();
            client.delete_message_batch().queue_url(&url).set_entries(Some(entries)).send().await.expect("deleted");
        }
    }
}

#[tokio::main]
async fn main() {
    let client = aws_sdk_sqs::Client::new(&aws_config::load_from_env().await);
    let (url, sender) = (variable("QUEUE_URL", ""), Arc::new(Sender::new().await));
    let all = (0..number("POLLERS", "4")).map(|_| tokio::spawn(poll(client.clone(), url.clone(), sender.clone())));
    for poller in all.collect::<Vec<_>>() {
        poller.await.expect("a poller never ends");
    }
}
