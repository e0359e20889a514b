//! A world to tell a story in: a dashboard, the gateway in front of it, and people who come by.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use vestibule::gateway::Gateway;
use vestibule::listener::Address;
use vestibule::reload::Running;
use vestibule::{config, start};

use super::dashboard::Dashboard;
use super::outer_server::OuterServer;
use super::time::Time;
use super::visitor::Visitor;
use crate::OUTER_SERVER;

/// A configuration that a story starts from, as an operator would write it.
#[derive(Clone)]
pub(crate) struct Configuration(String);

/// Each user decides.
pub(crate) fn optional() -> Configuration {
    Configuration(CONFIGURATION.to_owned())
}

/// Everybody needs a second factor.
pub(crate) fn required() -> Configuration {
    optional().with(r#"requirement = "optional""#, r#"requirement = "required""#)
}

const CONFIGURATION: &str = r#"
[server]
listen = ["127.0.0.1:0"]
workers = 1

[operations]
listen = "127.0.0.1:0"

[store]
url = "sqlite:vestibule.db"
key_file = "vestibule.key"

[session]
idle = "1h"
lifetime = "12h"

[totp]
issuer = "Acme Insights"

[[site]]
name = "insights"
hosts = ["127.0.0.1", "insights.example"]
upstream = "http://DASHBOARD"
public = ["/login", "/static/*"]
login = "/login?next={next}"
logout = ["/logout"]
bind = "cookie:sid"

[site.identity]
source = "probe"
url = "/api/me"
user = "/id"
email = "/email"
name = "/name"
organization = "/company/slug"
admin = { pointer = "/role", any = ["admin"] }
cache = "5s"
timeout = "2s"

[site.organization]
requirement = "optional"
"#;

impl Configuration {
    /// With another text in place of one that is there.
    pub(crate) fn with(self, old: &str, new: &str) -> Self {
        assert_eq!(self.0.matches(old).count(), 1, "{old:?} is there once");
        Self(self.0.replacen(old, new, 1))
    }

    /// With somebody else's word on who has logged in than the dashboard's.
    pub(crate) fn with_identity(self, lines: &str) -> Self {
        let (before, rest) = self.0.split_once("[site.identity]\n").expect("there is one site");
        let (_, after) = rest.split_once("[site.organization]").expect("it has an organization");
        Self(format!("{before}[site.identity]\n{lines}\n[site.organization]{after}"))
    }

    /// With more at its end.
    pub(crate) fn and(self, more: &str) -> Self {
        Self(self.0 + more)
    }

    /// Where the first authenticator takes a ticket.
    pub(crate) fn guarded(self) -> Self {
        self.and("\n[site.enrollment]\nguard = \"ticket\"\n")
    }

    /// The text for a dashboard at that address.
    pub(crate) fn before(&self, dashboard: SocketAddr) -> String {
        let text = self.0.replace("DASHBOARD", &dashboard.to_string());
        let Some(manner) = OUTER_SERVER else { return text };
        let trusted = if text.contains("trusted_proxies") { "" } else { "trusted_proxies = [\"127.0.0.1\"]\n" };
        text.replacen("[server]\n", &format!("[server]\n{trusted}forward_auth = [{:?}]\n", manner.name()), 1)
    }
}

/// What visitors need to know of the world.
#[derive(Clone)]
pub(crate) struct Place {
    /// Where they come in.
    pub(crate) gateway: SocketAddr,
    pub(crate) dashboard: Dashboard,
    pub(crate) time: Time,
}

/// The dashboard, the gateway and the time. Everything ends when it is dropped.
pub(crate) struct World {
    place: Place,
    gateway: Arc<Gateway>,
    running: Arc<Running>,
    folder: Arc<TempDir>,
    _shutdown: DropGuard,
}

impl World {
    /// Opens a gateway with that configuration.
    pub(crate) async fn open(configuration: Configuration) -> Self {
        let dashboard = Dashboard::open().await;
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let time = Time::still();
        Self::start(&configuration, dashboard, time, folder).await
    }

    /// Opens one with these files beside its configuration, for nobody else to read.
    pub(crate) async fn open_with(files: &[(&str, &str)], configuration: Configuration) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("a file");
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode");
        }
        Self::start(&configuration, Dashboard::open().await, Time::still(), folder).await
    }

    /// Opens another gateway on the same store, in front of the same dashboard.
    pub(crate) async fn open_beside(&self, configuration: Configuration) -> Self {
        let Place { dashboard, time, .. } = self.place.clone();
        Self::start(&configuration, dashboard, time, Arc::clone(&self.folder)).await
    }

    async fn start(configuration: &Configuration, dashboard: Dashboard, time: Time, folder: Arc<TempDir>) -> Self {
        let text = configuration.before(dashboard.address());
        let path = folder.path().join("vestibule.toml");
        let config = config::parse(&text, &path).unwrap_or_else(|problems| panic!("{problems}"));
        let prepared = start::prepare(config, time.clock()).await.unwrap_or_else(|error| panic!("{error:?}"));
        let [Address::Tcp(gateway)] = *prepared.addresses() else { panic!("one address") };
        let running = Arc::clone(prepared.running());
        let inside = running.gateway();
        let shutdown = CancellationToken::new();
        tokio::spawn(prepared.run(shutdown.clone()));
        let gateway = match OUTER_SERVER {
            None => gateway,
            Some(manner) => {
                let prefix = inside.config.sites[0].prefix.clone();
                OuterServer { manner, gateway, dashboard: dashboard.address(), prefix }.open().await
            }
        };
        let place = Place { gateway, dashboard, time };
        Self { place, gateway: inside, running, folder, _shutdown: shutdown.drop_guard() }
    }

    /// Has the gateway go over to another configuration, with the same listeners and store.
    pub(crate) fn reloads(&self, configuration: &Configuration) {
        let text = configuration.before(self.dashboard().address());
        let config = config::parse(&text, &self.file("vestibule.toml")).unwrap_or_else(|problems| panic!("{problems}"));
        self.running.take_in(config).expect("it can be taken in");
    }

    /// Somebody with a browser that nobody used before.
    pub(crate) fn visitor(&self, login: &str) -> Visitor {
        Visitor::new(login, self.place.clone())
    }

    /// Somebody who has logged in at the dashboard.
    pub(crate) async fn logged_in(&self, login: &str) -> Visitor {
        let mut visitor = self.visitor(login);
        visitor.logs_in().await;
        visitor
    }

    /// Somebody who has logged in at the dashboard and set up an authenticator just now.
    pub(crate) async fn enrolled(&self, login: &str) -> Visitor {
        let mut visitor = self.logged_in(login).await;
        visitor.enrolls().await;
        visitor
    }

    pub(crate) const fn dashboard(&self) -> &Dashboard {
        &self.place.dashboard
    }

    pub(crate) const fn gateway(&self) -> SocketAddr {
        self.place.gateway
    }

    /// Moves the time forward.
    pub(crate) fn passes(&self, span: Duration) {
        self.place.time.passes(span);
    }

    /// Moves the time forward until no answer of the dashboard is remembered any more.
    pub(crate) fn a_moment_passes(&self) {
        self.passes(Duration::from_secs(6));
    }

    pub(crate) const fn time(&self) -> &Time {
        &self.place.time
    }

    /// The same as a configuration file of that name would be next to the store.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The number that the store gave to somebody's account.
    pub(crate) fn account(&self, user: &str) -> String {
        let connection = rusqlite::Connection::open(self.file("vestibule.db")).expect("the store is there");
        let query = "SELECT id FROM accounts WHERE user_id = ?1";
        let number: i64 = connection.query_row(query, [user], |row| row.get(0)).expect("the account was seen");
        number.to_string()
    }

    /// Has the gateway tell the store which sessions were used, as it does by itself every ten seconds.
    pub(crate) async fn tells_the_store(&self) {
        self.gateway.standings.write_seen().await.expect("the store is there");
    }

    /// Has the gateway read what changed, as it does by itself several times a second.
    pub(crate) async fn hears(&self) {
        self.gateway.standings.catch_up().await.expect("the store is there");
    }

    /// Takes tables out of the store while the gateway runs, as a disk that fails does. Dropped, it puts them back.
    pub(crate) fn store_loses(&self, tables: &[&str]) -> Loss {
        Loss::of(self.file("vestibule.db"), tables)
    }

    /// Takes everything out of it.
    pub(crate) fn store_loses_everything(&self) -> Loss {
        let names = Loss::tables(&self.file("vestibule.db"));
        self.store_loses(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Tables that are missing in the store.
pub(crate) struct Loss {
    path: PathBuf,
    tables: Vec<String>,
}

impl Loss {
    fn of(path: PathBuf, tables: &[&str]) -> Self {
        let tables: Vec<_> = tables.iter().map(|&table| table.to_owned()).collect();
        let loss = Self { path, tables };
        loss.rename(|table| (table.to_owned(), lost(table)));
        loss
    }

    fn tables(path: &PathBuf) -> Vec<String> {
        let connection = rusqlite::Connection::open(path).expect("the store is there");
        let query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                     AND name NOT LIKE 'accounts_search%'";
        let mut statement = connection.prepare(query).expect("SQLite has a schema");
        let names = statement.query_map([], |row| row.get(0)).expect("it can be read");
        names.collect::<Result<_, _>>().expect("names are text")
    }

    fn rename(&self, names: impl Fn(&str) -> (String, String)) {
        let connection = rusqlite::Connection::open(&self.path).expect("the store is there");
        connection.busy_timeout(Duration::from_secs(10)).expect("a timeout is set");
        for table in &self.tables {
            let (from, to) = names(table);
            connection.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}")).expect("the table is there");
        }
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        self.rename(|table| (lost(table), table.to_owned()));
    }
}

fn lost(table: &str) -> String {
    format!("lost_{table}")
}
