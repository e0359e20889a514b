//! A standby takes over from the server that crashed: what it had confirmed is kept; what it had not heard of is undone.

use std::process::Command;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::cluster::{Cluster, connect};
use crate::figures::{counted, soon};
use crate::installation::{Installation, Running};
use crate::kills::{Answers, enrolls_and_verifies, holds};
use crate::link::Link;
use crate::nodes::Nodes;
use crate::server::shuts_the_door;
use crate::support::visitor::Visitor;
use crate::support::{Sight, required, until};

/// How soon all is well after a standby was told to take over.
const TAKEN_OVER: Duration = Duration::from_secs(5);

/// A server and its standby, and two gateways that know of both.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    database: String,
    installation: Installation,
    gateways: [Running; 2],
    _links: [Link; 2],
}

impl Pair {
    async fn start() -> Self {
        let (primary, standby) = servers();
        let database = primary.store().await.name;
        let (first, second) = (Link::to(&primary).await, Link::to(&standby).await);
        let url = first.url_or(&second, &database);
        let installation = Installation::new(&required().with("sqlite:vestibule.db", &url)).await;
        let gateways = [installation.serve().await, installation.serve().await];
        Self { primary, standby, database, installation, gateways, _links: [first, second] }
    }

    /// Somebody who has set up an authenticator at the first gateway.
    async fn enrolled(&self, login: &str) -> Visitor {
        let mut visitor = self.installation.visitor(&self.gateways[0], login);
        visitor.logs_in().await;
        visitor.enrolls().await;
        visitor.opens("/reports").await.shows(Sight::Dashboard);
        visitor
    }

    /// The first server is gone, and the standby takes its place.
    async fn fails_over(&self, what: &str) {
        self.primary.crash();
        self.standby.is_promoted();
        for gateway in &self.gateways {
            soon(TAKEN_OVER, what, async || gateway.asked("/readyz").await.status == 200).await;
        }
    }

    async fn on_standby(&self) -> Client {
        connect(&self.standby.at(&self.database)).await
    }
}

fn servers() -> (Cluster, Cluster) {
    let primary = Cluster::start(5432, &["fsync = off"], |_| {});
    let standby = primary.standby();
    (primary, standby)
}

/// From now on, what is committed has been heard of by the standby.
async fn waits_for_standby(primary: &Cluster) {
    let server = connect(&primary.at("postgres")).await;
    // Each in a statement of its own: one of them may not be in a transaction.
    server.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.expect("set");
    server.batch_execute("SELECT pg_reload_conf()").await.expect("read");
    let waits = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
    until("the server waits for its standby", async || !server.query(waits, &[]).await.expect("asked").is_empty())
        .await;
}

/// Sends a signal to the process of a server that this statement names.
async fn signal(server: &Cluster, signal: &str, process: &str) {
    let row = connect(&server.at("postgres")).await.query_one(process, &[]).await.expect("there is one");
    let process: i32 = row.get(0);
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status();
    assert!(sent.expect("there is a shell").success());
}

const SENDER: &str = "SELECT pid FROM pg_stat_replication";
const RECEIVER: &str = "SELECT pid FROM pg_stat_wal_receiver";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_has_confirmed_is_kept() {
    let pair = Pair::start().await;
    waits_for_standby(&pair.primary).await;
    let bob = pair.enrolled("bob").await;
    let answers = Answers::default();
    let mut people = JoinSet::new();
    for person in 0..8 {
        let login = format!("person-{person}");
        pair.installation.dashboard.hires(&login, &login, "acme");
        let gateway = &pair.gateways[person % 2];
        let browser = pair.installation.visitor(gateway, &login);
        people.spawn(enrolls_and_verifies(browser, gateway.gateway(), Arc::clone(&answers)));
    }
    let answered = || answers.lock().unwrap_or_else(PoisonError::into_inner).len();
    until("some of them are answered", async || answered() >= 4).await;
    pair.fails_over("a standby took over, until a gateway is ready").await;
    while let Some(ended) = people.join_next().await {
        // Whoever was cut off in the middle has seen something that no story tells.
        drop(ended);
    }
    for gateway in &pair.gateways {
        bob.in_front_of(gateway.gateway()).opens("/reports").await.shows(Sight::Dashboard);
    }
    let answers: Vec<_> = answers.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
    counted("answers before a standby took over, all of them kept", answers.len());
    for (number, answered) in answers.into_iter().enumerate() {
        holds(pair.gateways[number % 2].gateway(), answered).await;
    }
    let twice = "SELECT 1 FROM audit WHERE kind IN ('enrolled', 'verified')
                 GROUP BY subject, subject_name, kind HAVING count(*) > 1";
    assert!(pair.on_standby().await.query(twice, &[]).await.expect("asked").is_empty());
}

/// What SECURITY.md and the operator's guide warn of: so it has to be configured otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_has_not_heard_of_is_undone_at_every_gateway() {
    let pair = Pair::start().await;
    let bob = pair.enrolled("bob").await;
    let server = connect(&pair.primary.at("postgres")).await;
    let heard = "SELECT 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
    until("the standby has heard of all", async || !server.query(heard, &[]).await.expect("asked").is_empty()).await;
    signal(&pair.primary, "STOP", SENDER).await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.logs_in().await;
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    let code = elsewhere.authenticator().fresh_code();
    elsewhere.gives(&code).await.shows(Sight::Dashboard);
    pair.fails_over("a standby that had not heard of all took over, until a gateway is ready").await;
    for gateway in &pair.gateways {
        // Also where that session was remembered.
        elsewhere.in_front_of(gateway.gateway()).opens("/reports").await.shows(Sight::Challenge);
        bob.in_front_of(gateway.gateway()).opens("/reports").await.shows(Sight::Dashboard);
    }
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    elsewhere.gives(&code).await.shows(Sight::Dashboard);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_that_a_standby_does_not_confirm() {
    let (primary, standby) = servers();
    waits_for_standby(&primary).await;
    let (begin, end) = (
        async |_: &Nodes| signal(&standby, "STOP", RECEIVER).await,
        async |_: &Nodes| signal(&standby, "CONT", RECEIVER).await,
    );
    shuts_the_door("the standby confirms nothing", &primary, begin, end).await;
}
