//! On one PostgreSQL database: gateways are replaced one after the other, while people come and go.

use tokio::time::Instant;

use crate::balancer::Balancer;
use crate::cluster::{Cluster, connect};
use crate::installation::{Installation, Running};
use crate::load::Load;
use crate::release::Release;
use crate::support::{Sight, at_once, required, until};

/// How many people come and go before the next thing happens.
const SOME: usize = 12;

async fn on_a_new_database() -> (Installation, vestibule::store::postgres::Database) {
    let cluster = Cluster::shared();
    let database = cluster.store().await;
    let (folder, port) = cluster.socket();
    let url = format!("postgres://vestibule@:{port}/{}?host={}", database.name, folder.display());
    (Installation::new(&required().with("sqlite:vestibule.db", &url)).await, database)
}

/// Takes a gateway out, stops it, starts one of that release and takes it in.
async fn replace(gateway: Running, release: Release, installation: &Installation, balancer: &Balancer) -> Running {
    let carried = balancer.drains(gateway.gateway()).await;
    assert!(carried > 0, "nobody came to it");
    gateway.is_told_to_stop();
    let (status, log) = gateway.ends().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let gateway = release.serves(installation, "vestibule.toml").await;
    until("it is ready", async || gateway.asked("/readyz").await.status == 200).await;
    balancer.takes_in(gateway.gateway());
    gateway
}

#[expect(clippy::print_stderr, reason = "the figures are what an experiment is for")]
#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_replaced_one_after_the_other_and_nobody_notices() {
    let (installation, database) = on_a_new_database().await;
    let balancer = Balancer::open().await;
    let mut gateways = Vec::new();
    for _ in 0..2 {
        let gateway = Release::This.serves(&installation, "vestibule.toml").await;
        balancer.takes_in(gateway.gateway());
        gateways.push(gateway);
    }
    let mut load = Load::begins(&balancer, &installation.dashboard);
    load.goes_on(SOME).await;
    let before = version(&database).await;
    let begun = Instant::now();
    // The next release, and back again, which leaves the database as the next has made it.
    for release in [Release::Next, Release::This] {
        for _ in 0..2 {
            let gateway = replace(gateways.remove(0), release, &installation, &balancer).await;
            gateways.push(gateway);
            load.goes_on(SOME).await;
        }
    }
    let took = begun.elapsed();
    let rounds = load.ends().await;
    assert_eq!(version(&database).await, (before.0 + 1, before.1));
    eprintln!("figure: four gateways replaced in {took:.1?} under load: {rounds} people, 0 requests failed");
    for gateway in gateways {
        assert!(!gateway.log().contains("\"level\":\"ERROR\""), "{}", gateway.log());
    }
    let server = connect(&database).await;
    let twice = "SELECT subject_name FROM audit WHERE kind IN ('enrolled', 'verified', 'code_taken')
                 GROUP BY subject, subject_name, kind HAVING count(*) > 1";
    assert!(server.query(twice, &[]).await.expect("asked").is_empty());
    let by_both = "SELECT count(DISTINCT kind) FROM audit WHERE kind IN ('verified', 'code_taken')";
    assert_eq!(server.query_one(by_both, &[]).await.expect("asked").get::<_, i64>(0), 2, "codes were given to both");
}

