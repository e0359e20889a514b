//! What a connection remembers of its requests: what was made of the very same bytes the last time, and where all else was
//! found.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Site;
use crate::gateway::arrived::LastSettled;
use crate::identity::client::{Client, Scheme};
use crate::identity::credentials::{Credentials, Digests};
use crate::identity::probe::LastAnswer;
use crate::message::{Fields, RequestHead};
use crate::proxy::headers::LastOutgoing;
use crate::second_factor::session::Presented;
use crate::session_cookie::{self, LastCookie};
use crate::standing::{LastAccount, LastSession};

/// One connection's memory. Its requests mostly carry the same cookies, for the same visitor.
///
/// There are two kinds of things in it. What follows from a request's fields, its peer and the configuration alone is beside
/// these, and used for the very same ones. What the dashboard or the store had to say is only referred to: whether it is
/// still good, and for this request, is asked each time where it was found, and only the search is left out. What was
/// decided is never in it.
#[derive(Debug)]
pub struct Memory(Option<Mutex<Recent>>);

/// What the last request left.
#[derive(Debug, Default)]
struct Recent {
    settled: LastSettled,
    cookie: LastCookie,
    digests: Digests,
    found: Found,
    outgoing: LastOutgoing,
}

/// What was found for the last request in the memories that all connections share.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The word of the site's source.
    pub(crate) answer: LastAnswer,
    /// The account.
    pub(crate) account: LastAccount,
    /// The verified session.
    pub(crate) session: LastSession,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Some(Mutex::default()))
    }
}

impl Memory {
    /// Remembers nothing: for a connection on which a server in front sends the requests of everybody. They would seldom be
    /// the same, and how long it takes to tell the cookies of one from those of another is nobody's business.
    pub const NONE: &Self = &Self(None);

    /// Settles something by what was settled the last time, or for the next.
    pub(crate) fn with_settled<T>(&self, settle: impl FnOnce(&mut LastSettled) -> T) -> T {
        self.with(|recent| &mut recent.settled, settle)
    }

    /// [`session_cookie::take`], by what is remembered.
    pub fn take_cookie(&self, headers: &mut Fields, scheme: Scheme) -> Option<Presented> {
        match self.lock() {
            Some(mut recent) => recent.cookie.take(headers, scheme),
            None => session_cookie::take(headers, scheme),
        }
    }

    /// [`Credentials::of`], by what is remembered.
    pub(crate) fn credentials(&self, site: &Arc<Site>, head: &RequestHead, client: &Client, host: &str) -> Credentials {
        match self.lock() {
            Some(mut recent) => recent.digests.credentials(site, head, client, host),
            None => Credentials::of(site, head, client, host),
        }
    }

    /// Looks something up, by what was found the last time.
    pub(crate) fn with_found<T>(&self, look_up: impl FnOnce(&mut Found) -> T) -> T {
        self.with(|recent| &mut recent.found, look_up)
    }

    /// Makes what the dashboard gets by what it got the last time, or for the next.
    pub(crate) fn with_outgoing<T>(&self, make: impl FnOnce(&mut LastOutgoing) -> T) -> T {
        self.with(|recent| &mut recent.outgoing, make)
    }

    /// Uses a part of what is remembered; where nothing is, one that is forgotten at once.
    fn with<P: Default, T>(&self, part: impl FnOnce(&mut Recent) -> &mut P, using: impl FnOnce(&mut P) -> T) -> T {
        match self.lock() {
            Some(mut recent) => using(part(&mut recent)),
            None => using(&mut P::default()),
        }
    }

    /// In HTTP/2, requests of one connection share it: it is held for no longer than it takes to compare, or to
    /// look something up in memory.
    fn lock(&self) -> Option<MutexGuard<'_, Recent>> {
        self.0.as_ref().map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::COOKIE;

    use super::*;
    use crate::second_factor::session::{Kind, SessionToken};

    #[test]
    fn a_session_is_the_one_that_the_cookie_names_whatever_is_remembered() {
        for memory in [Memory::NONE, &Memory::default()] {
            for number in [1, 1, 2, 1] {
                let token = SessionToken::new(Kind::Verified, [number; 32]);
                let line = format!("login=x; vestibule={}", token.cookie_value());
                let mut headers = Fields::from_iter([(COOKIE, HeaderValue::try_from(line).expect("a value"))]);
                let presented = memory.take_cookie(&mut headers, Scheme::Http).expect("a session");
                assert!(
                    presented.digest == token.digest() && headers.get(COOKIE).is_some_and(|rest| rest == "login=x")
                );
            }
        }
    }
}
