//! Judges what the reactions share: AWS itself, the topic, Redis, the mail server.
//!
//! Enters: facts. Leaves: findings. Pure.

use super::diagnosis::*;
use super::facts::SystemFacts;
use super::finding::{Finding, Findings};
use crate::mail::smtp::Examination;
use crate::ops::table::bytes;
use engine::queue::QueueError;
use engine::redis_link::{ClusterFacts, RedisError, RedisFault, SLOTS};
use engine::topic::SendError;

pub(super) fn aws(facts: &SystemFacts) -> Vec<Finding> {
    let mut findings = Findings::of("AWS");
    let Some(region) = &facts.region else {
        findings.bad(NO_REGION, "none");
        return findings.all;
    };
    let place = match &facts.endpoint {
        Some(endpoint) => format!("{region}, not AWS: {endpoint}"),
        None => region.clone(),
    };
    let errors: Vec<_> = facts.reactions.iter().filter_map(|reaction| reaction.queue.as_ref().err()).collect();
    let stranger = errors.iter().find_map(|error| match error {
        QueueError::Refused(code) if code.is_about_credentials() => Some(code),
        _ => None,
    });
    let silent = errors.iter().find_map(|error| match error {
        QueueError::Unavailable(why) if errors.len() == facts.reactions.len() => Some(why),
        _ => None,
    });
    match (silent, stranger) {
        (Some(why), _) => findings.bad(AWS_SILENT, format!("{why}; {place}")),
        (None, Some(code)) => {
            findings.ok("endpoint", place);
            findings.bad(NO_CREDENTIALS, code.to_string());
        }
        (None, None) => {
            findings.ok("endpoint", place);
            findings.ok("credentials", "accepted");
        }
    }
    match facts.topic.as_ref().map(|topic| &topic.found) {
        None => findings.bad(TOPIC_UNSET, "not set"),
        Some(Ok(())) => findings.ok("topic", "there"),
        // A finding already, and not the topic's fault.
        Some(Err(_)) if silent.is_some() || stranger.is_some() => {}
        Some(Err(SendError::Refused(code))) => findings.bad(TOPIC_MISSING, code.to_string()),
        Some(Err(SendError::Unavailable(why))) => findings.bad(AWS_SILENT, format!("SNS: {why}")),
    }
    findings.all
}

pub(super) fn redis(facts: &SystemFacts) -> Vec<Finding> {
    let mut findings = Findings::of("Redis");
    let (server, persists) = match &facts.redis {
        Ok((server, persists)) => (server, persists),
        Err(error) => {
            let diagnosis = match error {
                RedisError::Failed { why: RedisFault::NoCluster, .. } => REDIS_NO_CLUSTER,
                RedisError::Failed { why: RedisFault::MapDenied, .. } => REDIS_MAP_DENIED,
                _ => REDIS_SILENT,
            };
            findings.bad(diagnosis, error.to_string());
            return findings.all;
        }
    };
    findings.ok("connection", "there");
    if let Some(server) = server {
        if let Some(cluster) = &server.cluster {
            judge_cluster(cluster, &mut findings);
        }
        match server.major_version {
            0..7 => findings.bad(REDIS_OLD, server.major_version.to_string()),
            version => findings.ok("version", version.to_string()),
        }
        match server.eviction_policy.as_str() {
            "noeviction" => findings.ok("eviction", "none"),
            policy => findings.bad(REDIS_EVICTS, policy),
        }
    }
    if let Some(sample) = &facts.records {
        let memory = sample.memory;
        let week = memory.used as f64 + sample.weights.growth(sample.records());
        let told = |most: u64| {
            let [used, week, most] = [memory.used as f64, week, most as f64].map(bytes);
            format!("{used} used, about {week} in a week, of {most}")
        };
        match memory.most {
            Some(most) if week >= most as f64 => findings.bad(REDIS_FILLS, told(most)),
            most => findings.ok("memory", most.map_or("no maxmemory".to_owned(), told)),
        }
    }
    match persists {
        Some(true) => findings.ok("persistence", "on"),
        Some(false) => findings.bad(REDIS_FORGETS, "off"),
        None => findings.bad(REDIS_HIDDEN, "not told"),
    }
    findings.all
}

