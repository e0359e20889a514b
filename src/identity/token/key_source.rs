//! The keys as they are now: read from the configuration, or fetched, kept, and fetched again in time.
//!
//! All workers share one set. It is fetched at most once in [`PAUSE`], whatever tokens ask for. Where that fails, the last
//! good one is used, for [`LONGEST_USE`] at most.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::watch;

use super::keys::{KeySet, NoKeys};
use crate::body::Body;
use crate::clock::Clock;
use crate::config::{self, Algorithm, Keys, KeysAddress, UpstreamHttp};
use crate::second_factor::Timestamp;
use crate::telemetry::causes;
use crate::upstream::{Pool, UpstreamError};

/// The shortest time between two fetches.
pub(super) const PAUSE: Duration = Duration::from_secs(10);

/// How long a set is used that could not be fetched again.
pub(super) const LONGEST_USE: Duration = Duration::from_hours(24);

/// How long a request that could be answered with the last good set waits for a newer one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest set that is read, in bytes.
const LONGEST: usize = 256 << 10;

/// Which keys will do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Need<'a> {
    /// As recent as the operator says.
    Kept,
    /// As recent as can be.
    Fresh,
    /// Others than these, which lack the one that a token was signed with.
    Other(&'a Arc<KeySet>),
}

/// There are no keys to check a token with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no keys to check a token with: none could be fetched lately")]
pub(super) struct KeysMissing;

/// Where the keys of one site come from.
#[derive(Debug)]
pub(super) enum KeySource {
    /// They are always the same.
    Fixed(Arc<KeySet>),
    /// They are fetched.
    Fetched(Arc<Fetched>),
}

impl KeySource {
    /// # Panics
    /// If the configuration's keys do not parse; a checked one's do.
    pub(super) fn new(site: &str, token: &config::Token, clock: Clock) -> Self {
        match &token.keys {
            Keys::Text(text) => {
                let keys = KeySet::parse(text, &token.algorithms);
                Self::Fixed(Arc::new(keys.expect("the configuration was checked: it has a key that fits")))
            }
            Keys::Secret(secret) => Self::Fixed(Arc::new(KeySet::shared(secret, &token.algorithms))),
            Keys::Address(address) => Self::Fetched(Arc::new(Fetched {
                site: site.to_owned(),
                address: address.clone(),
                algorithms: token.algorithms.clone(),
                clock,
                pool: OnceLock::new(),
                good: RwLock::default(),
                fetching: Mutex::default(),
            })),
        }
    }

    /// The keys that would do without asking anybody.
    pub(super) fn at_hand(&self) -> Option<Arc<KeySet>> {
        match self {
            Self::Fixed(keys) => Some(Arc::clone(keys)),
            Self::Fetched(fetched) => {
                fetched.good().filter(|good| fetched.will_do(good, Need::Kept)).map(|good| good.keys)
            }
        }
    }

    /// The keys, fetched if need be.
    pub(super) async fn keys(&self, need: Need<'_>) -> Result<Arc<KeySet>, KeysMissing> {
        match self {
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
            Self::Fetched(fetched) => fetched.keys(need).await,
        }
    }
}

/// A set that is fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    site: String,
    address: KeysAddress,
    algorithms: Vec<Algorithm>,
    clock: Clock,
    pool: OnceLock<Pool>,
    good: RwLock<Option<Good>>,
    fetching: Mutex<Fetching>,
}

