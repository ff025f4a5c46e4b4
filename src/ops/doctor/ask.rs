//! Looks at everything once, all at the same time. Judges nothing, changes nothing, sends no mail.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use futures_util::future::join_all;

use super::facts::{ReactionFacts, SystemFacts, Timing, TopicFacts, WebhookFacts};
use crate::aws;
use crate::config::{MailConfig, ReactionConfig, RunConfig, example};
use crate::fleet::redis::Fleet;
use crate::mail::Composer;
use crate::mail::smtp::{Examination, SmtpMailer};
use crate::ops::worker;
use crate::pauses::PauseMarks;
use crate::reactions::{Listed, Reactions};
use crate::standing::reports;
use crate::webhook::Webhook;
use engine::event::Timestamp;
use engine::idempotency::neighbours::Neighbours;
use engine::idempotency::records::{Records, Sample};
use engine::queue::sqs::admin::SqsAdmin;
use engine::redis_link::{RedisError, RedisFacts, RedisLink};
use engine::topic::sns::admin::SnsAdmin;

pub(super) async fn ask(
    config: &RunConfig,
    reactions: &Reactions,
    topic_arn: Option<String>,
    aws: &SdkConfig,
) -> SystemFacts {
    let admin = SqsAdmin::new(aws);
    let sns = topic_arn.map(|arn| (SnsAdmin::new(aws, arn.clone()), arn));
    let topic = async {
        let (sns, arn) = sns.as_ref()?;
        Some(TopicFacts { arn: arn.clone(), found: sns.exists().await })
    };
    let sns_of = || sns.as_ref().map(|(sns, _)| sns);
    let fleet = RedisLink::new(&config.redis_url).ok().map(|link| {
        let link = link.under(&config.redis_prefix);
        (Fleet::new(link.clone()), PauseMarks::new(link))
    });
    let fleet = fleet.as_ref();
    let reactions =
        config.reactions.iter().map(|config| reaction(&admin, sns_of(), fleet, config, reactions.get(config.name)));
    let mail = async {
        match &config.mail {
            Some(config) => Some(mail(config).await),
            None => None,
        }
    };
    let worker = worker::ask(config.http_addr);
    let servers = async { tokio::join!(redis(config), records(config), neighbours(config), mail, worker) };
    let (topic, reactions, servers) = tokio::join!(topic, join_all(reactions), servers);
    let (redis, records, neighbours, mail, worker) = servers;
    let region = aws.region().map(|region| region.as_ref().to_owned());
    let endpoint = aws::elsewhere(aws);
    SystemFacts { region, endpoint, topic, reactions, redis, records, neighbours, mail, worker }
}

async fn reaction(
    admin: &SqsAdmin,
    sns: Option<&SnsAdmin>,
    fleet: Option<&(Fleet, PauseMarks)>,
    config: &ReactionConfig,
    listed: Option<&Listed>,
) -> ReactionFacts {
    let queue = admin.facts(&config.queue_url).await;
    let found = queue.as_ref().ok();
    let by_policy = found.and_then(|facts| facts.redrive.as_ref()).map(|redrive| &redrive.dlq_url);
    let dlq = match config.dlq_url.as_ref().or(by_policy) {
        Some(url) => Some(admin.facts(url).await),
        None => None,
    };
    let subscription = match (sns, found) {
        (Some(sns), Some(facts)) => Some(sns.subscription(&facts.arn).await),
        _ => None,
    };
    let timing = Timing {
        visibility: config.visibility,
        lease: config.lease,
        handler: config.handler_timeout,
        shutdown: config.settings.shutdown,
        max_attempts: config.settings.max_attempts,
        backoff: config.settings.backoff,
    };
    let webhook = match &config.webhook {
        Some(settings) => Some(WebhookFacts {
            reached: Webhook::new(settings.clone()).examine().await,
            is_plaintext: settings.target.leaves_unencrypted(),
        }),
        None => None,
    };
    let reports = match (fleet, found) {
        (Some((fleet, pauses)), Some(facts)) => reports(fleet, pauses, config.name, &facts.arn).await.ok(),
        _ => None,
    };
    let is_recorded = listed.is_some_and(|listed| listed.is_recorded);
    let (types, type_field) = listed.map_or((&[][..], "type"), |listed| (listed.row.types, listed.row.type_field));
    ReactionFacts {
        name: config.name,
        is_recorded,
        types,
        type_field,
        queue,
        dlq,
        subscription,
        topics: config.topics.clone(),
        timing,
        webhook,
        reports,
    }
}

async fn redis(config: &RunConfig) -> Result<(Option<RedisFacts>, Option<bool>), RedisError> {
    let link = RedisLink::new(&config.redis_url)?.under(&config.redis_prefix);
    match link.facts().await {
        Ok(facts) => Ok((Some(facts), link.persists().await?)),
        Err(error) if error.is_denied() => Ok((None, None)),
        Err(error) => Err(error),
    }
}

/// `None`: our user may not look, or Redis does not answer, which is a finding of its own.
async fn records(config: &RunConfig) -> Option<Sample> {
    let link = RedisLink::new(&config.redis_url).ok()?.under(&config.redis_prefix);
    Records::new(link).sample(Timestamp::now().unix_millis()).await.ok()
}

async fn neighbours(config: &RunConfig) -> BTreeMap<&'static str, Result<Vec<String>, RedisError>> {
    let Ok(link) = RedisLink::new(&config.redis_url) else { return BTreeMap::new() };
    let here = Neighbours::new(link.under(&config.redis_prefix));
    let looks = config.reactions.iter().map(async |reaction| (reaction.name, here.look(reaction.name).await));
    join_all(looks).await.into_iter().collect()
}

async fn mail(config: &MailConfig) -> (Examination, Result<(), String>) {
    let examined = SmtpMailer::new(config.server.clone(), None).examine().await;
    (examined, compose(&config.composer))
}

/// Composes a mail for a made-up event, and throws it away.
fn compose(composer: &Composer) -> Result<(), String> {
    let event = example(
        r#"{"type":"user.signed_up","version":2,"userId":"doctor","email":"doctor@example.com","plan":"pro"}"#,
    )?;
    match composer.check(&[event], true).first() {
        Some(fault) => Err(fault.to_string()),
        None => Ok(()),
    }
}
