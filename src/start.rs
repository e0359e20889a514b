//! From a configuration to a running gateway, and from there to an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::audit_chain;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::Site;
use crate::gateway::{Gateway, Worker};
use crate::key_file::{KeyError, Keys};
use crate::listener::tls::{Certificates, Tls, TlsError};
use crate::listener::{self, Address, BindError, Given, Sockets};
use crate::opening::{OpenError, open_store};
use crate::operations;
use crate::proxy::tunnels::Holder;
use crate::reload::Running;
use crate::second_factor::event::Occasion;
use crate::second_factor::guessing::Alarm;
use crate::store::{Expired, StoreError};
use crate::telemetry::causes;
use crate::upstream::Pool;

/// How often the change feed is read.
const LISTEN_EVERY: Duration = Duration::from_millis(250);
/// How often is looked whether live tunnels still stand.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long a tunnel stays when nobody can say whether it may.
const UNVOUCHED: Duration = Duration::from_secs(10);
/// How often new entries of the audit log are linked to those before.
const LINK_EVERY: Duration = Duration::from_secs(1);
/// How often the store hears which sessions were used, and what has expired goes.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// How often is looked whether codes are being guessed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How many expired rows of each kind go at a time.
const PRUNED_AT_ONCE: u64 = 500;
/// How many old entries of the audit log go at a time.
const FORGOTTEN_AT_ONCE: u16 = 500;
/// How often in a row they do: each sign-in leaves one.
const FORGOTTEN_IN_A_ROW: u32 = 20;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys can't be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// An address can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The address of the operations listener can't be listened on.
    #[error("can't listen on {address} for operations")]
    Operations {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The way to a dashboard can't be set up: the authorities that vouch for it can't be read.
    #[error("the upstream of site {site} can't be set up")]
    Upstream {
        /// Which site.
        site: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A gateway that holds its store, its keys and its sockets, and answers nobody yet.
pub struct Prepared {
    running: Arc<Running>,
    sockets: Sockets,
    operations: tokio::net::TcpListener,
}

/// Opens and reads everything the gateway needs, so that what is wrong is told before anybody is let in.
pub async fn prepare(config: Config, clock: Clock) -> Result<Prepared, StartError> {
    prepare_on(Given::default(), config, clock).await
}

/// The same on sockets that somebody else has bound, as far as they are given.
pub async fn prepare_on(given: Given, config: Config, clock: Clock) -> Result<Prepared, StartError> {
    let tls = certificates(&config, &clock)?.map(Tls::new).transpose()?;
    let sockets = given.or_bind(&config.server)?;
    let address = config.operations.listen;
    let operations =
        tokio::net::TcpListener::bind(address).await.map_err(|source| StartError::Operations { address, source })?;
    let store = open_store(&config, &Occasion::of_the_gateway(clock.now())).await?;
    let keys = Keys::open(&config.store.key_file, Arc::clone(&store)).await?;
    let workers = config.server.workers.get();
    let gateway = Arc::new(Gateway::new(config, clock, store, keys));
    gateway.standings.catch_up().await?;
    let pools = gateway.dashboards.iter().map(|d| pool(&d.site)).collect::<Result<Vec<_>, _>>()?;
    let workers = (0..workers).map(|_| Worker::new(Arc::clone(&gateway), &pools));
    Ok(Prepared { running: Arc::new(Running::new(workers, tls)), sockets, operations })
}

/// The certificates of a configuration. One that nobody will believe anymore is no reason not to start, but is told.
pub(crate) fn certificates(config: &Config, clock: &Clock) -> Result<Option<Certificates>, TlsError> {
    let certificates = config.server.tls.as_ref().map(Certificates::read).transpose()?;
    for expired in certificates.iter().flat_map(|certificates| certificates.expired(clock.now())) {
        tracing::warn!("{expired}");
    }
    Ok(certificates)
}

/// The way to a site's dashboard.
pub(crate) fn pool(site: &Site) -> Result<Pool, StartError> {
    Pool::new(&site.upstream).map_err(|source| StartError::Upstream { site: site.name.clone(), source })
}

impl Prepared {
    /// The addresses that visitors come in at, with the ports that the system chose.
    pub fn addresses(&self) -> &[Address] {
        self.sockets.addresses()
    }

    /// How many connections of visitors may be open at once.
    pub const fn connections(&self) -> usize {
        self.sockets.connections()
    }

    /// The address of the operations listener.
    pub fn operations_address(&self) -> std::io::Result<SocketAddr> {
        self.operations.local_addr()
    }

    /// What will run, and can then take in another configuration.
    pub fn running(&self) -> &Arc<Running> {
        &self.running
    }

    /// Answers until `shutdown` is cancelled; then finishes what is in flight, and returns.
    pub async fn run(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let over = CancellationToken::new();
        // What these need is the same whatever the configuration.
        let gateway = self.running.gateway();
        let operations = tokio::spawn(operations::serve(self.operations, Arc::clone(&gateway), over.clone()));
        let farewell = tokio::spawn(end_tunnels(Arc::clone(&gateway), shutdown.clone()));
        let upkeep = tokio::spawn(upkeep(Arc::clone(&self.running), over.clone()));
        let running = Arc::clone(&self.running);
        let door = move |index: usize| running.post(index);
        let served = listener::serve(self.sockets, self.running.tls().cloned(), door, shutdown).await;
        over.cancel();
        farewell.abort();
        let _ = tokio::join!(upkeep, operations);
        if let Err(error) = gateway.standings.write_seen().await {
            tracing::warn!(error = causes(&error), "the last uses of sessions were not written down");
        }
        served
    }
}

/// What would never end by itself must not keep the gateway from stopping.
async fn end_tunnels(gateway: Arc<Gateway>, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    gateway.tunnels.end_all();
}

/// What has to be done time and again while the gateway runs. One does not wait for the other: while the store does not
/// answer, there are tunnels to be ended.
async fn upkeep(running: Arc<Running>, over: CancellationToken) {
    let listen = every(LISTEN_EVERY, "read what changed", || {
        let gateway = running.gateway();
        async move { gateway.standings.catch_up().await }
    });
    let keep = every(KEEP_EVERY, "write down what was used and drop what expired", || {
        let gateway = running.gateway();
        async move { keep_store(&gateway).await }
    });
    let link = every(LINK_EVERY, "link the audit log", || {
        let gateway = running.gateway();
        async move { link_audit_log(&gateway).await }
    });
    let forget = every(KEEP_EVERY, "delete old entries of the audit log", || {
        let gateway = running.gateway();
        async move { forget_old_entries(&gateway).await }
    });
    let look = every(LOOK_EVERY, "look for guessing", || {
        let gateway = running.gateway();
        async move { raise_alarms(&gateway).await }
    });
    tokio::select! {
        () = over.cancelled() => {}
        _ = async { tokio::join!(listen, keep, link, forget, look, watch(&running)) } => {}
    }
}

/// Does something so often, for good. What can't be done now is told, and tried the next time.
async fn every<F>(period: Duration, what: &str, work: impl Fn() -> F)
where
    F: Future<Output = Result<(), StoreError>>,
{
    let mut beat = beat(period);
    loop {
        beat.tick().await;
        if let Err(error) = work().await {
            tracing::error!(error = causes(&error), "can't {what}");
        }
    }
}

/// After something took longer than it should, what was left out is not made up for.
fn beat(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn keep_store(gateway: &Gateway) -> Result<(), StoreError> {
    gateway.standings.write_seen().await?;
    let now = gateway.clock.now();
    let limits = gateway.config.session;
    let expired = Expired { now, idle_since: now.minus(limits.idle), verified_before: now.minus(limits.lifetime) };
    gateway.store.prune(expired, PRUNED_AT_ONCE).await.map(drop)
}

async fn link_audit_log(gateway: &Gateway) -> Result<(), StoreError> {
    audit_chain::grow(gateway.store.as_ref(), gateway.keys.digests()).await
}

async fn forget_old_entries(gateway: &Gateway) -> Result<(), StoreError> {
    let Some(retention) = gateway.config.store.audit_retention else { return Ok(()) };
    let (store, keys, before) = (gateway.store.as_ref(), gateway.keys.digests(), gateway.clock.now().minus(retention));
    for _ in 0..FORGOTTEN_IN_A_ROW {
        if audit_chain::forget(store, keys, before, FORGOTTEN_AT_ONCE.into()).await? < FORGOTTEN_AT_ONCE.into() {
            break;
        }
    }
    Ok(())
}

/// Tells the log of guessing, each time it is noticed.
async fn raise_alarms(gateway: &Gateway) -> Result<(), StoreError> {
    for alarm in gateway.store.raise_alarms(Occasion::of_the_gateway(gateway.clock.now())).await? {
        gateway.metrics.count_alarm(&alarm);
        let event = alarm.kind().as_str();
        match alarm {
            Alarm::AtAccount { account, organization, failures } => {
                tracing::warn!(event, account = account.0, ?organization, failures, "somebody may be guessing codes");
            }
            Alarm::AtOrganization { organization, accounts } => {
                tracing::warn!(event, ?organization, accounts, "somebody may be guessing codes at many accounts");
            }
        }
    }
    Ok(())
}

/// Looks after live tunnels, for good.
async fn watch(running: &Running) {
    let mut beat = beat(WATCH_EVERY);
    let mut vouched = Instant::now();
    loop {
        beat.tick().await;
        match watch_tunnels(&running.gateway(), vouched + UNVOUCHED).await {
            Ok(()) => vouched = Instant::now(),
            Err(error) => tracing::error!(error = causes(&error), "can't look after live connections"),
        }
    }
}

/// Ends the tunnels of those who would not get through any more; and of those of whom nobody can say so, if that is not
/// known by `until`.
async fn watch_tunnels(gateway: &Gateway, until: Instant) -> Result<(), StoreError> {
    let mut unvouched = 0_u32;
    for holder in gateway.tunnels.holders() {
        match timeout_at(until, gateway.still_stands(&holder)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => gateway.tunnels.end(&holder),
            Ok(Err(error)) if Instant::now() < until => return Err(error),
            Ok(Err(_)) | Err(_) => {
                gateway.tunnels.end(&holder);
                unvouched += 1;
            }
        }
    }
    if unvouched > 0 {
        tracing::warn!(sessions = unvouched, "closed live connections: the store does not say whether they may stay");
    }
    Ok(())
}

impl Gateway {
    /// Whether somebody who passed some time ago still would, at the same site: there may be no such site anymore, and it
    /// may ask for more, or have other users.
    async fn still_stands(&self, Holder { traveler, site }: &Holder) -> Result<bool, StoreError> {
        let Some(dashboard) = self.dashboards.iter().find(|d| d.site.name == *site) else { return Ok(false) };
        self.standings.still_passes(traveler, &dashboard.site, self.config.session).await
    }
}
