//! What a connection remembers of its requests: what was made of the very same bytes the last time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::request::Parts;

use crate::config::Site;
use crate::identity::client::{Client, Scheme};
use crate::identity::credentials::{Credentials, Digests};
use crate::proxy::introduction::Said;
use crate::second_factor::session::Presented;
use crate::session_cookie::{self, LastCookie};

/// One connection's memory. Its requests mostly carry the same cookies, for the same visitor.
///
/// Only what follows from a request's bytes and its peer's address alone is in it, beside these. Never what the dashboard, the store or
/// the clock had to say: that is looked up for each request.
#[derive(Debug)]
pub struct Memory(Option<Mutex<Recent>>);

/// What was made of the last bytes.
#[derive(Debug, Default)]
struct Recent {
    cookie: LastCookie,
    digests: Digests,
    said: Said,
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

    /// [`session_cookie::take`], by what is remembered.
    pub fn take_cookie(&self, headers: &mut HeaderMap, scheme: Scheme) -> Option<Presented> {
        match self.lock() {
            Some(mut recent) => recent.cookie.take(headers, scheme),
            None => session_cookie::take(headers, scheme),
        }
    }

    /// [`Credentials::of`], by what is remembered.
    pub(crate) fn credentials(&self, site: &Site, head: &Parts, client: &Client, host: &str) -> Credentials {
        match self.lock() {
            Some(mut recent) => recent.digests.credentials(site, head, client, host),
            None => Credentials::of(site, head, client, host),
        }
    }

    /// Goes on with what was said to the dashboard the last time.
    pub(crate) fn with_said<T>(&self, say: impl FnOnce(&mut Said) -> T) -> T {
        match self.lock() {
            Some(mut recent) => say(&mut recent.said),
            None => say(&mut Said::default()),
        }
    }

    /// In HTTP/2, requests of one connection share it: it is held for no longer than it takes to compare.
    fn lock(&self) -> Option<MutexGuard<'_, Recent>> {
        self.0.as_ref().map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::second_factor::session::{Kind, SessionToken};

    #[test]
    fn a_session_is_the_one_that_the_cookie_names_whatever_is_remembered() {
        for memory in [Memory::NONE, &Memory::default()] {
            for number in [1, 1, 2, 1] {
                let token = SessionToken::new(Kind::Verified, [number; 32]);
                let line = format!("login=x; vestibule={}", token.cookie_value());
                let mut headers = HeaderMap::from_iter([(COOKIE, line.parse().expect("a value"))]);
                let presented = memory.take_cookie(&mut headers, Scheme::Http).expect("a session");
                assert!(presented.digest == token.digest() && headers[COOKIE] == "login=x");
            }
        }
    }
}
