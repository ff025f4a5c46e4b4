//! A delay line: bytes arrive so much later than they were sent, in each direction, as over a long wire.
//!
//!     wire DELAY_MS LISTEN:UPSTREAM...
//!
//! Enters: connections to the ports LISTEN on loopback. Leaves: their bytes at the ports UPSTREAM, and back. Promises:
//! each chunk goes on exactly DELAY_MS after it came, however many came before it: the wire is long, not narrow.
//! Order is kept, and an end of a connection travels as long as a byte. Opening a connection takes no longer than on
//! loopback: who opens many has an advantage here that a real wire does not give.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::exit;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

/// What came, and when it goes on. No bytes: the end.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((delay, lines)) = read(&arguments) else {
        eprintln!("usage: wire DELAY_MS LISTEN:UPSTREAM...");
        exit(2);
    };
    let listeners: Vec<_> = lines
        .into_iter()
        .map(|(listen, upstream)| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).expect("a free port");
            thread(move || accept(&listener, upstream, delay))
        })
        .collect();
    for listener in listeners {
        let _ = listener.join();
    }
}

fn read(arguments: &[String]) -> Option<(Duration, Vec<(u16, u16)>)> {
    let (delay, lines) = arguments.split_first()?;
    let line = |text: &String| {
        let (listen, upstream) = text.split_once(':')?;
        Some((listen.parse().ok()?, upstream.parse().ok()?))
    };
    let lines: Vec<_> = lines.iter().map(line).collect::<Option<_>>()?;
    Some((Duration::from_secs_f64(delay.parse::<f64>().ok()? / 1000.0), lines))
}

/// A thread for each reading and each writing end: a thread that sleeps is woken within a tenth of a millisecond, where
/// an asynchronous runtime's timer counts whole ones.
fn thread(run: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    Builder::new().stack_size(128 * 1024).spawn(run).expect("a thread")
}

fn accept(listener: &TcpListener, upstream: u16, delay: Duration) {
    for client in listener.incoming().flatten() {
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) else { continue };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
            let _ = to.set_nodelay(true);
            let (send, receive) = channel();
            thread(move || take(from, &send, delay));
            thread(move || hand_on(to, &receive));
        }
    }
}

fn take(mut from: TcpStream, line: &Sender<Chunk>, delay: Duration) {
    let mut buffer = vec![0; 65_536];
    loop {
        let length = from.read(&mut buffer).unwrap_or(0);
        let chunk = Chunk { due: Instant::now() + delay, bytes: buffer[..length].to_vec() };
        if line.send(chunk).is_err() || length == 0 {
            return;
        }
    }
}

fn hand_on(mut to: TcpStream, line: &Receiver<Chunk>) {
    for Chunk { due, bytes } in line {
        sleep(due.saturating_duration_since(Instant::now()));
        if bytes.is_empty() {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        if to.write_all(&bytes).is_err() {
            // Nobody reads here any more, so nobody needs to write.
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}
