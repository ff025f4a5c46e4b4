//! Places that are taken, and those that are none.

use super::*;

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
}

#[test]
fn a_redis_whose_certificate_is_not_checked_cannot_be_named() {
    let read = |url: &str| redis_url(&SecretString::from(url)).map(|_| ());
    for sound in ["redis://h", "rediss://u:p%23w@h:6380/1", "rediss://u:p%23w@a:1,b:2", "redis://h?cluster=true"] {
        assert_eq!(read(sound), Ok(()), "{sound}");
    }
    for odd in
        ["rediss://h/#insecure", "rediss://h/0#x", "redis://h#insecure", "rediss://h/#", "http://h", "redis://a,b#x"]
    {
        assert!(read(odd).is_err(), "{odd}");
    }
}

#[test]
fn one_queue_is_one_by_whatever_name() {
    let one = "https://sqs.eu-west-1.amazonaws.com/1/q";
    for same in ["https://SQS.eu-west-1.amazonaws.com/1/q/", "https://sqs.eu-west-1.amazonaws.com:443/1/q"] {
        assert_eq!(identity(one), identity(same), "{same}");
    }
    for other in ["https://sqs.eu-west-1.amazonaws.com/1/Q", "https://sqs.eu-west-2.amazonaws.com/1/q"] {
        assert_ne!(identity(one), identity(other), "{other}");
    }
}
