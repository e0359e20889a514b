//! The PostgreSQL server in trouble of every kind: no code is accepted that can't be written down, nobody new gets through,
//! and all is well soon after.

use std::time::Duration;

use tokio_postgres::Client;

use crate::cluster::{Cluster, connect};
use crate::figures::soon;
use crate::nodes::Nodes;
use crate::support::{Sight, required};

/// How soon after its end all is well.
const RECOVERED: Duration = Duration::from_secs(5);

/// Has somebody stand before the challenge, and give a right code in the middle of the trouble.
pub(crate) async fn shuts_the_door(
    what: &str,
    cluster: &Cluster,
    begin: impl AsyncFnOnce(&Nodes),
    end: impl AsyncFnOnce(&Nodes),
) {
    let nodes = Nodes::on(cluster, required()).await;
    let bob = nodes.enrolled("bob").await;
    let mut there = nodes.at_second(&bob);
    there.loses_session();
    there.opens("/reports").await.shows(Sight::Challenge);
    let form = there.page().clone();
    let mut stranger = nodes.at_second(&nodes.logged_in("carol").await);
    begin(&nodes).await;
    nodes.news();
    let code = there.authenticator().fresh_code();
    there.gives(&code).await.shows(Sight::StoreGone);
    assert_eq!(nodes.second.asked("/readyz").await.status, 503, "{what}");
    there.opens("/reports").await;
    assert!(!there.page().is_of_the_dashboard(), "{what}");
    // Nobody knows yet who this is, so there is something to write.
    stranger.opens("/reports").await.shows(Sight::StoreGone);
    assert_eq!(nodes.news(), [""; 0], "{what}");
    end(&nodes).await;
    soon(RECOVERED, &format!("{what}: the gateway is ready again"), async || {
        nodes.second.asked("/readyz").await.status == 200
    })
    .await;
    stranger.opens("/reports").await.shows(Sight::Enrollment);
    // It was not used up, or nothing of its use was heard of: then it is not accepted a second time.
    there.shows_again(form);
    let page = there.gives(&code).await;
    let accepted = connect(&cluster.at(&nodes.database)).await;
    let accepted = accepted.query_one("SELECT count(*) FROM audit WHERE kind = 'verified'", &[]).await.expect("asked");
    assert!(accepted.get::<_, i64>(0) <= 1, "{what}");
    assert_eq!(page.is_of_the_dashboard(), accepted.get::<_, i64>(0) == 1, "{what}");
}

fn own_server() -> Cluster {
    Cluster::start(5432, &["fsync = off"], |_| {})
}

#[tokio::test(flavor = "multi_thread")]
async fn that_was_killed() {
    let cluster = own_server();
    shuts_the_door("the server crashed", &cluster, async |_| cluster.crash(), async |_| cluster.go_on()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_frozen() {
    let cluster = own_server();
    let (freeze, thaw) = (async |_: &Nodes| cluster.freeze(), async |_: &Nodes| cluster.thaw());
    shuts_the_door("the server frozen", &cluster, freeze, thaw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_takes_no_writes() {
    let cluster = own_server();
    let only_reads = async |nodes: &Nodes, on: &str| {
        let database = connect(&cluster.at("postgres")).await;
        let name = &nodes.database;
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
        database.batch_execute(&sql).await.expect("ours");
        end_connections(&database, name).await;
    };
    let (begin, end) =
        (async |nodes: &Nodes| only_reads(nodes, "on").await, async |nodes: &Nodes| only_reads(nodes, "off").await);
    shuts_the_door("the server read-only", &cluster, begin, end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_has_no_connection_left() {
    let cluster = own_server();
    let allows = async |nodes: &Nodes, any: bool| {
        let database = connect(&cluster.at("postgres")).await;
        let name = &nodes.database;
        // A limit on their number would not hold for the superuser that the tests' user is.
        let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {any}");
        database.batch_execute(&sql).await.expect("ours");
        end_connections(&database, name).await;
    };
    let (begin, end) =
        (async |nodes: &Nodes| allows(nodes, false).await, async |nodes: &Nodes| allows(nodes, true).await);
    shuts_the_door("the server without a connection left", &cluster, begin, end).await;
}

/// Ends the connections that there are: new ones begin as the database says by then.
async fn end_connections(server: &Client, database: &str) {
    let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
    server.query(sql, &[&database]).await.expect("ours");
}

/// Restarts come in a row, while people give codes.
#[tokio::test(flavor = "multi_thread")]
async fn that_is_restarted_again_and_again() {
    let cluster = own_server();
    let nodes = Nodes::on(&cluster, required()).await;
    let mut bob = nodes.enrolled("bob").await;
    for _ in 0..5 {
        cluster.restart();
        // Whoever comes now finds every connection dead, and is not told so.
        bob.opens("/reports").await.shows(Sight::Dashboard);
        let mut somebody = bob.elsewhere();
        somebody.logs_in().await;
        somebody.opens("/reports").await.shows(Sight::Challenge);
    }
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
}
