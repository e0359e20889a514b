//! Account, requirement and session of a visitor: from memory, as long as the store's change feed keeps it honest.

mod at_hand;
mod name;
mod shelf;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

pub use self::at_hand::{LastAccount, LastSession};
use self::shelf::Shelf;
use crate::bookmark::Key;
use crate::clock::Clock;
use crate::config::Site;
use crate::identity::Identity;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, AccountKey, Factor, Organization, Requirement};
use crate::second_factor::policy::Traveler;
use crate::second_factor::session::{
    Binding, BindingCheck, Limits, SessionId, TokenDigest, VerifiedBy, VerifiedSession,
};
use crate::store::{Change, Cursor, Result, Sighting, Store};

/// How many accounts and how many sessions are remembered at most.
const REMEMBERED: usize = 1_000_000;

/// What was not heard of for this long is asked of the store again: the bound on how stale an answer can be when the
/// change feed can't be read.
const SILENCE: Duration = Duration::from_secs(2);

/// Uses closer together than this count as one: so much early, at most, a session can end as idle.
const FINEST: Duration = Duration::from_secs(15);

/// An account and its organization.
#[derive(Debug, Clone)]
pub struct Known {
    /// The account.
    pub account: Account,
    /// Its organization.
    pub organization: Organization,
}

/// What the gateway remembers of accounts and sessions.
///
/// Whatever another process or thread changes in the store is forgotten here when [`Standings::catch_up`] reads of it;
/// while that can't be read, nothing remembered is used.
pub struct Standings {
    store: Arc<dyn Store>,
    clock: Clock,
    /// How long a session may be unused, in milliseconds.
    idle: AtomicU64,
    ids: Cache<AccountKey, AccountId>,
    accounts: Shelf<AccountId, Arc<Known>>,
    sessions: Shelf<TokenDigest, Arc<Remembered>>,
    /// The last digest that a session was seen under: a hint, which the session itself confirms.
    digests: Cache<SessionId, TokenDigest>,
    /// Raised by every change that is heard of: what was read from the store before is not remembered after.
    generation: AtomicU64,
    cursor: tokio::sync::Mutex<Option<Cursor>>,
    /// When the change feed was last read, in milliseconds since 1970.
    heard: AtomicI64,
    seen: Mutex<HashMap<SessionId, Timestamp>>,
}

/// A verified session but for the digest that it is remembered under: there may be a million.
struct Remembered {
    id: SessionId,
    account: AccountId,
    binding: Option<Binding>,
    by: VerifiedBy,
    verified_at: Timestamp,
    code_at: Timestamp,
    /// By what is known here.
    last_seen: AtomicI64,
}

impl Remembered {
    const fn of(session: &VerifiedSession) -> Self {
        let VerifiedSession { id, digest: _, account, binding, by, verified_at, code_at, last_seen } = *session;
        let last_seen = AtomicI64::new(last_seen.as_millis());
        Self { id, account, binding, by, verified_at, code_at, last_seen }
    }

    fn session(&self, digest: TokenDigest) -> VerifiedSession {
        let Self { id, account, binding, by, verified_at, code_at, ref last_seen } = *self;
        let last_seen = Timestamp::from_millis(last_seen.load(Ordering::Relaxed));
        VerifiedSession { id, digest, account, binding, by, verified_at, code_at, last_seen }
    }
}

impl Standings {
    /// Remembers nothing yet; [`Standings::catch_up`] has to be called, and then several times a second.
    pub fn new(store: Arc<dyn Store>, clock: Clock, limits: Limits) -> Self {
        Self {
            store,
            clock,
            idle: AtomicU64::new(millis(limits.idle)),
            ids: Cache::new(REMEMBERED),
            accounts: Shelf::new(),
            sessions: Shelf::new(),
            digests: Cache::new(REMEMBERED),
            generation: AtomicU64::new(0),
            cursor: tokio::sync::Mutex::new(None),
            heard: AtomicI64::new(i64::MIN),
            seen: Mutex::new(HashMap::new()),
        }
    }

