//! The table of all faults that the doctor knows, each with its remedy. The report uses it, and so does the
//! runbook in docs/operate.md.

/// How bad the result of a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// The service works, but less well or less safely than it could; or the doctor could not look.
    Warn,
    /// Now or later, events are lost, refused, not handled or handled twice; or strangers may send some.
    Fail,
}

/// One kind of fault, what it leads to and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The fault's name, in `snake_case`: in the JSON report and in the runbook. It is stable.
    pub code: &'static str,
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it leads to; with the same placeholders as the remedy.
    pub means: &'static str,
    /// What to do. `<NAME>` stands for the prefix of the reaction's variables (`EMAIL`), `<name>` for the reaction's
    /// name (`email`).
    pub remedy: &'static str,
}

impl Level {
    /// The word that is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

macro_rules! diagnoses {
    ($($name:ident = $level:ident $check:literal $code:literal: $means:literal => $remedy:literal;)*) => {
        $(pub(super) const $name: &Diagnosis =
            &Diagnosis { code: $code, check: $check, level: Level::$level, means: $means, remedy: $remedy };)*
        /// All faults, in the order of the runbook.
        pub const DIAGNOSES: &[&Diagnosis] = &[$($name),*];
    };
}

diagnoses! {
    NO_REGION = Fail "region" "no_region":
        "no call to AWS can be made" => "set `AWS_REGION`";
    NO_CREDENTIALS = Fail "credentials" "no_credentials":
        "AWS does not know us" => "give the task a role, or set `AWS_PROFILE` or keys; renew them if they have expired";
    AWS_SILENT = Fail "endpoint" "aws_silent":
        "SQS or SNS does not answer" => "check the network, the VPC endpoint, and `AWS_ENDPOINT_URL` if it is set";
    TOPIC_UNSET = Warn "topic" "topic_unset":
        "topic, policy and subscription were not looked at" => "set `USER_EVENTS_TOPIC_ARN`";
    TOPIC_MISSING = Fail "topic" "topic_missing":
        "nothing can be published" => "deploy `infra/topic.yaml`, or correct `USER_EVENTS_TOPIC_ARN`; needs `sns:GetTopicAttributes`";
    QUEUE_MISSING = Fail "queue" "queue_missing":
        "the reaction cannot start" => "deploy `infra/reaction.yaml` for `<name>`, or correct `<NAME>_QUEUE_URL`, or `AWS_REGION` if it names another region; needs `sqs:GetQueueAttributes`";
    NO_REDRIVE_POLICY = Fail "redrive policy" "no_redrive_policy":
        "an event that crashes its worker comes back for ever" => "give the queue a `RedrivePolicy`, as `infra/reaction.yaml` does";
    FEW_RECEIVES = Warn "redrive policy" "few_receives":
        "SQS moves an event to the DLQ too early: a mail server's \"not now\" lasts for hours, and each try, each deploy and each short failure is a receive" => "raise `maxReceiveCount` to 100, where effects are recorded; to 5 elsewhere";
    ATTEMPTS_HIGH = Fail "redrive policy" "attempts_high":
        "the worker refuses to start: the queue would move an event before the worker gives it up with a reason" => "unset `MAX_ATTEMPTS`, or set it below `maxReceiveCount`";
    DLQ_MISSING = Fail "DLQ" "dlq_missing":
        "no dead letter can be sent" => "create the DLQ that the redrive policy names, or correct `<NAME>_DLQ_URL`";
    DLQ_KIND = Fail "DLQ" "dlq_kind":
        "SQS moves nothing between a FIFO and a standard queue" => "make queue and DLQ of one kind";
    DLQ_RETENTION_SHORT = Fail "DLQ retention" "dlq_retention_short":
        "an event that SQS moves to the DLQ keeps its age: it may be deleted on arrival" => "set the DLQ's `MessageRetentionPeriod` to 14 days";
    DLQ_RETENTION_LOW = Warn "DLQ retention" "dlq_retention_low":
        "dead letters are deleted earlier than SQS would allow" => "set the DLQ's `MessageRetentionPeriod` to 14 days";
    DLQ_SMALL = Warn "DLQ size" "dlq_small":
        "a large event cannot be sent to the DLQ with its reason" => "set the DLQ's `MaximumMessageSize` to 1048576, or to the queue's at least";
    DEAD_LETTERS = Warn "dead letters" "dead_letters":
        "events were given up" => "see why: `user-events dlq list <name> --by-reason`";
    LEASE_LONG = Fail "timeouts" "lease_long":
        "the worker refuses to start: a claim must end before its message comes back" => "unset `IDEMPOTENCY_LEASE`, or set it between 1s and the visibility timeout";
    LEASE_SHORT = Warn "timeouts" "lease_short":
        "claims run out between two heartbeats" => "unset `IDEMPOTENCY_LEASE`, or set it above a third of the visibility timeout";
    VISIBILITY_SHORT = Warn "timeouts" "visibility_short":
        "after one slow call a second worker gets the event, too" => "raise the visibility timeout to 30 s at least; the worker extends it while it works";
    HANDLER_LONG = Warn "timeouts" "handler_long":
        "a message is held for 15 minutes at most" => "set `HANDLER_TIMEOUT` to 15m at most";
    SHUTDOWN_SHORT = Warn "timeouts" "shutdown_short":
        "a deploy ends handlers that still run" => "set `SHUTDOWN_TIMEOUT` above `HANDLER_TIMEOUT`, and the container's stop timeout above both";
    SHUTDOWN_LONG = Warn "timeouts" "shutdown_long":
        "ECS kills the task after 120 s, drained or not" => "set `SHUTDOWN_TIMEOUT` below 120s";
    POLICY_CLOSED = Fail "queue policy" "policy_closed":
        "SNS may not send to the queue: events are discarded" => "allow `sns.amazonaws.com` to `sqs:SendMessage`, with `aws:SourceArn` = the topic";
    POLICY_OPEN = Fail "queue policy" "policy_open":
        "anyone's topic may send to the queue" => "add the condition `aws:SourceArn` = the topic to the statement";
    NOT_SUBSCRIBED = Fail "subscription" "not_subscribed":
        "the queue gets no events" => "deploy `infra/reaction.yaml` for `<name>`, or subscribe the queue to the topic";
    SUBSCRIPTION_PENDING = Fail "subscription" "subscription_pending":
        "the queue gets no events" => "delete the subscription and subscribe as the queue's owner: then it needs no confirmation";
    TOPIC_REFUSED = Fail "topics" "topic_refused":
        "what the queue gets from this topic is quarantined: `wrong_topic`" => "add `USER_EVENTS_TOPIC_ARN` to `TOPIC_ARNS`, or unset that";
    TOPIC_UNREAD = Warn "topics" "topic_unread":
        "if the queue gets events from the topic that `publish` uses, they are quarantined: `wrong_topic`" => "add `USER_EVENTS_TOPIC_ARN` to `TOPIC_ARNS`, if it is this reaction's topic";
    RAW_DELIVERY = Warn "raw delivery" "raw_delivery":
        "an event with more than 10 attributes is discarded by SNS; its message id is lost" => "turn `RawMessageDelivery` off: both forms are read";
    FILTER_EXCLUDES = Fail "filter policy" "filter_excludes":
        "no event of this reaction reaches the queue" => "filter by `type` with `FilterPolicyScope` `MessageBody`, or by `eventType` with `MessageAttributes`";
    FILTER_UNCLEAR = Warn "filter policy" "filter_unclear":
        "some events may not reach the queue" => "filter by the event's type alone";
    NO_DELIVERY_DLQ = Warn "delivery DLQ" "no_delivery_dlq":
        "what SNS cannot deliver is gone" => "give the subscription a `RedrivePolicy`, as `infra/reaction.yaml` does";
    SUBSCRIPTION_HIDDEN = Warn "subscription" "subscription_hidden":
        "it was not looked at" => "allow `sns:ListSubscriptionsByTopic` and `sns:GetSubscriptionAttributes`";
    NAMESPACE_SHARED = Warn "namespace" "namespace_shared":
        "within the last hour another queue was worked on under this name in this Redis: what one of them has done counts as done for the other" => "give each environment a `REDIS_PREFIX` of its own; if the queue was replaced, this ends after an hour";
    MARKER_BROKEN = Warn "namespace" "marker_broken":
        "somebody else has written to the key `reaction:<name>`: it is not known who else works under this name" => "delete that key, and find out who uses `REDIS_PREFIX` and our names";
    WEBHOOK_SILENT = Fail "webhook" "webhook_silent":
        "nothing is called; events wait" => "start the service; check host and port of `<NAME>_WEBHOOK_URL`, the network, `<NAME>_WEBHOOK_PROBE_URL` if it is set";
    WEBHOOK_TLS = Fail "webhook" "webhook_tls":
        "nothing is called; events wait" => "check the service's certificate: `SSL_CERT_FILE` names the roots that are trusted";
    WEBHOOK_PLAINTEXT = Warn "webhook's encryption" "webhook_plaintext":
        "events, and the headers of `<NAME>_WEBHOOK_HEADERS`, travel unencrypted" => "use an `https://` URL, and unset `<NAME>_WEBHOOK_ALLOW_PLAINTEXT`";
    PAUSED = Fail "worker" "paused":
        "nothing is handled meanwhile, and no attempt is counted" => "repair what it waits for: it goes on by itself; `user-events send-test` shows what a mail server says";
    PAUSED_BY_HAND = Warn "worker" "paused_by_hand":
        "a person has asked for it; its workers receive nothing" => "it ends by itself; `user-events resume <name>` ends it now";
    NO_WORKER = Warn "worker" "no_worker":
        "none has reported within the last minute: events wait" => "start one, or find out why it ended; a worker reports in the Redis of its own `REDIS_URL` and `REDIS_PREFIX`";
    WORKER_ELSEWHERE = Warn "worker" "worker_elsewhere":
        "the workers that report under this name work on another queue; nobody works on that of `<NAME>_QUEUE_URL`" => "correct `<NAME>_QUEUE_URL` here or there; give each environment a `REDIS_PREFIX` of its own";
    RELEASES_DIFFER = Warn "releases" "releases_differ":
        "a deploy is under way, or has stopped half-way" => "finish it, or take it back";
    REDIS_SILENT = Fail "connection" "redis_silent":
        "nothing is claimed, sent or written" => "start Redis; check `REDIS_URL`, its password, the security group";
    REDIS_NO_CLUSTER = Fail "cluster" "redis_no_cluster":
        "`REDIS_URL` has `cluster=true` or several hosts, and this Redis is no cluster: the worker refuses to start" => "name the cluster, or one host without `cluster=true`";
    REDIS_MAP_DENIED = Fail "cluster" "redis_map_denied":
        "it is not known which server of the cluster has which records: the worker refuses to start" => "allow the Redis user `CLUSTER SLOTS` and `ASKING`";
    REDIS_SLOTS = Fail "slots" "redis_slots":
        "events whose records belong there wait" => "start the master that has them, or assign them: `redis-cli --cluster fix`";
    REDIS_ALONE = Warn "replicas" "redis_alone":
        "a master has no replica: if it is lost, so are its records and profiles, and its events wait" => "give each master a replica";
    REDIS_OLD = Fail "version" "redis_old":
        "the scripts' flags are not understood" => "use Redis or Valkey 7 or newer";
    REDIS_EVICTS = Fail "eviction" "redis_evicts":
        "records of effects may be dropped: mails go out twice" => "set `maxmemory-policy noeviction`";
    REDIS_FILLS = Warn "memory" "redis_fills":
        "if records go on coming as within the last day, `maxmemory` is reached within a week: then nothing is claimed, and events wait" => "give Redis more memory, or shorten `IDEMPOTENCY_RETENTION`; `idem stats` tells how much records take";
    REDIS_FORGETS = Warn "persistence" "redis_forgets":
        "a restart forgets records and profiles" => "set `appendonly yes`, or use a durable Redis such as Amazon MemoryDB";
    REDIS_HIDDEN = Warn "persistence" "redis_hidden":
        "it is not known whether records survive" => "look at the settings of the Redis service: our user may not use `CONFIG GET`, or not `INFO`";
    SMTP_SILENT = Fail "connection" "smtp_silent":
        "no mail goes out; events wait" => "check host and port of `SMTP_URL`, the network, the mail server";
    SMTP_TLS = Fail "TLS" "smtp_tls":
        "no mail goes out; events wait" => "check the certificate (`SSL_CERT_FILE` names the roots that are trusted), and `smtps://` against `?tls=required`";
    SMTP_AUTH = Fail "AUTH" "smtp_auth":
        "no mail goes out; events wait" => "correct user and password of `SMTP_URL`; encode `@`, `:` and `/` in them as `%40`, `%3A`, `%2F`";
    SMTP_PLAINTEXT = Warn "TLS" "smtp_plaintext":
        "addresses and the password travel unencrypted" => "use `smtps://` or `?tls=required`, and unset `SMTP_ALLOW_PLAINTEXT`";
    TEMPLATE_BROKEN = Fail "templates" "template_broken":
        "no mail can be made" => "correct the template, by the file and line that are named";
}
