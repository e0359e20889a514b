//! Whose word it is who has logged in: the one place where the sources differ.

use std::sync::Arc;

use http::request::Parts;

use super::client::Client;
use super::credentials::Credentials;
use super::outer_login::OuterLogin;
use super::probe::{Freshness, Login, Prober};
use super::token::Tokens;
use super::{Identity, Verdict};
use crate::clock::Clock;
use crate::config::{self, Site};
use crate::upstream::Pool;

/// Who has logged in at one site. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub enum Source {
    /// The dashboard is asked.
    Probe(Prober),
    /// A login in front of the gateway says so in header fields.
    Header(Arc<OuterLogin>),
    /// A signed token says so.
    Token(Arc<Tokens>),
}

impl Source {
    /// The one that the site has, with nothing known yet.
    ///
    /// # Panics
    /// If the site's places or keys do not parse; a checked configuration has none of these.
    pub fn new(site: Arc<Site>, clock: Clock) -> Self {
        match site.identity.source.clone() {
            config::Source::Probe(probe) => Self::Probe(Prober::new(site, probe, clock)),
            config::Source::Header(_) => Self::Header(Arc::new(OuterLogin::new(site, clock))),
            config::Source::Token(token) => Self::Token(Arc::new(Tokens::new(&site, token, clock))),
        }
    }

    /// What it says of whoever sent this request. What can't be used is logged once, here.
    ///
    /// `credentials` and `client` are those of `head`.
    pub async fn identify(
        &self,
        credentials: &Credentials,
        head: &Parts,
        client: &Client,
        pool: &Pool,
        freshness: Freshness,
    ) -> Verdict {
        match self {
            Self::Probe(prober) => prober.identify(credentials, head, client, pool, freshness).await,
            Self::Header(login) => login.identify(head, client),
            // Boxed: it seldom waits, and the future of every request would carry the room for it along.
            Self::Token(tokens) => match tokens.remembered(head, freshness) {
                Some(identity) => Verdict::Identified(identity),
                None => Box::pin(tokens.identify(credentials.carries(), head, freshness)).await,
            },
        }
    }

    /// Who it is, if the dashboard's answer is at hand.
    pub fn cached(&self, credentials: &Credentials) -> Option<Arc<Identity>> {
        match self {
            Self::Probe(prober) => prober.cached(credentials),
            Self::Header(_) | Self::Token(_) => None,
        }
    }

    /// A login that the dashboard is about to have before it as a whole; until this is dropped, no answer of its is used
    /// again.
    pub fn login(&self) -> Option<Login> {
        match self {
            Self::Probe(prober) => Some(prober.login()),
            Self::Header(_) | Self::Token(_) => None,
        }
    }

    /// How many answers came by that may have changed for whom a login stands; none where that stands in the request.
    pub fn turns(&self) -> u64 {
        match self {
            Self::Probe(prober) => prober.turns(),
            Self::Header(_) | Self::Token(_) => 0,
        }
    }

    /// Counts one more.
    pub fn note_turn(&self) {
        match self {
            Self::Probe(prober) => prober.note_turn(),
            Self::Header(_) | Self::Token(_) => {}
        }
    }

    /// Drops what the dashboard said, and is being asked, of these credentials: it may think differently by now. What is
    /// known of others stands in the request itself.
    pub fn forget(&self, credentials: &Credentials) {
        match self {
            Self::Probe(prober) => prober.forget(credentials),
            Self::Header(_) | Self::Token(_) => {}
        }
    }

    /// Keeps nothing of what the dashboard says of these credentials until a login or logout that is under way must have
    /// come to its end, and drops what is known of them.
    pub fn expect_a_change(&self, credentials: &Credentials) {
        match self {
            Self::Probe(prober) => prober.expect_a_change(credentials),
            Self::Header(_) | Self::Token(_) => {}
        }
    }

    /// Drops what is known of all credentials: some login may stand for somebody else by now, and it can be written in many ways.
    pub fn forget_all(&self) {
        match self {
            Self::Probe(prober) => prober.forget_all(),
            Self::Header(_) | Self::Token(_) => {}
        }
    }
}
