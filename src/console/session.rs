//! Who is let in: a token or a password becomes a session, and a session's forms have tokens of their own.
//!
//! Enters: what a person brings, the cookie of a request. Leaves: a [`Session`]. Promises: a token lets in once; passwords are
//! compared in constant time, and after [`TRIES`] wrong ones within [`WITHIN`] nobody's is looked at; what a cookie holds is
//! kept as its digest alone; a form's token is worth nothing in another session or at another path.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

/// Wrong passwords, of all people together.
const TRIES: usize = 5;
const WITHIN: Duration = Duration::from_secs(60);
/// A session that nobody uses for so long has ended: a night's shift is shorter.
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// The most sessions at once; the one that was used longest ago makes room.
const MOST: usize = 64;

/// One browser that was let in. Its number names it in this process alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Session(u64);

/// One line that a session's next page says: how a deed went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Flash {
    pub(super) is_well: bool,
    pub(super) words: String,
}

/// Why a password lets nobody in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// It is another one.
    Wrong,
    /// Too many wrong ones came: none is looked at.
    TooMany,
}

/// All sessions of this process.
pub(super) struct Sessions {
    /// Signs the tokens of forms; nobody else has its key.
    signer: Hmac<Sha256>,
    password: Option<SecretString>,
    /// The name of the cookie: consoles on other ports of this host have their own.
    cookie: String,
    state: Mutex<State>,
}

struct State {
    /// Lets in once.
    token: Option<String>,
    wrong: VecDeque<Instant>,
    open: BTreeMap<[u8; 32], Open>,
    next: u64,
}

struct Open {
    session: Session,
    used: Instant,
    flash: Option<Flash>,
}

impl Sessions {
    pub(super) fn new(port: u16, password: Option<SecretString>) -> Self {
        let token = password.is_none().then(|| HEXLOWER.encode(&random::<32>()));
        let state = State { token, wrong: VecDeque::new(), open: BTreeMap::new(), next: 0 };
        let (signer, cookie) = (Hmac::new(&random::<64>().into()), format!("user-events-console-{port}"));
        Self { signer, password, cookie, state: Mutex::new(state) }
    }

    /// The token that still lets in.
    pub(super) fn token(&self) -> Option<String> {
        self.state().token.clone()
    }

    /// Is a password asked for?
    pub(super) fn asks(&self) -> bool {
        self.password.is_some()
    }

    /// Takes the token, for good. Leaves the cookie of a new session.
    pub(super) fn exchange(&self, token: &str) -> Option<String> {
        let mut state = self.state();
        let is_it = state.token.as_ref().is_some_and(|own| self.is_same(own, token));
        is_it.then(|| {
            state.token = None;
            self.open(&mut state)
        })
    }

    /// Leaves the cookie of a new session, if this is the password.
    pub(super) fn log_in(&self, password: &str) -> Result<String, Unwelcome> {
        let (mut state, now) = (self.state(), Instant::now());
        state.wrong.retain(|wrong| now.duration_since(*wrong) < WITHIN);
        if state.wrong.len() >= TRIES {
            return Err(Unwelcome::TooMany);
        }
        if self.password.as_ref().is_some_and(|own| self.is_same(own.expose_secret(), password)) {
            return Ok(self.open(&mut state));
        }
        state.wrong.push_back(now);
        Err(Unwelcome::Wrong)
    }

    /// The session of these cookies, as a browser sends them.
    pub(super) fn of(&self, cookies: &str) -> Option<Session> {
        let own = cookies.split(';').filter_map(|cookie| cookie.trim().split_once('='));
        let (mut state, now) = (self.state(), Instant::now());
        state.open.retain(|_, open| now.duration_since(open.used) < IDLE);
        own.filter(|(name, _)| *name == self.cookie).find_map(|(_, id)| {
            let open = state.open.get_mut(&digest(id))?;
            open.used = now;
            Some(open.session)
        })
    }

