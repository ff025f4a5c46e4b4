//! Stages: the same templates twice in one account and on one Redis, and on a topic that is there already.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::infra::{container, deploy, run};
use crate::interop;
use crate::world::processes::execute;
use crate::world::smtp::SmtpServer;
use crate::world::{EMPTY, World, address, eventually};

const SOON: Duration = Duration::from_secs(30);

/// Every name that these stacks gave: of what they made and of what they output. What LocalStack only accepts is
/// `unknown` to it; of that infra/lint/stages.py knows the names.
fn names(deployed: &Value) -> BTreeSet<String> {
    let of = |stack: &Value, kind: &str| {
        let all = stack[kind].as_object().unwrap().iter();
        let of_the_stage = |(key, name): &(&String, &str)| *key != "VariablePrefix" && *name != "unknown";
        let named = all.map(|(key, name)| (key, name.as_str().unwrap()));
        named.filter(of_the_stage).map(|(_, name)| name.to_owned()).collect()
    };
    let stacks = deployed["stacks"].as_object().unwrap().values();
    stacks.flat_map(|stack| [of(stack, "resources"), of(stack, "outputs")]).flat_map(|all: Vec<String>| all).collect()
}

/// Who is subscribed to the topic.
async fn subscribers(world: &World, topic: &str) -> Vec<String> {
    let listed = world.sns.list_subscriptions_by_topic().topic_arn(topic).send().await.unwrap();
    listed.subscriptions().iter().map(|one| one.endpoint().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn two_stages_side_by_side_share_no_name_and_neither_sees_an_event_or_a_record_of_the_other() {
    let mut world = World::in_an_account_of_its_own().await;
    let smtp = SmtpServer::start().await;
    world.env.insert("SMTP_URL".to_owned(), smtp.url());
    let plain = deploy(&world, &["email"]).await;
    let file = "arn:aws:s3:::acme-settings/staging/email-1.env";
    let extra = format!("ExtraEnvironment={file}");
    let staging = deploy(&world, &["Stage=staging", &extra, "email"]).await;

    let (ours, theirs) = (names(&plain), names(&staging));
    assert!(ours.len() > 20 && theirs.len() > 20, "{plain}");
    assert_eq!(ours.intersection(&theirs).collect::<Vec<_>>(), Vec::<&String>::new());
    let topic = |of: &Value| container(&world, of, "email")["USER_EVENTS_TOPIC_ARN"].clone();
    for (deployed, before) in [(&plain, ""), (&staging, "staging-")] {
        let arn = deployed["stacks"][format!("{before}user-events-email")]["outputs"]["QueueArn"].as_str().unwrap();
        assert!(arn.ends_with(&format!(":{before}user-events-email")), "{arn}");
        assert!(topic(deployed).ends_with(&format!(":{before}user-events")), "{}", topic(deployed));
        assert_eq!(subscribers(&world, &topic(deployed)).await, [arn]);
    }

    // ECS reads a key of a secret by the secret's own ARN, and the file with the rest of the variables.
    let told = interop::run(&world, "infra.py", &["policies", "staging-user-events-email-worker"]).await;
    let policies: Value = serde_json::from_slice(&told.stdout).unwrap();
    let named = staging["containers"]["email"]["secrets"].as_array().unwrap();
    assert!(named.iter().any(|secret| secret.as_str().unwrap().ends_with(":smtp::")), "{named:?}");
    let secret = named[0].as_str().unwrap().strip_suffix(":redis::").unwrap();
    let granted: Vec<_> =
        policies["ecs"].as_array().unwrap().iter().map(|one| (&one["Action"], &one["Resource"])).collect();
    let wanted = [
        (json!("secretsmanager:GetSecretValue"), json!([secret, secret])),
        (json!("s3:GetObject"), json!(file)),
        (json!("s3:GetBucketLocation"), json!("arn:aws:s3:::acme-settings")),
    ];
    assert_eq!(granted, wanted.iter().map(|(action, resource)| (action, resource)).collect::<Vec<_>>());
    assert_eq!(staging["containers"]["email"]["files"], json!([file]));

    // One user here, one there, one in both: each gets what was published for them, and no record stands in the way.
    let (here, there) = (container(&world, &plain, "email"), container(&world, &staging, "email"));
    let _workers = [run(&here, &plain, "email"), run(&there, &staging, "email")];
    let [one, other, both] = ["one", "other", "both"].map(|name| format!("{}-{name}", world.id));
    for (env, user) in [(&here, &one), (&there, &other), (&here, &both), (&there, &both)] {
        let published = execute(env, &["publish", "--user-id", user, "--email", &address(user)]).await;
        assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    }
    smtp.wait_for(4, SOON).await;
    assert_eq!([&one, &other, &both].map(|user| smtp.accepted_to(&address(user))), [1, 1, 2]);
}

#[tokio::test]
async fn a_reaction_takes_a_topic_that_is_there_already_by_its_arn_and_needs_no_stack_of_ours_for_it() {
    let world = World::in_an_account_of_its_own().await;
    let created = world.sns.create_topic().name("acme-signups").send().await.unwrap();
    let topic = created.topic_arn().unwrap();
    let deployed = deploy(&world, &[&format!("TopicArn={topic}"), "profile"]).await;
    let stacks: Vec<_> = deployed["stacks"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(stacks, ["user-events-profile", "user-events-profile-worker"]);
    let env = container(&world, &deployed, "profile");
    assert_eq!((env["USER_EVENTS_TOPIC_ARN"].as_str(), env["TOPIC_ARNS"].as_str()), (topic, topic));
    let outputs = &deployed["stacks"]["user-events-profile"]["outputs"];
    assert_eq!(subscribers(&world, topic).await, [outputs["QueueArn"].as_str().unwrap()]);
    let user = world.id.clone();
    let published = execute(&env, &["publish", "--user-id", &user, "--email", &address(&user)]).await;
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let queue = outputs["QueueUrl"].as_str().unwrap();
    eventually("the event", SOON, async || (world.depth(queue).await != EMPTY).then_some(())).await;
}
