//! What is remembered of a visitor's last request: what was made of the very same bytes, and where all else was found.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::mem::swap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{AUTHORIZATION, COOKIE};

use crate::config::Site;
use crate::gateway::arrived::LastSettled;
use crate::identity::client::{Client, Scheme};
use crate::identity::credentials::{Credentials, LastBinding, LastCredentials};
use crate::identity::probe::LastAnswer;
use crate::message::{Fields, RequestHead};
use crate::proxy::LastLeave;
use crate::proxy::headers::LastOutgoing;
use crate::second_factor::session::Presented;
use crate::session_cookie::{self, LastCookie};
use crate::standing::{LastAccount, LastSession};

/// The memory of one connection of a client, whose requests mostly carry the same cookies, or of one visitor for whom a
/// server in front speaks ([`Memories`]).
///
/// There are two kinds of things in it. What follows from a request's fields, its peer and the configuration alone is beside
/// these, or a keyed hash of them, and used for the very same ones. What the dashboard or the store had to say is only
/// referred to: whether it is still good, and for this request, is asked each time where it was found, and only the search
/// is left out. What was decided is never in it.
#[derive(Debug)]
pub struct Memory(Option<Mutex<Recent>>);

/// What the last request left.
#[derive(Debug, Default)]
struct Recent {
    settled: LastSettled,
    cookie: LastCookie,
    credentials: LastCredentials,
    found: Found,
    outgoing: LastOutgoing,
    leave: LastLeave,
}

/// What was found for the last request in the memories that all connections share, and what it takes to use that.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The word of the site's source.
    pub(crate) answer: LastAnswer,
    /// The account.
    pub(crate) account: LastAccount,
    /// What their credential is for a session that is bound to it.
    pub(crate) binding: LastBinding,
    /// The verified session.
    pub(crate) session: LastSession,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Some(Mutex::default()))
    }
}

impl Memory {
    /// Remembers nothing.
    pub const NONE: &Self = &Self(None);

    /// Settles something by what was settled the last time, or for the next.
    pub(crate) fn with_settled<T>(&self, settle: impl FnOnce(&mut LastSettled) -> T) -> T {
        self.with(|recent| &mut recent.settled, settle)
    }

    /// [`session_cookie::take`], by what is remembered.
    pub fn take_cookie(&self, headers: &mut Fields, scheme: Scheme) -> Option<Presented> {
        self.with(|recent| &mut recent.cookie, |last| session_cookie::take(headers, scheme, last))
    }

    /// [`LastCredentials::of`], by what is remembered.
    pub(crate) fn credentials(&self, site: &Arc<Site>, head: &RequestHead, client: &Client, host: &str) -> Credentials {
        self.with(|recent| &mut recent.credentials, |last| last.of(site, head, client, host))
    }

    /// Looks something up, by what was found the last time.
    pub(crate) fn with_found<T>(&self, look_up: impl FnOnce(&mut Found) -> T) -> T {
        self.with(|recent| &mut recent.found, look_up)
    }

    /// Makes what the dashboard gets by what it got the last time, or for the next.
    pub(crate) fn with_outgoing<T>(&self, make: impl FnOnce(&mut LastOutgoing) -> T) -> T {
        self.with(|recent| &mut recent.outgoing, make)
    }

    /// Makes what a server in front has leave with by what it got the last time, or for the next.
    pub(crate) fn with_leave<T>(&self, make: impl FnOnce(&mut LastLeave) -> T) -> T {
        self.with(|recent| &mut recent.leave, make)
    }

    /// Uses a part of what is remembered; where nothing is, one that is forgotten at once.
    fn with<P: Default, T>(&self, part: impl FnOnce(&mut Recent) -> &mut P, using: impl FnOnce(&mut P) -> T) -> T {
        match self.lock() {
            Some(mut recent) => using(part(&mut recent)),
            None => using(&mut P::default()),
        }
    }