fn judge_cluster(cluster: &ClusterFacts, findings: &mut Findings) {
    let ClusterFacts { masters, replicas, covered, missing, alone } = cluster;
    findings.ok("cluster", format!("a cluster: {masters} masters, {replicas} replicas, {covered} of {SLOTS} slots"));
    match missing.is_empty() {
        true => findings.ok("slots", "all"),
        false => findings.bad(REDIS_SLOTS, format!("{covered} of {SLOTS}, without {}", missing.join(", "))),
    }
    match alone.is_empty() {
        true => findings.ok("replicas", "one at least for each master"),
        false => findings.bad(REDIS_ALONE, format!("none of {}", alone.join(", "))),
    }
}

pub(super) fn mail(facts: &SystemFacts) -> Vec<Finding> {
    let mut findings = Findings::of("mail");
    let Some((Examination { connect, tls, auth, is_plaintext }, template)) = &facts.mail else {
        return findings.all;
    };
    let steps = [("connection", connect, SMTP_SILENT), ("TLS", tls, SMTP_TLS), ("AUTH", auth, SMTP_AUTH)];
    for (check, step, diagnosis) in steps {
        match step {
            Some(Ok(())) => findings.ok(check, "fine"),
            Some(Err(why)) => findings.bad(diagnosis, why),
            None => {}
        }
    }
    if *is_plaintext {
        findings.bad(SMTP_PLAINTEXT, "off");
    }
    match template {
        Ok(()) => findings.ok("templates", "render"),
        Err(why) => findings.bad(TEMPLATE_BROKEN, why),
    }
    findings.all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::doctor::facts::{ReactionFacts, Timing, TopicFacts};
    use crate::ops::worker::WorkerStates;
    use engine::backoff::Backoff;
    use engine::envelope::Topics;
    use engine::idempotency::records::Sample;
    use engine::idempotency::weight::{Weighed, Weights};
    use engine::redis_link::{RedisFacts, RedisMemory};

    fn facts() -> SystemFacts {
        let server = RedisFacts { major_version: 8, eviction_policy: "noeviction".to_owned(), cluster: None };
        let fine = || Some(Ok(()));
        let mail = Examination { connect: fine(), tls: fine(), auth: fine(), is_plaintext: false };
        SystemFacts {
            region: Some("eu-west-1".to_owned()),
            endpoint: None,
            topic: Some(TopicFacts { arn: "arn".to_owned(), found: Ok(()) }),
            reactions: Vec::new(),
            redis: Ok((Some(server), Some(true))),
            records: Some(sample(0)),
            neighbours: Default::default(),
            mail: Some((mail, Ok(()))),
            worker: WorkerStates::default(),
        }
    }

    /// A hundred records of 1,000 bytes, that many of them of the last day, in a Redis that has 20,000 bytes left.
    fn sample(new: u64) -> Sample {
        let memory = RedisMemory { used: 180_000, most: Some(200_000), keys: 100 };
        let mut weights = Weights::default();
        let day = std::time::Duration::from_secs(24 * 3600);
        for n in 0..100 {
            let age = if n < new { day / 2 } else { 3 * day };
            let (age, left) = (Some(age), Some(45 * day - age));
            weights.add(Weighed { handler: "welcome_email".to_owned(), bytes: 1_000, age, left });
        }
        Sample { weights, drawn: (100, 100), memory }
    }

    fn lost(error: QueueError) -> ReactionFacts {
        let second = std::time::Duration::from_secs(1);
        let (handler, shutdown, backoff) = (second, second, Backoff::HANDLER);
        let timing = Timing { visibility: None, lease: None, handler, shutdown, max_attempts: None, backoff };
        let topics = Topics::default();
        ReactionFacts {
            name: "email",
            is_recorded: true,
            types: &[],
            type_field: "type",
            queue: Err(error),
            dlq: None,
            subscription: None,
            topics,
            timing,
            webhook: None,
            reports: None,
        }
    }

    fn codes(facts: &SystemFacts) -> Vec<&'static str> {
        let all = [aws(facts), redis(facts), mail(facts)].concat();
        all.iter().filter_map(|finding| Some(finding.diagnosis?.code)).collect()
    }

    type Change = fn(&mut SystemFacts);

    #[test]
    fn each_thing_that_is_wrong_makes_the_one_finding_it_deserves() {
        assert_eq!(codes(&facts()), [""; 0]);
        fn examined(facts: &mut SystemFacts) -> &mut Examination {
            &mut facts.mail.as_mut().expect("there").0
        }
        fn server(facts: &mut SystemFacts) -> &mut RedisFacts {
            facts.redis.as_mut().expect("there").0.as_mut().expect("told")
        }
        fn cluster(facts: &mut SystemFacts) -> &mut ClusterFacts {
            let whole = || ClusterFacts { masters: 1, replicas: 1, covered: 16_384, ..ClusterFacts::default() };
            server(facts).cluster.get_or_insert_with(whole)
        }
        fn failed(why: RedisFault) -> RedisError {
            RedisError::Failed { at: "redis:6379".into(), why }
        }
        let cases: [(&[&str], Change); 28] = [
            (&["no_region"], |f| f.region = None),
            (&["no_credentials"], |f| f.reactions.push(lost(QueueError::Refused("ExpiredToken".into())))),
            (&["aws_silent"], |f| f.reactions.push(lost(QueueError::Unavailable("timeout".to_owned())))),
            (&[], |f| f.reactions.push(lost(QueueError::Refused("QueueDoesNotExist".into())))),
            (&["topic_unset"], |f| f.topic = None),
            (&["topic_missing"], |f| {
                f.topic.as_mut().expect("there").found = Err(SendError::Refused("NotFound".into()));
            }),
            (&["aws_silent"], |f| {
                f.topic.as_mut().expect("there").found = Err(SendError::Unavailable("no answer".to_owned()));
            }),
            (&["aws_silent"], |f| {
                f.reactions.push(lost(QueueError::Unavailable("timeout".to_owned())));
                f.topic.as_mut().expect("there").found = Err(SendError::Unavailable("no answer".to_owned()));
            }),
            (&["redis_silent"], |f| f.redis = Err(RedisError::Timeout { at: "redis:6379".into() })),
            (&["redis_no_cluster"], |f| f.redis = Err(failed(RedisFault::NoCluster))),
            (&["redis_map_denied"], |f| f.redis = Err(failed(RedisFault::MapDenied))),
            (&[], |f| _ = cluster(f)),
            (&["redis_slots"], |f| (cluster(f).covered, cluster(f).missing) = (16_383, vec!["5-5".to_owned()])),
            (&["redis_alone"], |f| cluster(f).alone = vec!["redis:6379".to_owned()]),
            (&["redis_old"], |f| server(f).major_version = 6),
            (&["redis_evicts"], |f| server(f).eviction_policy = "volatile-lru".to_owned()),
            (&["redis_fills"], |f| f.records = Some(sample(3))),
            (&[], |f| f.records = Some(sample(2))),
            (&[], |f| f.records.as_mut().expect("there").memory.most = None),
            (&[], |f| f.records = None),
            (&["redis_forgets"], |f| f.redis.as_mut().expect("there").1 = Some(false)),
            (&["redis_hidden"], |f| f.redis.as_mut().expect("there").1 = None),
            (&["redis_hidden"], |f| f.redis = Ok((None, None))),
            (&["smtp_silent"], |f| {
                *examined(f) = Examination { connect: Some(Err("no connection".to_owned())), ..Examination::default() };
            }),
            (&["smtp_tls"], |f| (examined(f).tls, examined(f).auth) = (Some(Err("TLS failed".to_owned())), None)),
            (&["smtp_auth"], |f| examined(f).auth = Some(Err("reply 535".to_owned()))),
            (&["smtp_plaintext"], |f| (examined(f).tls, examined(f).is_plaintext) = (None, true)),
            (&["template_broken"], |f| f.mail.as_mut().expect("there").1 = Err("broken".to_owned())),
        ];
        for (expected, change) in cases {
            let mut facts = facts();
            change(&mut facts);
            assert_eq!(codes(&facts), expected);
        }
    }
}
