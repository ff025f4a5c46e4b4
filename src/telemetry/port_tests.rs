//! Tests of the health port's limits, in virtual time and with the real numbers.

use std::future::pending;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;

use super::*;

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n";

/// One path that answers at once, and one that takes as long as its name says, in milliseconds.
fn router() -> Router {
    let slow = |axum::extract::Path(millis): axum::extract::Path<u64>| async move {
        sleep(Duration::from_millis(millis)).await;
        "late\n"
    };
    Router::new().route("/livez", get(async || "ok\n")).route("/slow/{millis}", get(slow))
}

/// A connected client that has sent `said`.
async fn guest(said: &[u8], stop: &CancellationToken) -> DuplexStream {
    let (mut client, server) = duplex(1024);
    tokio::spawn(converse(server, router(), stop.clone()));
    client.write_all(said).await.unwrap();
    client
}

/// Everything that comes until the connection ends.
async fn rest(client: &mut DuplexStream) -> String {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    String::from_utf8(rest).unwrap()
}

/// The next piece of an answer.
async fn next(client: &mut DuplexStream) -> String {
    let mut piece = [0; 1024];
    let read = client.read(&mut piece).await.unwrap();
    String::from_utf8(piece[..read].to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_whole_after_five_seconds_ends_its_connection_and_not_before() {
    for said in [&b""[..], b"G", b"GET /livez HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nx-half: "] {
        let (stop, began) = (CancellationToken::new(), Instant::now());
        let mut client = guest(said, &stop).await;
        let heard = rest(&mut client).await;
        assert_eq!(began.elapsed(), Duration::from_secs(5), "after {:?}", String::from_utf8_lossy(said));
        assert!(!heard.contains(" 200 "), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_makes_the_five_seconds_no_longer() {
    let (stop, began) = (CancellationToken::new(), Instant::now());
    let (mut heard, mut speaks) = tokio::io::split(guest(b"GET /livez HTTP/1.1\r\n", &stop).await);
    let dripping = async {
        while speaks.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let ended = async { heard.read_to_end(&mut Vec::new()).await.unwrap() };
    tokio::join!(dripping, ended);
    assert!((5..=6).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_answered_has_five_seconds_for_the_next_request() {
    let stop = CancellationToken::new();
    let mut client = guest(LIVEZ, &stop).await;
    for _ in 0..3 {
        assert!(next(&mut client).await.starts_with("HTTP/1.1 200"));
        sleep(Duration::from_millis(4_900)).await;
        client.write_all(LIVEZ).await.unwrap();
    }
    assert!(next(&mut client).await.starts_with("HTTP/1.1 200"));
    let answered = Instant::now();
    assert_eq!((rest(&mut client).await.as_str(), answered.elapsed()), ("", Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_an_answer_out_for_half_a_second_and_waits_for_nothing_else() {
    for (said, within, heard) in [
        (&b""[..], 500, ""),
        (b"G", 500, ""),
        (b"GET /livez HTTP/1.1\r\n", 500, ""),
        (b"GET /slow/300 HTTP/1.1\r\nhost: h\r\n\r\n", 300, "late\n"),
        (b"GET /slow/2000 HTTP/1.1\r\nhost: h\r\n\r\n", 500, ""),
        (LIVEZ, 0, "ok\n"),
    ] {
        let stop = CancellationToken::new();
        let (mut client, server) = duplex(1024);
        let serving = tokio::spawn(converse(server, router(), stop.clone()));
        client.write_all(said).await.unwrap();
        // Virtual time moves only when every task waits, so after this sleep the request is being handled.
        sleep(Duration::from_millis(1)).await;
        let told = Instant::now();
        stop.cancel();
        serving.await.unwrap();
        let (said, within) = (String::from_utf8_lossy(said), Duration::from_millis(within));
        assert!(told.elapsed() <= within, "{said:?}: {:?}", told.elapsed());
        assert!(rest(&mut client).await.ends_with(heard), "{said:?}");
    }
}

#[tokio::test]
async fn a_port_full_of_bytes_is_closed_half_a_second_after_its_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let serving = tokio::spawn(serve("the port", listener, router(), stop.clone()));
    let mut held = Vec::new();
    for _ in 0..NEAR - 1 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"G").await.unwrap();
        held.push(stream);
    }
    // Connections are accepted in order: once the last one has its answer, all are in.
    let mut last = TcpStream::connect(at).await.unwrap();
    last.write_all(LIVEZ).await.unwrap();
    last.read_exact(&mut [0; 12]).await.unwrap();
    tokio::time::pause();
    let told = Instant::now();
    stop.cancel();
    serving.await.unwrap();
    // Timers go by whole milliseconds, and the clock was paused between two.
    assert!(told.elapsed() <= Duration::from_millis(501), "{:?}", told.elapsed());
}

#[tokio::test]
async fn http_2_is_shown_out_and_the_port_goes_on_to_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let serving = tokio::spawn(serve("the port", listener, router(), stop.clone()));
    let ask = async |said: &[u8]| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        // A client that is closed while it still sends may see a reset.
        let _ = stream.read_to_end(&mut heard).await;
        heard
    };
    // The preface with empty SETTINGS. An HTTP/2 server would answer with its own SETTINGS: a frame of type 4.
    let heard = ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 400"), "{heard:?}");
    // The other way to HTTP/2, an upgrade, is ignored.
    let upgrade = b"GET /livez HTTP/1.1\r\nhost: h\r\nconnection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\n\
        http2-settings: AAMAAABk\r\n\r\n";
    for said in [&upgrade[..], b"GET /livez HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"] {
        let heard = ask(said).await;
        assert!(heard.starts_with(b"HTTP/1.1 200"), "{heard:?}");
    }
    stop.cancel();
    serving.await.unwrap();
}

/// Connections as tasks, in the order in which they came.
#[derive(Default)]
struct Guests(JoinSet<()>, Vec<AbortHandle>);

impl Guests {
    fn come(&mut self, limits: &mut ConnectionLimits, is_near: bool) {
        let guest = self.0.spawn(pending());
        self.1.push(guest.clone());
        limits.admit(is_near, guest);
    }

    /// Which of them were closed.
    async fn gone(&self) -> Vec<usize> {
        // Virtual time moves only after all aborted tasks have ended.
        sleep(Duration::from_millis(1)).await;
        (0..self.1.len()).filter(|n| self.1[*n].is_finished()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_and_fifty_six_are_let_in_and_32_of_the_places_are_this_machines() {
    let (mut limits, mut near, mut far) = (ConnectionLimits::within(usize::MAX), Guests::default(), Guests::default());
    (0..32).for_each(|_| near.come(&mut limits, true));
    (0..224).for_each(|_| far.come(&mut limits, false));
    assert_eq!((near.gone().await, far.gone().await), (vec![], vec![]), "256 have a place");
    (0..1_000).for_each(|_| far.come(&mut limits, false));
    assert_eq!((near.gone().await.len(), far.gone().await), (0, (0..1_000).collect()), "strangers make room alone");
    near.come(&mut limits, true);
    assert_eq!((near.gone().await, far.gone().await.len()), (vec![0], 1_000), "and so does this machine");
}

#[test]
fn a_quarter_of_what_the_process_may_open_is_the_ports() {
    let places = [(4_096, 32, 224), (1_024, 32, 224), (1_000, 32, 218), (64, 4, 12), (8, 1, 1), (0, 1, 1)];
    for (files, near, far) in places {
        let limits = ConnectionLimits::within(files);
        assert_eq!((limits.near.most, limits.far.most), (near, far), "{files} files");
    }
}

#[test]
fn from_this_machine_comes_who_calls_by_loopback_or_by_our_own_address() {
    let own = Some("10.0.0.7".parse().unwrap());
    for (peer, expected) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("10.0.0.7", true),
        ("::ffff:10.0.0.7", true),
        ("10.0.0.8", false),
        ("::ffff:10.0.0.8", false),
        ("192.0.2.1", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(is_near(peer.parse().unwrap(), own), expected, "{peer}");
    }
    assert!(!is_near("10.0.0.7".parse().unwrap(), None));
}

#[tokio::test]
async fn in_a_full_row_whoever_has_sat_longest_goes_and_who_has_left_takes_no_place() {
    let mut limit = ConnectionLimit::of(3);
    let mut guests = JoinSet::new();
    let seated: Vec<AbortHandle> = (0..3).map(|_| guests.spawn(pending::<()>())).collect();
    seated.iter().for_each(|guest| limit.admit(guest.clone()));
    seated[1].abort();
    assert!(guests.join_next().await.is_some_and(|left| left.is_err()));
    limit.admit(guests.spawn(pending()));
    assert!(!seated[0].is_finished(), "there was a place");
    limit.admit(guests.spawn(pending()));
    assert!(guests.join_next().await.is_some_and(|left| left.is_err()));
    assert_eq!((seated[0].is_finished(), seated[2].is_finished(), limit.open.len()), (true, false, 3));
}

#[test]
fn the_system_tells_how_many_files_may_be_open() {
    assert!((1..usize::MAX).contains(&open_files()) || !cfg!(target_os = "linux"));
}