    /// What the browser is to keep, for a session that has this id. `is_secure`: it came by TLS.
    pub(super) fn set_cookie(&self, id: &str, is_secure: bool) -> String {
        let secure = if is_secure { "; Secure" } else { "" };
        format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}", self.cookie)
    }

    /// Ends a session.
    pub(super) fn close(&self, session: Session) {
        self.state().open.retain(|_, open| open.session != session);
    }

    /// The token of the form that is sent to this path. `None`: the form that asks for the password.
    pub(super) fn form_token(&self, session: Option<Session>, path: &str) -> String {
        HEXLOWER.encode(&self.mac(session, path).finalize().into_bytes())
    }

    /// Is it? In constant time.
    pub(super) fn is_form_token(&self, session: Option<Session>, path: &str, token: &str) -> bool {
        let token = HEXLOWER.decode(token.as_bytes()).unwrap_or_default();
        self.mac(session, path).verify_slice(&token).is_ok()
    }

    /// What the session's next page says.
    pub(super) fn flash(&self, session: Session, flash: Flash) {
        self.state()
            .open
            .values_mut()
            .filter(|open| open.session == session)
            .for_each(|o| o.flash = Some(flash.clone()));
    }

    pub(super) fn take_flash(&self, session: Session) -> Option<Flash> {
        self.state().open.values_mut().find(|open| open.session == session)?.flash.take()
    }

    fn open(&self, state: &mut State) -> String {
        if state.open.len() >= MOST {
            let oldest = state.open.iter().min_by_key(|(_, open)| open.used).map(|(id, _)| *id);
            oldest.and_then(|id| state.open.remove(&id));
        }
        let id = HEXLOWER.encode(&random::<32>());
        state.next += 1;
        state.open.insert(digest(&id), Open { session: Session(state.next), used: Instant::now(), flash: None });
        id
    }

    fn mac(&self, session: Option<Session>, path: &str) -> Hmac<Sha256> {
        let mut mac = self.signer.clone();
        mac.update(&session.map_or(0, |session| session.0).to_be_bytes());
        mac.update(path.as_bytes());
        mac
    }

    /// In constant time: what is compared are tags, which nobody can choose.
    fn is_same(&self, own: &str, other: &str) -> bool {
        let [mut mac, mut told] = [self.signer.clone(), self.signer.clone()];
        mac.update(own.as_bytes());
        told.update(other.as_bytes());
        mac.verify(&told.finalize().into_bytes()).is_ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Random bytes from the system: 122 random bits in each 16.
fn random<const N: usize>() -> [u8; N] {
    let mut all = [0; N];
    all.chunks_mut(16).for_each(|part| part.copy_from_slice(&Uuid::new_v4().into_bytes()[..part.len()]));
    all
}

fn digest(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_token() -> (Sessions, String) {
        let sessions = Sessions::new(8090, None);
        let token = sessions.token().expect("a token");
        (sessions, token)
    }

    fn session_of(sessions: &Sessions, id: &str) -> Option<Session> {
        sessions.of(&format!("theme=dark; user-events-console-8090={id}"))
    }

    #[tokio::test]
    async fn a_token_lets_in_once_and_no_other_does() {
        let (sessions, token) = by_token();
        assert_eq!((token.len(), sessions.exchange("0000"), sessions.exchange("")), (64, None, None));
        let id = sessions.exchange(&token).expect("a session");
        assert_eq!((sessions.exchange(&token), sessions.token()), (None, None));
        assert!(session_of(&sessions, &id).is_some());
        assert_eq!((session_of(&sessions, &token), session_of(&sessions, "")), (None, None));
        let cookie = sessions.set_cookie(&id, false);
        assert_eq!(cookie, format!("user-events-console-8090={id}; Path=/; HttpOnly; SameSite=Strict"));
        assert_eq!(sessions.of(&format!("user-events-console-8091={id}")), None, "another console's");
    }

    #[tokio::test]
    async fn a_forms_token_is_worth_nothing_elsewhere() {
        let (sessions, token) = by_token();
        let id = sessions.exchange(&token).expect("a session");
        let session = session_of(&sessions, &id);
        let own = sessions.form_token(session, "/a");
        assert!(sessions.is_form_token(session, "/a", &own));
        for (whose, path, token) in [
            (session, "/b", own.as_str()),
            (Some(Session(99)), "/a", &own),
            (None, "/a", &own),
            (session, "/a", ""),
            (session, "/a", "zz"),
            (session, "/a", &own[..62]),
        ] {
            assert!(!sessions.is_form_token(whose, path, token), "{whose:?} {path} {token}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_wrong_passwords_none_is_looked_at_for_a_minute() {
        let sessions = Sessions::new(8090, Some("right".into()));
        assert_eq!(sessions.token(), None, "the password is the only way");
        for _ in 0..5 {
            assert_eq!(sessions.log_in("wrong"), Err(Unwelcome::Wrong));
        }
        assert_eq!(sessions.log_in("right"), Err(Unwelcome::TooMany));
        tokio::time::advance(WITHIN).await;
        assert!(sessions.log_in("right").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_it_is_closed_or_when_nobody_uses_it() {
        let sessions = Sessions::new(8090, Some("right".into()));
        let open = || sessions.log_in("right").expect("a session");
        let (one, other) = (open(), open());
        sessions.close(session_of(&sessions, &one).expect("open"));
        assert_eq!(session_of(&sessions, &one), None);
        tokio::time::advance(IDLE / 2).await;
        assert!(session_of(&sessions, &other).is_some());
        tokio::time::advance(IDLE).await;
        assert_eq!(session_of(&sessions, &other), None);
        let all: Vec<_> = (0..=MOST).map(|_| open()).collect();
        assert_eq!(all.iter().filter(|id| session_of(&sessions, id).is_none()).count(), 1);
    }
}