async fn version(database: &vestibule::store::postgres::Database) -> (i64, i64) {
    let row = connect(database).await.query_one("SELECT version, oldest FROM vestibule_schema", &[]).await;
    let row = row.expect("a store");
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_at_one_release_holds_at_the_other() {
    let (installation, database) = on_a_new_database().await;
    let this = Release::This.serves(&installation, "vestibule.toml").await;
    let mut bob = installation.visitor(&this, "bob");
    bob.logs_in().await;
    bob.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
    bob.scans();
    let confirming = bob.authenticator().fresh_code();
    bob.gives(&confirming).await.shows(Sight::RecoveryCodes);
    let mut alice = installation.visitor(&this, "alice");
    alice.logs_in().await;
    alice.enrolls().await;

    let next = Release::Next.serves(&installation, "vestibule.toml").await;
    // A session that this one opened, and one that the next opened.
    bob.in_front_of(next.gateway()).opens("/reports").await.shows(Sight::Dashboard);
    let mut there = bob.in_front_of(next.gateway());
    there.loses_session();
    there.opens("/reports").await.shows(Sight::Challenge);
    there.gives(&confirming).await.shows(Sight::CodeRefused);
    let code = there.authenticator().fresh_code();
    there.gives(&code).await.shows(Sight::Dashboard);
    let mut back = there.in_front_of(this.gateway());
    back.opens("/reports").await.shows(Sight::Dashboard);
    let mut thief = back.elsewhere();
    thief.logs_in().await;
    thief.opens("/reports").await.shows(Sight::Challenge);
    thief.gives(&code).await.shows(Sight::CodeRefused);

    // What the next one writes and this one has no word for.
    back.opens("/_2fa/profile").await.says("only a later release has words for");
    alice.opens("/_2fa/settings/audit").await.says("only a later release has words for");
    let log = installation.json(&["audit"]);
    assert!(log.as_array().expect("a list").iter().any(|entry| entry["event"] == "code_taken"), "{log}");
    let told = Release::Next.runs(&installation, &["audit", "--json"]);
    assert!(told.printed.contains("\"code_taken\""), "{told:?}");

    // A reset at the next one, and one by a command of this one.
    alice.in_front_of(next.gateway()).resets("Bob Brown").await.announces("Bob Brown");
    until("the reset holds at this one", async || back.is_sent("/reports").await.is_some()).await;
    back.opens("/reports").await.shows(Sight::Enrollment);
    assert_eq!(installation.json(&["accounts", "reset", "id-alice"])["reset"], true);
    let mut there = alice.in_front_of(next.gateway());
    until("the reset holds at the next", async || there.is_sent("/reports").await.is_some()).await;

    // This one can't copy what it does not know.
    let copied = Release::This.runs(&installation, &["store", "copy", "--to", "sqlite:copy.db"]);
    assert_eq!(copied.code, 1, "{copied:?}");
    let (known, there) = (version(&database).await.0 - 1, version(&database).await.0);
    copied.is_refused(&[&format!("has version {there}"), &format!("knows version {known} at most")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_gateways_that_bring_a_database_up_to_date_at_once_one_does_it() {
    let (installation, database) = on_a_new_database().await;
    let this = Release::This.serves(&installation, "vestibule.toml").await;
    let mut bob = installation.visitor(&this, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    let before = version(&database).await;
    let started = at_once((0..4).map(|_| Release::Next.serves(&installation, "vestibule.toml"))).await;
    assert_eq!(version(&database).await, (before.0 + 1, before.1));
    for next in &started {
        assert_eq!(next.asked("/readyz").await.status, 200);
        bob.in_front_of(next.gateway()).opens("/reports").await.shows(Sight::Dashboard);
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

/// Whoever brings the database further waits for transactions that are under way, and others wait behind it.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_are_at_work_do_not_keep_the_next_release_out() {
    let (installation, database) = on_a_new_database().await;
    let this = Release::This.serves(&installation, "vestibule.toml").await;
    let mut bob = installation.visitor(&this, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    let holder = connect(&database).await;
    holder.batch_execute("BEGIN; SELECT 1 FROM sessions FOR UPDATE").await.expect("locked");
    let observer = connect(&database).await;
    let lets_go = async {
        // Longer than a statement of a gateway may take.
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
                       AND clock_timestamp() - query_start > interval '6 s'";
        until("it waits", async || !observer.query(waiting, &[]).await.expect("asked").is_empty()).await;
        holder.batch_execute("COMMIT").await.expect("let go");
    };
    let (next, ()) = tokio::join!(Release::Next.serves(&installation, "vestibule.toml"), lets_go);
    bob.in_front_of(next.gateway()).opens("/reports").await.shows(Sight::Dashboard);
}
