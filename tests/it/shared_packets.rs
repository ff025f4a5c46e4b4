//! The calls of all deliveries share one connection to Redis: what a server sees of it.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::future::join_all;
use redis::Script;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use user_events::redis_link::RedisLink;

/// A Redis that answers each script with its key, and remembers how many scripts came by each read.
async fn server() -> (RedisLink, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let reads = Arc::new(Mutex::new(Vec::new()));
    let seen = reads.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut packet = vec![0; 65_536];
        while let Ok(read @ 1..) = stream.read(&mut packet).await {
            let text = String::from_utf8_lossy(&packet[..read]).into_owned();
            let mut answer = "+OK\r\n".repeat(text.matches("SETINFO").count());
            answer.push_str(&"-ERR unknown command 'HELLO'\r\n".repeat(text.matches("HELLO").count()));
            let keys: Vec<&str> = text.split("\r\n").filter(|word| word.starts_with("key")).collect();
            keys.iter().for_each(|key| answer.push_str(&format!("*1\r\n${}\r\n{key}\r\n", key.len())));
            seen.lock().unwrap().push(keys.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (RedisLink::new(&url.into()).unwrap(), reads)
}

#[tokio::test]
async fn calls_that_are_ready_together_leave_in_one_packet_and_each_gets_its_own_answer() {
    let (redis, reads) = server().await;
    let script = Script::new("return {}");
    redis.run(&script, "key", &[]).await.unwrap();
    reads.lock().unwrap().clear();

    let keys: Vec<String> = (0..10).map(|number| format!("key{number}")).collect();
    let answers = join_all(keys.iter().map(|key| redis.run(&script, key, &["argument"]))).await;

    assert_eq!(answers.into_iter().map(|words| words.unwrap().concat()).collect::<Vec<_>>(), keys);
    assert_eq!(*reads.lock().unwrap(), [10]);
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_nobody_with_it() {
    let (redis, _) = server().await;
    let script = Script::new("return {}");
    redis.run(&script, "key", &[]).await.unwrap();

    let mut waker = Context::from_waker(Waker::noop());
    let mut neighbour = pin!(redis.run(&script, "key2", &[]));
    {
        let first = pin!(redis.run(&script, "key1", &[]));
        assert!(matches!(first.poll(&mut waker), Poll::Pending));
        assert!(matches!(neighbour.as_mut().poll(&mut waker), Poll::Pending));
    }
    assert_eq!(neighbour.await.unwrap(), ["key2"]);
}
