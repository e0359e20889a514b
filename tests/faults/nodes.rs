//! Two gateways in processes of their own on one PostgreSQL database, each by a link of its own; or on one SQLite file.

use crate::cluster::Cluster;
use crate::installation::{Installation, Running};
use crate::link::Link;
use crate::support::Sight;
use crate::support::http::Live;
use crate::support::visitor::Visitor;
use crate::support::world::Configuration;

/// The gateways, the links and what they share. Commands reach the database directly.
pub(crate) struct Nodes {
    pub(crate) installation: Installation,
    pub(crate) first: Running,
    pub(crate) second: Running,
    /// One for each on PostgreSQL, none on a file.
    pub(crate) links: Vec<Link>,
    /// The name of the database; empty on a file.
    pub(crate) database: String,
}

impl Nodes {
    pub(crate) async fn on(cluster: &Cluster, configuration: Configuration) -> Self {
        let database = cluster.store().await.name;
        let (folder, port) = cluster.socket();
        let direct = format!("postgres://vestibule@:{port}/{database}?host={}", folder.display());
        let installation = Installation::new(&configuration.with("sqlite:vestibule.db", &direct)).await;
        let text = std::fs::read_to_string(installation.file("vestibule.toml")).expect("it was written");
        let links = vec![Link::to(cluster).await, Link::to(cluster).await];
        for (name, link) in ["first.toml", "second.toml"].iter().zip(&links) {
            let text = text.replacen(&direct, &link.url(&database), 1);
            std::fs::write(installation.file(name), text).expect("the folder is ours");
        }
        let first = Self::start(&installation, "first.toml").await;
        let second = Self::start(&installation, "second.toml").await;
        Self { installation, first, second, links, database }
    }

    /// Both on one SQLite file.
    pub(crate) async fn on_a_file(configuration: Configuration) -> Self {
        let installation = Installation::new(&configuration).await;
        for name in ["first.toml", "second.toml"] {
            std::fs::copy(installation.file("vestibule.toml"), installation.file(name)).expect("the folder is ours");
        }
        let first = Self::start(&installation, "first.toml").await;
        let second = Self::start(&installation, "second.toml").await;
        Self { installation, first, second, links: Vec::new(), database: String::new() }
    }

    /// Starts a gateway by the file of that name.
    pub(crate) async fn start(installation: &Installation, file: &str) -> Running {
        installation.started(&mut installation.command(&["serve", "--config", file])).await
    }

    /// Kills the first gateway, as `kill -9` does.
    pub(crate) fn kill_first(&mut self) {
        self.first.is_killed();
    }

    /// Starts another in its place.
    pub(crate) async fn start_first(&mut self) {
        self.first = Self::start(&self.installation, "first.toml").await;
    }

    /// Somebody who has set up an authenticator at the first gateway.
    pub(crate) async fn enrolled(&self, login: &str) -> Visitor {
        let mut visitor = self.logged_in(login).await;
        visitor.enrolls().await;
        visitor.opens("/reports").await.shows(Sight::Dashboard);
        visitor
    }

    /// Somebody who has logged in at the dashboard, by the first gateway.
    pub(crate) async fn logged_in(&self, login: &str) -> Visitor {
        let mut visitor = self.installation.visitor(&self.first, login);
        visitor.logs_in().await;
        visitor
    }

    /// The same browser at the second gateway.
    pub(crate) fn at_second(&self, visitor: &Visitor) -> Visitor {
        visitor.in_front_of(self.second.gateway())
    }

    /// What it has of the dashboard's, from now on.
    pub(crate) fn news(&self) -> Vec<String> {
        self.installation.dashboard.news()
    }
}

/// A WebSocket and an event stream of somebody.
pub(crate) async fn live(visitor: &Visitor) -> [Live; 2] {
    let mut stream = visitor.listens_to("/events").await;
    stream.hears(b"data: hello").await;
    let mut socket = visitor.talks_to("/ws").await;
    socket.says(b"\x81\x85\0\0\0\0hello").await;
    socket.hears(b"hello").await;
    [stream, socket]
}

/// Waits until both have ended.
pub(crate) async fn end(live: [Live; 2]) {
    for connection in live {
        connection.ends().await;
    }
}
