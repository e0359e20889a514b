//! The connections: as many as are needed up to a limit, opened again with patience when the server was away.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_postgres::NoTls;
use tokio_postgres::config::TargetSessionAttrs;

use super::connection::Connection;
use super::failure::{Failure, Outcome};
use super::settings::{Database, Host};
use super::tls::Tls;
use crate::entropy;

/// How long opening one connection may take, the handshake included, at each server.
const CONNECT: Duration = Duration::from_secs(5);

/// How long somebody waits for a connection, while others have them all or the server is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection on which nothing comes back is given up after this long.
const SILENCE: Duration = Duration::from_secs(10);

/// How long to wait before the server is tried again, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What every connection begins with. What was answered as done is on disk, also where the server's own setting would
/// not wait for it; what hangs does not keep others waiting for long.
const BEGINNING: &str = "
    SELECT set_config('synchronous_commit', 'on', FALSE) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = '5s';
    SET idle_in_transaction_session_timeout = '5s';
";

/// The connections.
pub(super) struct Pool {
    config: tokio_postgres::Config,
    tls: Option<Tls>,
    permits: Semaphore,
    idle: RefCell<Vec<Connection>>,
    trouble: Cell<Option<Trouble>>,
}

/// The server could not be reached, so many times on end; not to be tried again before then.
#[derive(Clone, Copy)]
struct Trouble {
    failures: u32,
    until: Instant,
}

impl Pool {
    pub(super) fn new(database: &Database, tls: Option<Tls>) -> Self {
        Self {
            config: config(database, tls.is_some()),
            tls,
            permits: Semaphore::new(database.connections),
            idle: RefCell::default(),
            trouble: Cell::default(),
        }
    }

    /// A connection that works as far as can be known, for as long as it is not dropped.
    pub(super) async fn take(&self) -> Outcome<Lent<'_>> {
        let deadline = Instant::now() + PATIENCE;
        let busy = |_| Failure::from("every connection is in use");
        let permit = timeout_at(deadline, self.permits.acquire()).await.map_err(busy)??;
        loop {
            if let Some(connection) = self.idle() {
                return Ok(Lent { connection, pool: self, _permit: permit });
            }
            if let Some(trouble) = self.trouble.get() {
                sleep_until(trouble.until.min(deadline)).await;
            }
            match self.open().await {
                Ok(connection) => return Ok(Lent { connection, pool: self, _permit: permit }),
                Err(failure) if Instant::now() >= deadline => return Err(failure),
                Err(_) => {}
            }
        }
    }

    /// Keeps a connection for whoever comes next.
    pub(super) fn keep(&self, connection: Connection) {
        self.idle.borrow_mut().push(connection);
    }

    /// One that was used before, the last first, so that those not needed any more stay at rest.
    fn idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    /// A new connection, or why there is none; whoever comes next waits the longer, the more often that happened.
    pub(super) async fn open(&self) -> Outcome<Connection> {
        let late = |_| Failure::from("the server did not answer in time");
        let opened = match timeout(CONNECT, self.connect()).await {
            Ok(opened) => opened,
            Err(elapsed) => Err(late(elapsed)),
        };
        self.trouble.set(match (&opened, self.trouble.get()) {
            (Ok(_), _) => None,
            (Err(_), before) => {
                let failures = before.map_or(0, |trouble| trouble.failures) + 1;
                let (first, longest) = BACK_OFF;
                let pause = longest.min(first * 2_u32.saturating_pow(failures.min(8)));
                Some(Trouble { failures, until: Instant::now() + jittered(pause) })
            }
        });
        opened
    }

    async fn connect(&self) -> Outcome<Connection> {
        let client = if let Some(tls) = &self.tls {
            let (client, driver) = self.config.connect(tls.clone()).await?;
            tokio::task::spawn_local(driver);
            client
        } else {
            let (client, driver) = self.config.connect(NoTls).await?;
            tokio::task::spawn_local(driver);
            client
        };
        let connection = Connection::new(client);
        connection.batch(BEGINNING).await?;
        Ok(connection)
    }
}

fn config(database: &Database, encrypted: bool) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    for server in &database.servers {
        match &server.host {
            Host::Tcp(host) => config.host(host),
            Host::Unix(folder) => config.host_path(folder),
        };
        config.port(server.port);
    }
    config.user(&database.user).dbname(&database.name).application_name("vestibule");
    if let Some(password) = &database.password {
        config.password(password.reveal());
    }
    config.ssl_mode(if encrypted {
        tokio_postgres::config::SslMode::Require
    } else {
        tokio_postgres::config::SslMode::Disable
    });
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.connect_timeout(CONNECT).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
    config
}

/// Half of it to all of it: those who were turned away together do not come back together.
pub(super) fn jittered(pause: Duration) -> Duration {
    let [dice] = entropy::random::<1>();
    pause / 2 + pause / 2 * u32::from(dice) / 255
}

/// A connection in use. Whoever is done with it gives it back; one that is dropped, in the middle of who knows what, is
/// closed.
pub(super) struct Lent<'p> {
    connection: Connection,
    pool: &'p Pool,
    _permit: SemaphorePermit<'p>,
}

impl Lent<'_> {
    pub(super) fn give_back(self) {
        self.pool.keep(self.connection);
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}
