//! Taking in another configuration while the gateway runs: all of it for the next request, or nothing.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::body::Body;
use crate::config::problem::Problems;
use crate::config::{self, Config, Site, UpstreamAddress};
use crate::gateway::{Connections, Gateway, Worker};
use crate::identity::client::{Arrival, Peer};
use crate::listener::tls::Tls;
use crate::listener::{Door, Incoming, Opening, Share};
use crate::memory::Memory;
use crate::message::{Request, Response};
use crate::start::{StartError, certificates, pool};
use crate::telemetry::{causes, log_at};

/// A gateway that answers, and may come to do so by another configuration.
pub struct Running {
    posts: Vec<Arc<Post>>,
    tls: Option<Tls>,
    /// Held for as long as a configuration is taken in: one after the other.
    reloading: Mutex<()>,
}

/// Why a configuration is not taken in. Everything stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file has problems.
    #[error("the configuration has problems")]
    Problems(Box<Problems>),
    /// These keys say something new, and are only looked at when the gateway starts.
    #[error("{} can't change while the gateway runs: restart it, or take back what was changed", .0.join(", "))]
    Fixed(Vec<&'static str>),
    /// A certificate, or the way to a dashboard, can't be used.
    #[error(transparent)]
    Unusable(#[from] StartError),
}

impl Running {
    /// What these workers answer; there is at least one.
    pub fn new(workers: impl Iterator<Item = Worker>, tls: Option<Tls>) -> Self {
        let posts = workers.map(|worker| Arc::new(Post(Mutex::new(Arc::new(worker))))).collect();
        Self { posts, tls, reloading: Mutex::new(()) }
    }

    /// The gateway as it is now.
    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(self.posts[0].worker().gateway())
    }

    /// TLS for visitors.
    pub const fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Where the worker of that number answers.
    pub fn post(&self, number: usize) -> Arc<Post> {
        Arc::clone(&self.posts[number])
    }

    /// Takes in what the file at `path` says by now, and tells the log what became of that.
    ///
    /// Blocks while it reads files. Requests go on: those that have begun by what was known when they came, every later
    /// one by the new configuration. Sessions, accounts and counters are the same before and after; open tunnels
    /// stay, unless their site is gone or asks for more by now.
    pub fn reload(&self, path: &Path) {
        match self.reload_from(path) {
            Ok(()) => tracing::info!(file = %path.display(), "reloaded the configuration"),
            Err(error) => {
                if let ReloadError::Problems(problems) = &error {
                    for problem in problems.iter() {
                        let (line, column, key) = (problem.line, problem.column, problem.key.as_str());
                        tracing::error!(line, column, key, help = problem.help, "{}", problem.message);
                    }
                }
                let file = path.display();
                tracing::error!(%file, error = causes(&error), "not reloaded: the configuration from before stays");
            }
        }
    }

    fn reload_from(&self, path: &Path) -> Result<(), ReloadError> {
        let config = config::load(path).map_err(|problems| ReloadError::Problems(Box::new(problems)))?;
        self.take_in(config)
    }

    /// Goes over to another configuration. If it can't be, nothing has changed.
    pub fn take_in(&self, config: Config) -> Result<(), ReloadError> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.gateway();
        let fixed = fixed(&before.config, &config);
        if !fixed.is_empty() {
            return Err(ReloadError::Fixed(fixed));
        }
        let certificates = certificates(&config, &before.clock).map_err(StartError::from)?;
        let connections = config.sites.iter().map(|site| connections(&before, site)).collect::<Result<Vec<_>, _>>()?;
        // From here on nothing fails.
        log_at(config.log.level);
        if let (Some(tls), Some(certificates)) = (&self.tls, certificates) {
            tls.show(certificates);
        }
        before.standings.limit(config.session);
        let gateway = Arc::new(before.by(config));
        for post in &self.posts {
            let worker = post.worker().by(Arc::clone(&gateway), &connections);
            post.relieve(worker);
        }
        Ok(())
    }
}

/// The keys of which the new configuration says something else, and that are only looked at when the gateway starts.
fn fixed(before: &Config, now: &Config) -> Vec<&'static str> {
    let same = [
        ("server.listen", before.server.listen == now.server.listen),
        // Whom a connection is from is settled when it begins, and who named nobody then may be trusted to by now.
        ("server.proxy_protocol", before.server.proxy_protocol == now.server.proxy_protocol),
        ("server.h2c", before.server.h2c == now.server.h2c),
        ("server.connections", before.server.connections == now.server.connections),
        ("server.workers", before.server.workers == now.server.workers),
        ("server.tls", before.server.tls.is_some() == now.server.tls.is_some()),
        ("operations.listen", before.operations.listen == now.operations.listen),
        ("store.url", before.store.url == now.store.url),
        ("store.key_file", before.store.key_file == now.store.key_file),
        ("log.format", before.log.format == now.log.format),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// The connections to a site's dashboard: those from before, if they lead to the same one.
fn connections(before: &Gateway, site: &Site) -> Result<Connections, StartError> {
    let same = |old: &Site| old.name == site.name && old.upstream == site.upstream && !reads_a_file(site);
    match before.dashboards.iter().position(|dashboard| same(&dashboard.site)) {
        Some(index) => Ok(Connections::Kept(index)),
        None => pool(site).map(Connections::New),
    }
}

/// Whether the way to the dashboard depends on a file, in which there may be something else by now.
fn reads_a_file(site: &Site) -> bool {
    site.upstream.addresses.iter().any(|address| matches!(address, UpstreamAddress::Https { authorities: Some(_), .. }))
}

/// Where a worker answers, until another relieves it. Each is asked on its own thread only, so that nobody waits there
/// but for that.
pub struct Post(Mutex<Arc<Worker>>);

impl Post {
    fn worker(&self) -> Arc<Worker> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn relieve(&self, next: Worker) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Arc::new(next));
        // Not with the lock held: it may be the last to know of the connections, and close them.
        drop(before);
    }
}

impl Door for Post {
    fn opening(&self, peer: Peer) -> Opening {
        self.worker().opening(peer)
    }

    fn share(&self, peer: Peer) -> Share {
        self.worker().share(peer)
    }

    fn is_one_client(&self, peer: Peer) -> bool {
        self.worker().is_one_client(peer)
    }

    fn turned_away(&self) {
        self.worker().turned_away();
    }

    fn pass(&self) {
        self.worker().pass();
    }

    type Memory = Memory;

    async fn answer(&self, request: Box<Request<Incoming>>, arrival: Arrival, memory: &Memory) -> Response<Body> {
        self.worker().answer(request, arrival, memory).await
    }
}