    /// From now on, sessions live by these limits.
    pub fn limit(&self, limits: Limits) {
        self.idle.store(millis(limits.idle), Ordering::Relaxed);
    }

    fn idle(&self) -> Duration {
        Duration::from_millis(self.idle.load(Ordering::Relaxed))
    }

    /// The account that the word of a site's source on a visitor names, made on first sight.
    pub async fn of_identity(&self, site: &Site, identity: &Identity) -> Result<Arc<Known>> {
        let (now, mut last) = (self.clock.now(), LastAccount::default());
        if let Some(known) = self.account_at_hand((site, identity), None, &mut last, now) {
            return Ok(Arc::clone(known));
        }
        let key = AccountKey {
            realm: site.realm.clone(),
            organization: identity.organization.clone(),
            user: identity.user.clone(),
        };
        let before = self.generation.load(Ordering::Acquire);
        let sighting = Sighting {
            key: key.clone(),
            email: identity.email.clone(),
            name: identity.name.clone(),
            initial: site.organization.initial(),
            at: self.clock.now(),
        };
        let (account, organization) = self.store.sight(sighting).await?;
        let known = Arc::new(Known { account, organization });
        self.ids.insert(key, known.account.id);
        self.remember(&self.accounts, known.account.id, &known, before);
        Ok(known)
    }

    /// The account of that number, if there is one.
    pub async fn of_account(&self, id: AccountId) -> Result<Option<Arc<Known>>> {
        if let Some(accounts) = self.honest(&self.accounts, self.clock.now())
            && let Some(known) = accounts.get(&id, &mut None)
        {
            return Ok(Some(Arc::clone(known)));
        }
        let before = self.generation.load(Ordering::Acquire);
        let Some((account, organization)) = self.store.account(id).await? else { return Ok(None) };
        let known = Arc::new(Known { account, organization });
        self.remember(&self.accounts, id, &known, before);
        Ok(Some(known))
    }

    /// The verified session of that digest, live or not.
    pub async fn session(&self, digest: TokenDigest) -> Result<Option<VerifiedSession>> {
        if let Some(session) = self.session_at_hand(digest, &mut LastSession::default(), self.clock.now()) {
            return Ok(Some(session));
        }
        let before = self.generation.load(Ordering::Acquire);
        let Some(mut session) = self.store.verified_session(digest).await? else { return Ok(None) };
        session.last_seen = session.last_seen.max(self.seen_since(session.id));
        self.remember(&self.sessions, digest, &Arc::new(Remembered::of(&session)), before);
        Ok(Some(session))
    }

