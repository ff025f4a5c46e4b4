//! SNS calls of operators, which a publisher never makes: is the topic there, and how is a queue subscribed to it.
//!
//! Enters: a topic's ARN, a queue's ARN. Leaves: the subscription without AWS's Options, or a [`SendError`] with SNS's
//! code. Judges nothing.

use aws_sdk_sns::Client;
use aws_types::SdkConfig;

use super::{classify, client};
use crate::topic::SendError;

/// One topic, to look at.
#[derive(Debug, Clone)]
pub struct SnsAdmin {
    client: Client,
    arn: String,
}

/// How a queue is subscribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Does it wait for a confirmation that a queue never gives?
    pub pending: bool,
    /// Is the event delivered without SNS's envelope?
    pub raw: bool,
    /// Its filter policy, as JSON text.
    pub filter: Option<String>,
    /// Does the filter look at the event itself, rather than at SNS's attributes?
    pub filters_body: bool,
    /// Does it have a DLQ for messages that SNS cannot deliver?
    pub has_dlq: bool,
}

impl SnsAdmin {
    /// The topic of this ARN. Makes no call.
    #[must_use]
    pub fn new(aws: &SdkConfig, arn: String) -> Self {
        Self { client: client(aws), arn }
    }

    /// Is the topic there, and may we look at it?
    ///
    /// # Errors
    /// [`SendError::Refused`] with SNS's code if not, else `Unavailable`.
    pub async fn exists(&self) -> Result<(), SendError> {
        let call = self.client.get_topic_attributes().topic_arn(&self.arn);
        call.send().await.map(|_| ()).map_err(|error| classify(&error))
    }

    /// The queue's subscription to the topic; `None` if there is none.
    ///
    /// # Errors
    /// As [`Self::exists`].
    pub async fn subscription(&self, queue_arn: &str) -> Result<Option<Subscription>, SendError> {
        let mut pages = self.client.list_subscriptions_by_topic().topic_arn(&self.arn).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| classify(&error))?;
            let ours =
                |s: &&aws_sdk_sns::types::Subscription| s.protocol() == Some("sqs") && s.endpoint() == Some(queue_arn);
            let Some(found) = page.subscriptions().iter().find(ours) else { continue };
            return match found.subscription_arn() {
                Some(arn) if arn.starts_with("arn:") => self.attributes(arn).await.map(Some),
                _ => Ok(Some(Subscription::pending())),
            };
        }
        Ok(None)
    }

    async fn attributes(&self, arn: &str) -> Result<Subscription, SendError> {
        let call = self.client.get_subscription_attributes().subscription_arn(arn);
        let answer = call.send().await.map_err(|error| classify(&error))?;
        let attribute = |name: &str| answer.attributes()?.get(name).filter(|value| !value.is_empty()).cloned();
        Ok(Subscription {
            pending: attribute("PendingConfirmation").as_deref() == Some("true"),
            raw: attribute("RawMessageDelivery").as_deref() == Some("true"),
            filter: attribute("FilterPolicy").filter(|policy| policy != "{}"),
            filters_body: attribute("FilterPolicyScope").as_deref() == Some("MessageBody"),
            has_dlq: attribute("RedrivePolicy").is_some(),
        })
    }
}

impl Subscription {
    fn pending() -> Self {
        Self { pending: true, raw: false, filter: None, filters_body: false, has_dlq: false }
    }
}
