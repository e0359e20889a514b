//! What a connection remembers of its requests: what was made of the very same bytes the last time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use crate::identity::client::Scheme;
use crate::identity::credentials::Digests;
use crate::proxy::introduction::Said;
use crate::second_factor::session::Presented;
use crate::session_cookie::LastCookie;

/// One connection's memory. Its requests mostly carry the same cookies, for the same visitor.
///
/// Only what follows from a request's bytes alone is in it, beside these bytes. Never what the dashboard, the store or
/// the clock had to say: that is looked up for each request.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Recent>);

/// What was made of the last bytes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    pub(crate) cookie: LastCookie,
    pub(crate) digests: Digests,
    pub(crate) said: Said,
}

impl Memory {
    /// [`session_cookie::take`](crate::session_cookie::take), by what is remembered.
    pub fn take_cookie(&self, headers: &mut HeaderMap, scheme: Scheme) -> Option<Presented> {
        self.lock().cookie.take(headers, scheme)
    }

    /// In HTTP/2, requests of one connection share it: it is held for no longer than it takes to compare.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
