//! Places that are taken, and those that are none.

use super::*;
use crate::config::Environment;

#[test]
fn a_queues_url_names_a_queue_and_nothing_beside_it() {
    assert_eq!(
        queue_url("https://sqs.eu-west-1.amazonaws.com/1/q/").as_deref(),
        Ok("https://sqs.eu-west-1.amazonaws.com/1/q")
    );
    for odd in ["q", "ftp://h/1/q", "https://h", "https://h/", "https://h/1/q?x=1", "https://h/1/q#x", "https://h/1/q?"]
    {
        assert!(queue_url(odd).is_err(), "{odd}");
    }
    for odd in ["https://h/1/my queue", "https://h/1/%71", "https://h/1/q.q", "https://h/1/.fifo", "https://h/1/q.FIFO"]
    {
        assert!(queue_url(odd).is_err(), "{odd}");
    }
    let of = |letters: usize| queue_url(&format!("https://h/1/{}.fifo", "q".repeat(letters))).is_ok();
    assert_eq!((of(1), of(75), of(76)), (true, true, false));
}

#[test]
fn a_redis_whose_certificate_is_not_checked_cannot_be_named() {
    let read = |url: &str| redis_url(&SecretString::from(url)).map(|_| ());
    for sound in ["redis://h", "rediss://u:p%23w@h:6380/1", "rediss://u:p%23w@a:1,b:2", "redis://h?cluster=true"] {
        assert_eq!(read(sound), Ok(()), "{sound}");
    }
    for odd in [
        "rediss://h/#insecure",
        "rediss://h/0#x",
        "redis://h#insecure",
        "rediss://h/#",
        "http://h",
        "redis://a,b#x",
        "redis://h/-1",
    ] {
        assert!(read(odd).is_err(), "{odd}");
    }
}

#[test]
fn one_queue_is_one_by_whatever_name() {
    let one = "https://sqs.eu-west-1.amazonaws.com/1/q";
    for same in [
        "https://SQS.eu-west-1.amazonaws.com/1/q/",
        "https://sqs.eu-west-1.amazonaws.com:443/1//q",
        "http://sqs.eu-west-1.amazonaws.com/1/q",
        "https://eu-west-1.queue.amazonaws.com/1/q",
        "https://sqs-fips.eu-west-1.amazonaws.com/1/q",
        "https://sqs.eu-west-1.api.aws/1/q",
        "https://vpce-0a1-b2c.sqs.eu-west-1.vpce.amazonaws.com/1/q",
    ] {
        assert_eq!(identity(one), identity(same), "{same}");
    }
    assert_eq!(identity("https://queue.amazonaws.com/1/q"), identity("https://sqs.us-east-1.amazonaws.com/1/q"));
    assert_eq!(identity("http://localhost:4566/1/q"), identity("http://[::1]:4566/1/q"));
    for other in [
        "https://sqs.eu-west-1.amazonaws.com/1/Q",
        "https://sqs.eu-west-2.amazonaws.com/1/q",
        "https://sqs.eu-west-1.example.com/1/q",
        "https://s3.eu-west-1.amazonaws.com/1/q",
        "https://amazonaws.com/1/q",
    ] {
        assert_ne!(identity(one), identity(other), "{other}");
    }
}

#[test]
fn a_fifo_queues_dlq_is_fifo_and_no_other_queues_is() {
    let mistakes = |queue: &str, dlq: &str| {
        let environment: Environment = [("A_QUEUE_URL", queue), ("A_DLQ_URL", dlq)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let mut read = SettingsReader::new(&environment);
        of_a_kind(&mut read, &[ReactionNeeds { name: "a", mail: false, webhook: false }]);
        read.finish(None::<()>).unwrap_err().0.len()
    };
    assert_eq!(
        (mistakes("https://h/1/q", "https://h/1/d"), mistakes("https://h/1/q.fifo/", "https://h/1/d.fifo")),
        (0, 0)
    );
    assert_eq!(
        (mistakes("https://h/1/q", "https://h/1/d.fifo"), mistakes("https://h/1/q.fifo", "https://h/1/d/")),
        (1, 1)
    );
}

#[test]
fn a_queue_of_aws_is_in_the_region_that_is_called() {
    let mistakes = |more: &[(&str, &str)]| {
        let queue = [("A_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/q")];
        let all = queue.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment: Environment = all.collect();
        let mut read = SettingsReader::new(&environment);
        in_region(&mut read, ["a"].into_iter(), "eu-west-1");
        let right = read.is_sound();
        in_region(&mut read, ["a"].into_iter(), "us-east-1");
        (right, read.finish(None::<()>).unwrap_err().0.len())
    };
    assert_eq!(mistakes(&[]), (true, 1));
    assert_eq!(mistakes(&[("A_DLQ_URL", "https://us-east-1.queue.amazonaws.com/1/d")]), (false, 2));
    assert_eq!(mistakes(&[("AWS_ENDPOINT_URL_SQS", "http://localhost:4566")]), (true, 0));
}