    /// Requests that are on their way at the same time share it, of one visitor or of one connection in HTTP/2: it is held
    /// for no longer than it takes to compare, or to look something up in memory and to decide by that.
    fn lock(&self) -> Option<MutexGuard<'_, Recent>> {
        self.0.as_ref().map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Of how many visitors each of [`Visitors`]' tables has the memories.
const EACH: usize = 512;

/// The memories of visitors for whom servers in front speak. The requests of all of them come on the same connections, and
/// each visitor's are known by their cookies and `Authorization`.
///
/// A memory is found by a keyed hash of these. How long it takes to tell the cookies of one from those of another would be
/// nobody's business: they are not compared.
#[derive(Debug)]
pub struct Memories {
    key: RandomState,
    visitors: Mutex<Visitors>,
    /// Remembers nothing.
    nobodys: Arc<Memory>,
}

/// Those who came lately, and those who came before.
#[derive(Debug, Default)]
struct Visitors {
    lately: HashMap<u64, Arc<Memory>>,
    before: HashMap<u64, Arc<Memory>>,
}

impl Default for Memories {
    fn default() -> Self {
        Self { key: RandomState::new(), visitors: Mutex::default(), nobodys: Arc::new(Memory(None)) }
    }
}

impl Memories {
    /// That of the visitor whose request has these fields, or one of nothing if it carries nothing by which they are known.
    pub fn of(&self, headers: &Fields) -> Arc<Memory> {
        let Some(visitor) = self.visitor(headers) else { return Arc::clone(&self.nobodys) };
        let mut visitors = self.visitors();
        if let Some(memory) = visitors.lately.get(&visitor) {
            return Arc::clone(memory);
        }
        let memory = visitors.before.remove(&visitor).unwrap_or_default();
        if visitors.lately.len() == EACH {
            visitors.pass();
        }
        visitors.lately.insert(visitor, Arc::clone(&memory));
        memory
    }

    /// Forgets whoever has not come since it was called before.
    pub fn pass(&self) {
        self.visitors().pass();
    }

    /// All lines count: in HTTP/2 each cookie may have its own.
    fn visitor(&self, headers: &Fields) -> Option<u64> {
        let mut hasher = self.key.build_hasher();
        let mut is_known = false;
        for name in [COOKIE, AUTHORIZATION] {
            for value in headers.get_all(name) {
                value.as_bytes().hash(&mut hasher);
                is_known = true;
            }
            // In place of a length: between the lines of the one and those of the other.
            usize::MAX.hash(&mut hasher);
        }
        is_known.then(|| hasher.finish())
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitors {
    fn pass(&mut self) {
        swap(&mut self.lately, &mut self.before);
        self.lately.clear();
    }
}

#[cfg(test)]
mod tests {
    use http::header::HOST;
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::second_factor::session::{Kind, SessionToken};

    fn carrying(fields: &[(HeaderName, &'static str)]) -> Fields {
        fields.iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn every_visitor_has_a_memory_and_nobody_another_s() {
        let memories = Memories::default();
        let visitors = [
            carrying(&[(COOKIE, "a")]),
            carrying(&[(COOKIE, "b")]),
            carrying(&[(COOKIE, "")]),
            carrying(&[(AUTHORIZATION, "a")]),
            carrying(&[(COOKIE, "a"), (AUTHORIZATION, "a")]),
            carrying(&[(COOKIE, "a"), (AUTHORIZATION, "")]),
            carrying(&[(COOKIE, "a"), (COOKIE, "b")]),
            carrying(&[(COOKIE, "a"), (COOKIE, "c")]),
            carrying(&[(COOKIE, "ab")]),
        ];
        let all = visitors.each_ref().map(|fields| memories.of(fields));
        for (visitor, fields) in visitors.iter().enumerate() {
            let memory = memories.of(fields);
            let same = all.iter().map(|one| Arc::ptr_eq(one, &memory));
            assert_eq!(same.collect::<Vec<_>>(), (0..all.len()).map(|one| one == visitor).collect::<Vec<_>>());
        }
        let nobodys = carrying(&[(HOST, "a")]);
        assert!(memories.of(&nobodys).0.is_none() && memories.visitors().lately.len() == all.len());
    }

    #[test]
    fn whoever_does_not_come_again_is_forgotten() {
        let (memories, alice) = (Memories::default(), carrying(&[(COOKIE, "alice")]));
        let first = memories.of(&alice);
        for _ in 0..3 {
            memories.pass();
            assert!(Arc::ptr_eq(&first, &memories.of(&alice)), "comes every second");
        }
        memories.pass();
        memories.pass();
        assert_eq!(Arc::strong_count(&first), 1, "nobody else has it");
        assert!(!Arc::ptr_eq(&first, &memories.of(&alice)));
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let memories = Memories::default();
        let visitor = |number| Fields::from_iter([(COOKIE, HeaderValue::from(number))]);
        let last = (0..3 * EACH).map(|number| memories.of(&visitor(number))).last().expect("a memory");
        let visitors = memories.visitors();
        assert!(visitors.lately.len() <= EACH && visitors.before.len() <= EACH);
        drop(visitors);
        assert!(Arc::ptr_eq(&last, &memories.of(&visitor(3 * EACH - 1))));
        let before = memories.of(&visitor(2 * EACH - 1));
        (0..EACH).for_each(|number| drop(memories.of(&visitor(number))));
        assert!(Arc::ptr_eq(&before, &memories.of(&visitor(2 * EACH - 1))), "came lately, before many others");
    }

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
