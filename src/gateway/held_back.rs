//! A request whose body ends after it was decided on: whoever it was let through for has to be still there.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use crate::clock::Clock;
use crate::config::Site;
use crate::identity::Verdict;
use crate::identity::client::Client;
use crate::identity::credentials::{Carries, Credentials};
use crate::identity::probe::Freshness;
use crate::identity::source::Source;
use crate::message::RequestHead;
use crate::second_factor::Timestamp;
use crate::second_factor::account::AccountKey;
use crate::second_factor::policy::Traveler;
use crate::second_factor::session::Limits;
use crate::standing::Standings;
use crate::telemetry::causes;
use crate::upstream::Pool;
use crate::visit::Visit;

/// What takes longer than this is asked about in any case: another gateway may have seen a login that this one has not.
const PROMPT: Duration = Duration::from_secs(1);

/// By what it is found out whether it would be let through now.
pub(super) struct HeldBack {
    traveler: Traveler,
    standings: Arc<Standings>,
    site: Arc<Site>,
    limits: Limits,
    /// `None` where no credential says who it is, or nobody has to be asked whose one is.
    question: Option<Question>,
}

/// The question that the dashboard was asked, or would have been.
struct Question {
    source: Source,
    /// How many turns there had been when the request came, and when that was.
    turns: u64,
    came: Timestamp,
    clock: Clock,
    credentials: Credentials,
    head: RequestHead,
    client: Client,
    pool: Pool,
}

impl HeldBack {
    /// For a request that is let through for this traveler.
    pub(super) fn of(visit: &Visit<'_>, traveler: &Traveler, credentials: &Credentials) -> Self {
        let question = match (&visit.dashboard.source, credentials.carries()) {
            (Source::Probe(_), Carries::Carried) => Some(Question::of(visit, credentials)),
            (Source::Probe(_) | Source::Header(_) | Source::Token(_), _) => None,
        };
        Self {
            traveler: traveler.clone(),
            standings: Arc::clone(&visit.gateway.standings),
            site: Arc::clone(&visit.dashboard.site),
            limits: visit.gateway.config.session,
            question,
        }
    }

    /// Whether it still would be let through: their session has not ended, and the dashboard takes it for theirs. Whatever
    /// fails is no.
    pub(super) async fn still_passes(self) -> bool {
        match self.standings.still_passes(&self.traveler, &self.site, self.limits).await {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                tracing::error!(error = causes(&error), "can't find out whether a request that took its time may end");
                return false;
            }
        }
        match self.question {
            Some(question) if question.is_open() => question.names(&self.traveler.key).await,
            Some(_) | None => true,
        }
    }
}

impl Question {
    fn of(visit: &Visit<'_>, credentials: &Credentials) -> Self {
        let head = RequestHead {
            method: Method::GET,
            uri: visit.head.uri.clone(),
            headers: visit.head.headers.clone(),
            ..RequestHead::default()
        };
        Self {
            source: visit.dashboard.source.clone(),
            turns: visit.turns,
            came: visit.now,
            clock: visit.gateway.clock.clone(),
            credentials: *credentials,
            head,
            client: visit.client.clone(),
            pool: visit.pool.clone(),
        }
    }

    /// Whether it has to be put again. It has not if all came at once, and nothing came by since that may have changed the
    /// answer: a login, whosever it was, can be named in many ways.
    fn is_open(&self) -> bool {
        let now = self.clock.now();
        self.source.turns() != self.turns || now < self.came || now >= self.came.plus(PROMPT)
    }

    async fn names(self, who: &AccountKey) -> bool {
        // Boxed: most requests don't ask, and would carry the room for it along.
        let asked =
            Box::pin(self.source.identify(&self.credentials, &self.head, &self.client, &self.pool, Freshness::Fresh));
        match asked.await {
            Verdict::Identified(now) => now.user == who.user && now.organization == who.organization,
            Verdict::Anonymous | Verdict::NotCarried | Verdict::Unknown(_) => false,
        }
    }
}
