//! From a configuration to a running gateway, and from there to an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::Site;
use crate::gateway::{Gateway, Worker};
use crate::key_file::{KeyError, Keys};
use crate::listener::tls::{Certificates, Tls, TlsError};
use crate::listener::{self, Address, BindError, Given, Sockets};
use crate::opening::{OpenError, open_store};
use crate::operations;
use crate::reload::Running;
use crate::second_factor::event::Occasion;
use crate::store::StoreError;
use crate::telemetry::causes;
use crate::upkeep::upkeep;
use crate::upstream::Pool;

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
pub async fn prepare_on(mut given: Given, config: Config, clock: Clock) -> Result<Prepared, StartError> {
    let tls = certificates(&config, &clock)?.map(Tls::new).transpose()?;
    let address = config.operations.listen;
    let operations = given.for_operations(address);
    let sockets = given.or_bind(&config.server)?;
    let operations = match operations {
        Some(given) => given.and_then(tokio::net::TcpListener::from_std),
        None => tokio::net::TcpListener::bind(address).await,
    };
    let operations = operations.map_err(|source| StartError::Operations { address, source })?;
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
