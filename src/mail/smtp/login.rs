//! AUTH: PLAIN, LOGIN and XOAUTH2, one login at a time.
//!
//! Enters: a connection that has been greeted, and credentials. Leaves: the connection logged in, or why not. Promises:
//! if a login fails, each connection that was begun before the failure gets the same failure and does not try. Reason:
//! ten wrong passwords at once get an address banned. No error holds a credential.

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::BASE64;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::conversation::Connection;
use super::reply::Reply;
use super::settings::Credentials;
use super::stop::{Stop, Why};
use crate::mail::Phase;

/// Lets one connection log in at a time, and remembers the last failure.
#[derive(Default)]
pub(super) struct Logins {
    turn: Mutex<Option<Stop>>,
    failed: AtomicU64,
}

/// How many logins had failed when this connection was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun(u64);

impl Logins {
    pub(super) fn begin(&self) -> Begun {
        Begun(self.failed.load(Ordering::Acquire))
    }

    pub(super) async fn login(
        &self,
        connection: &mut Connection,
        credentials: &Credentials,
        begun: Begun,
    ) -> Result<(), Stop> {
        let mut last = self.turn.lock().await;
        if let (true, Some(failure)) = (self.begin() != begun, &*last) {
            return Err(failure.clone());
        }
        let login = login(connection, credentials).await;
        if let Err(failure) = &login {
            *last = Some(failure.clone());
            self.failed.fetch_add(1, Ordering::Release);
        }
        login
    }
}

async fn login(connection: &mut Connection, credentials: &Credentials) -> Result<(), Stop> {
    let Credentials { user, secret, is_token } = credentials;
    let secret = secret.expose_secret();
    let offers = connection.offers();
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    let last = if *is_token && offers.xoauth2 {
        let bearer = encoded(&format!("user={user}\u{1}auth=Bearer {secret}\u{1}\u{1}"));
        let reply = say(connection, &format!("AUTH XOAUTH2 {bearer}")).await?;
        // On a failure the server sends a challenge with details first. The reply code comes after an empty line.
        if reply.class() == Some(3) { say(connection, "").await? } else { reply }
    } else if !*is_token && offers.plain {
        say(connection, &format!("AUTH PLAIN {}", encoded(&format!("\0{user}\0{secret}")))).await?
    } else if !*is_token && offers.login {
        // The texts of the prompts differ from server to server. The order does not: first the user, then the password.
        prompted(say(connection, "AUTH LOGIN").await?)?;
        prompted(say(connection, &encoded(user)).await?)?;
        say(connection, &encoded(secret)).await?
    } else {
        return Err(Why::Lacks("the server offers no AUTH that we speak").at(Phase::Auth));
    };
    if last.class() == Some(2) { Ok(()) } else { Err(Why::Said(last).at(Phase::Auth)) }
}

async fn say(connection: &mut Connection, line: &str) -> Result<Reply, Stop> {
    connection.ask(Phase::Auth, line).await
}

fn prompted(reply: Reply) -> Result<(), Stop> {
    if reply.class() == Some(3) { Ok(()) } else { Err(Why::Said(reply).at(Phase::Auth)) }
}