#[derive(Debug, Clone)]
struct Good {
    keys: Arc<KeySet>,
    text: Bytes,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct Fetching {
    begun: Option<Timestamp>,
    /// Gone when it is over.
    under_way: Option<watch::Receiver<()>>,
}

/// Why a set was not fetched; for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the authorities to believe can't be read")]
    Authorities(#[source] std::io::Error),
    #[error("the address can't be asked for")]
    Address(#[source] http::Error),
    #[error("the server can't be asked")]
    Server(#[source] UpstreamError),
    #[error("the status of the answer is {0}")]
    Status(StatusCode),
    #[error("the answer broke off, or is longer than 256 KiB")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer in time")]
    TimedOut,
    #[error("the answer can't be used")]
    Unusable(#[source] NoKeys),
}

impl Fetched {
    async fn keys(self: &Arc<Self>, need: Need<'_>) -> Result<Arc<KeySet>, KeysMissing> {
        let good = self.good();
        if let Some(good) = good.as_ref().filter(|good| self.will_do(good, need)) {
            return Ok(Arc::clone(&good.keys));
        }
        if let Some(mut over) = self.fetch_or_join() {
            let patience = if good.is_some() { PATIENCE } else { self.address.timeout };
            // It ends by being dropped.
            let _ = tokio::time::timeout(patience, over.changed()).await;
        }
        let now = self.clock.now();
        let usable = self.good().filter(|good| now < good.at.plus(LONGEST_USE));
        usable.map(|good| good.keys).ok_or(KeysMissing)
    }

    fn will_do(&self, good: &Good, need: Need<'_>) -> bool {
        let now = self.clock.now();
        let is_younger_than = |age| good.at <= now && now < good.at.plus(age);
        match need {
            Need::Kept => is_younger_than(self.address.refresh),
            Need::Fresh => is_younger_than(PAUSE.min(self.address.refresh)),
            Need::Other(keys) => !Arc::ptr_eq(keys, &good.keys),
        }
    }

    /// What to wait for; `None` if nothing is under way, and it is too early for another try.
    ///
    /// The fetch is a task of its own: a client that goes away does not end it.
    fn fetch_or_join(self: &Arc<Self>) -> Option<watch::Receiver<()>> {
        let now = self.clock.now();
        let mut fetching = self.fetching();
        if let Some(under_way) = &fetching.under_way {
            return Some(under_way.clone());
        }
        if fetching.begun.is_some_and(|begun| begun <= now && now < begun.plus(PAUSE)) {
            return None;
        }
        let (over, under_way) = watch::channel(());
        *fetching = Fetching { begun: Some(now), under_way: Some(under_way.clone()) };
        drop(fetching);
        let end = End { fetched: Arc::clone(self), _over: over };
        tokio::spawn(async move { end.fetched.fetch(now).await });
        Some(under_way)
    }

    async fn fetch(&self, now: Timestamp) {
        match fetch(&self.address, &self.algorithms, &self.pool).await {
            Ok((text, keys)) => {
                let mut good = self.good.write().unwrap_or_else(PoisonError::into_inner);
                // What was checked with the same keys stays checked.
                let same = good.as_ref().filter(|good| good.text == text).map(|good| Arc::clone(&good.keys));
                *good = Some(Good { keys: same.unwrap_or_else(|| Arc::new(keys)), text, at: now });
            }
            Err(error) => {
                tracing::warn!(site = self.site, error = causes(&error), "can't fetch the keys that sign tokens");
            }
        }
    }

    fn good(&self) -> Option<Good> {
        self.good.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fetching(&self) -> MutexGuard<'_, Fetching> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the keys at an address can be fetched, and are of use.
pub(crate) async fn try_out(address: &KeysAddress, algorithms: &[Algorithm]) -> Result<(), FetchError> {
    fetch(address, algorithms, &OnceLock::new()).await.map(drop)
}

/// The set at an address, as text and as keys, within the time that is given for it.
async fn fetch(
    address: &KeysAddress,
    algorithms: &[Algorithm],
    pool: &OnceLock<Pool>,
) -> Result<(Bytes, KeySet), FetchError> {
    let asked = tokio::time::timeout(address.timeout, ask(address, pool)).await;
    let text = asked.map_err(|_| FetchError::TimedOut)??;
    let set = std::str::from_utf8(&text).map_err(|_| FetchError::Unusable(NoKeys::Neither))?;
    let keys = KeySet::parse(set, algorithms).map_err(FetchError::Unusable)?;
    Ok((text, keys))
}

/// Asks once, on a connection of its own. A redirect is not followed.
async fn ask(address: &KeysAddress, pool: &OnceLock<Pool>) -> Result<Bytes, FetchError> {
    if pool.get().is_none() {
        let upstream = config::Upstream {
            addresses: vec![address.server.clone()],
            http: UpstreamHttp::Http1,
            host: None,
            connect_timeout: address.timeout,
            answer_timeout: address.timeout,
            idle_timeout: Duration::ZERO,
        };
        let _ = pool.set(Pool::new(&upstream).map_err(FetchError::Authorities)?);
    }
    // Of this thread's own: connections end with the runtime that they were made in.
    let pool = pool.get().expect("it was set just now").sibling();
    let request = http::Request::get(&*address.target)
        .header(HOST, &*address.host)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(ACCEPT_ENCODING, "identity")
        .body(Body::empty())
        .map_err(FetchError::Address)?;
    let (head, body) = pool.ask(request.into()).await.map_err(FetchError::Server)?.into_parts();
    if head.status != StatusCode::OK {
        return Err(FetchError::Status(head.status));
    }
    Ok(Limited::new(body, LONGEST).collect().await.map_err(FetchError::Body)?.to_bytes())
}

/// Takes a fetch off the list when its task ends, however it ends.
struct End {
    fetched: Arc<Fetched>,
    _over: watch::Sender<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.fetched.fetching().under_way = None;
    }
}

#[cfg(test)]
mod tests;
