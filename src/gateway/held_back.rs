//! A request whose body ends long after it was decided on: whoever it was let through for has to be still there.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::request::Parts;

use crate::clock::Clock;
use crate::identity::Verdict;
use crate::identity::client::Client;
use crate::identity::credentials::{Carries, Credentials};
use crate::identity::probe::Freshness;
use crate::identity::source::Source;
use crate::second_factor::Timestamp;
use crate::second_factor::account::AccountKey;
use crate::second_factor::policy::Traveler;
use crate::upstream::Pool;
use crate::visit::Visit;

/// What takes longer than this is asked about in any case: another gateway may have seen a login that this one has not.
const PROMPT: Duration = Duration::from_secs(1);

/// By what it is found out who it would be now.
pub(super) struct HeldBack {
    source: Source,
    /// How many turns there had been when it came, and when that was.
    turns: u64,
    came: Timestamp,
    clock: Clock,
    who: Arc<AccountKey>,
    credentials: Credentials,
    head: Parts,
    client: Client,
    pool: Pool,
}

impl HeldBack {
    /// For a request that is let through for `traveler`. `None` where no credential says who that is.
    pub(super) fn of(visit: &Visit<'_>, traveler: Option<&Traveler>, credentials: &Credentials) -> Option<Self> {
        let traveler = traveler.filter(|_| credentials.carries() == Carries::Carried)?;
        match &visit.dashboard.source {
            Source::Probe(_) => {}
            Source::Header(_) | Source::Token(_) => return None,
        }
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = Method::GET;
        head.uri = visit.head.uri.clone();
        head.headers = visit.head.headers.clone();
        Some(Self {
            source: visit.dashboard.source.clone(),
            turns: visit.turns,
            came: visit.now,
            clock: visit.gateway.clock.clone(),
            who: Arc::clone(&traveler.key),
            credentials: *credentials,
            head,
            client: visit.client.clone(),
            pool: visit.pool.clone(),
        })
    }

    /// Whether the dashboard takes it for the same person's. It is not asked if all came at once, and nothing came by since
    /// that may have changed that: a login, whosever it was, can be named in many ways.
    pub(super) async fn stays_theirs(self) -> bool {
        let now = self.clock.now();
        if self.source.turns() == self.turns && self.came <= now && now < self.came.plus(PROMPT) {
            return true;
        }
        // Boxed: most requests don't ask, and would carry the room for it along.
        let asked =
            Box::pin(self.source.identify(&self.credentials, &self.head, &self.client, &self.pool, Freshness::Fresh));
        match asked.await {
            Verdict::Identified(now) => now.user == self.who.user && now.organization == self.who.organization,
            Verdict::Anonymous | Verdict::NotCarried | Verdict::Unknown(_) => false,
        }
    }
}
