//! A server at `REDIS_URL` that is none of ours: whatever it says, no log and no letter repeats it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use user_events::idempotency::redis::RedisLedger;
use user_events::idempotency::{Claim, Fingerprint, Key, Ledger, LedgerError, Release, Request, Terms};
use user_events::redis_link::RedisLink;

const TERMS: Terms = Terms::new(Duration::from_secs(20), Duration::from_secs(600));

/// Grants the first claim, and answers this to every script after it; to anything else `+OK`.
async fn answering(answer: &'static str) -> RedisLedger {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let scripts = Arc::new(AtomicUsize::new(0));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, scripts.clone(), answer));
        }
    });
    RedisLedger::new(RedisLink::new(&url.into()).unwrap())
}

async fn serve(stream: TcpStream, scripts: Arc<AtomicUsize>, answer: &str) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut command = Vec::new();
        for _ in 0..number(&mut stream).await? {
            let mut word = vec![0; number(&mut stream).await? + 2];
            stream.read_exact(&mut word).await.ok()?;
            command.push(word);
        }
        let is_script = command.first().is_some_and(|word| word.starts_with(b"EVALSHA"));
        let said = match is_script {
            true if scripts.fetch_add(1, Ordering::SeqCst) == 0 => "*2\r\n$8\r\nACQUIRED\r\n$1\r\n1\r\n",
            true => answer,
            false => "+OK\r\n",
        };
        stream.write_all(said.as_bytes()).await.ok()?;
    }
}

/// Of a line like `*3`.
async fn number(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}

/// What each script's call says.
async fn told(ledger: &RedisLedger) -> Vec<String> {
    let request = Request::new(Key::new("h", "u"), Fingerprint::of(&["u"]));
    let Ok(Claim::Acquired(lease)) = ledger.claim(&request, "t", &TERMS).await else { panic!("not granted") };
    let calls = [
        ledger.claim(&request, "t", &TERMS).await.err(),
        ledger.begin(&lease, &TERMS).await.err(),
        ledger.renew(&lease, &TERMS).await.err(),
        ledger.commit(&lease, "receipt", &TERMS).await.err(),
        ledger.release(&lease, Release::Uncounted).await.err(),
    ];
    let said = |error: Option<LedgerError>| error.expect("no answer of ours").detail().to_owned();
    calls.map(said).to_vec()
}

#[tokio::test]
async fn what_a_strange_redis_says_is_told_by_script_and_code_alone() {
    let words = "*2\r\n$16\r\nanna@example.com\r\n$7\r\nhunter2\r\n";
    let said = told(&answering(words).await).await;
    for (script, said) in ["claim", "begin", "renew", "commit", "release"].iter().zip(&said) {
        let (server, said) = said.split_once(": ").expect("which server");
        assert!(server.starts_with("redis at 127.0.0.1:"), "{server}");
        assert_eq!(said, format!("the script {script} gave an unexpected answer, 2 words"));
    }
    let errors = [
        ("-OOM command not allowed for anna@example.com\r\n", "OOM"),
        ("-READONLY anna@example.com\r\n", "READONLY"),
        ("-anna@example.com hunter2\r\n", "an error without a code"),
    ];
    for (answer, code) in errors {
        for said in told(&answering(answer).await).await {
            assert!(said.starts_with("redis at 127.0.0.1:") && said.ends_with(&format!(": {code}")), "{said}");
        }
    }
}