    /// When a session was used that the store has not heard of yet; the beginning of time if it has heard of all.
    fn seen_since(&self, session: SessionId) -> Timestamp {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&session).copied().unwrap_or(Timestamp::from_millis(i64::MIN))
    }

    /// The verified session of that number and account, whatever its digest is by now.
    pub async fn session_of(&self, account: AccountId, id: SessionId) -> Result<Option<VerifiedSession>> {
        if let Some(digest) = self.digests.get(&id)
            && let Some(session) = self.session(digest).await?
            && session.id == id
        {
            return Ok(Some(session));
        }
        let records = self.store.sessions_of(account).await?;
        let found = records.into_iter().map(|record| record.session).find(|session| session.id == id);
        if let Some(session) = &found {
            self.digests.insert(id, session.digest);
        }
        Ok(found)
    }

    /// Whether somebody who passed at a site some time ago still would, as far as it is not up to the dashboard: the site may
    /// ask for more by now, or have other users, and their session may have ended.
    pub async fn still_passes(&self, traveler: &Traveler, site: &Site, limits: Limits) -> Result<bool> {
        let Some(known) = self.of_account(traveler.account).await? else { return Ok(false) };
        if known.organization.realm != site.realm {
            return Ok(false);
        }
        let Some(verified) = traveler.verified else {
            let requirement = site.organization.requirement(known.organization.requirement);
            return Ok(requirement == Requirement::Optional && known.account.factor == Factor::NotEnrolled);
        };
        let (session, now) = (self.session_of(traveler.account, verified.session).await?, self.clock.now());
        let live = |s: VerifiedSession| s.prove(traveler.account, BindingCheck::Unbound, limits, now).is_ok();
        Ok(session.is_some_and(live))
    }

    /// Notes that a session was used just now. The store hears of it with the next [`Standings::write_seen`].
    pub fn touch(&self, session: &VerifiedSession, now: Timestamp) {
        // Divided as a number: it is asked for with each request.
        let finest = Duration::from_millis(self.idle.load(Ordering::Relaxed) / 20).min(FINEST);
        if now < session.last_seen.plus(finest) {
            return;
        }
        if let Some(remembered) = self.sessions.get(&session.digest, &mut None) {
            remembered.last_seen.fetch_max(now.as_millis(), Ordering::Relaxed);
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(session.id, now);
    }

    /// Tells the store which sessions were used. What it can't take now is kept for the next time.
    pub async fn write_seen(&self) -> Result<()> {
        let seen: Vec<_> =
            std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
        if seen.is_empty() {
            return Ok(());
        }
        let written = self.store.touch(seen.clone()).await;
        if written.is_err() {
            let mut waiting = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for (session, at) in seen {
                waiting.entry(session).or_insert(at);
            }
        }
        written
    }

    /// Reads the change feed and forgets what it names. Called several times a second, and after each change of our own,
    /// so that who made it sees it at once.
    pub async fn catch_up(&self) -> Result<()> {
        let mut cursor = self.cursor.lock().await;
        let asked = self.clock.now();
        let (mut changes, now) = match *cursor {
            Some(from) => self.store.changes_since(from).await?,
            None => (Vec::new(), self.store.cursor().await?),
        };
        // Another server may have taken over meanwhile, one that has not heard of the last changes.
        if !self.hears(asked) {
            changes.push(Change::Everything);
        }
        if !changes.is_empty() {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        for change in changes {
            match change {
                Change::Account(id) => self.accounts.forget(&id),
                Change::Organization(_) => self.accounts.forget_all(),
                Change::Session(digest) => self.sessions.forget(&digest),
                Change::Everything => {
                    self.accounts.forget_all();
                    self.sessions.forget_all();
                }
            }
        }
        *cursor = Some(now);
        self.heard.store(asked.as_millis(), Ordering::Release);
        Ok(())
    }

    /// Forgets an account and a session, so that the store is asked for them.
    pub fn forget(&self, account: AccountId, session: Option<TokenDigest>) {
        self.accounts.forget(&account);
        if let Some(session) = session {
            self.sessions.forget(&session);
        }
    }

    /// Where something is remembered, as long as the change feed keeps it honest. To be asked for before anything is found
    /// there: what is heard after a silence makes void what was found before, and only then counts as heard.
    fn honest<'a, K, V>(&self, among: &'a Shelf<K, V>, now: Timestamp) -> Option<&'a Shelf<K, V>> {
        self.hears(now).then_some(among)
    }

    /// Whether the change feed was read a moment ago.
    fn hears(&self, now: Timestamp) -> bool {
        let heard = Timestamp::from_millis(self.heard.load(Ordering::Acquire));
        // A clock that was set back makes `heard` lie in the future: that is no proof of having heard anything.
        now.since(heard) <= SILENCE && heard <= now.plus(SILENCE)
    }

    /// Remembers what was read when the generation was `before`, unless something has changed since: then it may be
    /// older than the change.
    fn remember<K: Key + Hash, V: Clone>(&self, among: &Shelf<K, V>, key: K, value: &V, before: u64) {
        among.put(key, value.clone());
        // Looked at after it was put there: a change heard of in between is either seen here, or forgets it itself after.
        if self.generation.load(Ordering::Acquire) != before {
            among.forget(&key);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second_factor::event::Occasion;
    use crate::second_factor::policy::Authority;
    use crate::site::sample;
    use crate::store::sqlite::SqliteStore;

    pub(super) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    pub(super) const LIMITS: Limits = Limits { idle: Duration::from_hours(1), lifetime: Duration::from_hours(12) };

    pub(super) struct World {
        store: Arc<dyn Store>,
        pub(super) now: Arc<AtomicI64>,
        pub(super) standings: Standings,
        pub(super) site: Arc<Site>,
        folder: tempfile::TempDir,
    }

    pub(super) fn identity(user: &str) -> Identity {
        Identity { user: user.into(), email: None, name: None, organization: "acme".into(), admin: false }
    }

    impl World {
        pub(super) async fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let store = SqliteStore::open(&folder.path().join("store.db")).expect("a new store");
            let store: Arc<dyn Store> = Arc::new(store);
            let (clock, now) = Clock::by_hand(NOW);
            let standings = Standings::new(Arc::clone(&store), clock, LIMITS);
            standings.catch_up().await.expect("the feed is readable");
            Self { store, now, standings, site: Arc::new(sample::site()), folder }
        }

        /// Another gateway's standings, at the same store and by the same clock.
        pub(super) async fn others(&self) -> Standings {
            let standings = Standings::new(Arc::clone(&self.store), self.standings.clock.clone(), LIMITS);
            standings.catch_up().await.expect("the feed is readable");
            standings
        }

        async fn requirement(&self) -> Requirement {
            self.known().await.organization.requirement
        }

        pub(super) async fn known(&self) -> Arc<Known> {
            self.standings.of_identity(&self.site, &identity("7")).await.expect("an account")
        }

        /// Writes to the store as another process would.
        pub(super) fn write(&self, sql: &str) {
            let file = rusqlite::Connection::open(self.folder.path().join("store.db")).expect("the store");
            file.execute(sql, []).expect("written");
        }

        async fn require(&self) {
            let by = Authority::Operator(self.known().await.account.organization);
            let occasion = Occasion::of_the_operator(NOW);
            self.store.set_requirement(by, Requirement::Required, occasion).await.expect("set");
        }
    }

    #[tokio::test]
    async fn what_another_process_changes_is_seen_once_the_feed_was_read() {
        let world = World::new().await;
        assert_eq!(world.requirement().await, Requirement::Optional);
        world.require().await;
        assert_eq!(world.requirement().await, Requirement::Optional, "from memory");
        world.standings.catch_up().await.expect("the feed is readable");
        assert_eq!(world.requirement().await, Requirement::Required);
    }

    #[tokio::test]
    async fn nothing_is_remembered_while_the_feed_was_not_read_for_seconds_or_the_clock_jumped_back() {
        for jump in [2_001, -2_001] {
            let world = World::new().await;
            assert_eq!(world.requirement().await, Requirement::Optional);
            world.require().await;
            world.now.fetch_add(jump, Ordering::Relaxed);
            assert_eq!(world.requirement().await, Requirement::Required, "{jump} ms");
        }
    }

    #[tokio::test]
    async fn what_was_remembered_before_a_silence_is_forgotten_even_if_nothing_is_heard_after_it() {
        let world = World::new().await;
        assert_eq!(world.requirement().await, Requirement::Optional);
        // As a server that took over would have it, without a word in the feed.
        world.write("UPDATE organizations SET requirement = 'required'");
        world.standings.catch_up().await.expect("the feed is readable");
        assert_eq!(world.requirement().await, Requirement::Optional, "from memory");
        world.now.fetch_add(2_001, Ordering::Relaxed);
        world.standings.catch_up().await.expect("the feed is readable");
        assert_eq!(world.requirement().await, Requirement::Required);
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let world = World::new().await;
        let old = world.known().await;
        let before = world.standings.generation.load(Ordering::Acquire);
        world.require().await;
        world.standings.catch_up().await.expect("the feed is readable");
        world.standings.remember(&world.standings.accounts, old.account.id, &old, before);
        assert_eq!(world.requirement().await, Requirement::Required);
    }
}
