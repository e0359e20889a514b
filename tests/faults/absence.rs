//! The database away: whoever can't hear of changes asks, whoever can't ask lets nobody through, and all is well again soon
//! after its return.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{Cluster, connect};
use crate::figures::{soon, took};
use crate::installation::Installation;
use crate::link::{Link, State};
use crate::nodes::{Nodes, end, live};
use crate::support::dashboard::Dashboard;
use crate::support::visitor::Visitor;
use crate::support::{Sight, required};

/// For how long a gateway goes on by what it knows when it hears nothing.
const SILENCE: Duration = Duration::from_secs(2);

/// How soon after its return all is well.
const RECOVERED: Duration = Duration::from_secs(5);

/// Opens pages until the door is shut, and then some more, none of which may reach the dashboard.
async fn is_shut_out(what: &str, nodes: &Nodes, visitor: &mut Visitor) {
    let begun = Instant::now();
    let mut last = Duration::ZERO;
    loop {
        let asked = begun.elapsed();
        if !visitor.opens("/reports").await.is_of_the_dashboard() {
            break;
        }
        last = asked;
    }
    took(SILENCE, &format!("the last request that was let through, {what}"), last);
    visitor.page().shows(Sight::StoreGone);
    nodes.news();
    visitor.opens("/reports").await.shows(Sight::StoreGone);
    visitor.fetches("/reports").await.problem(503);
    visitor.posts("/_2fa/verify", &[("code", "000000")]).await.shows(Sight::StoreGone);
    assert_eq!(nodes.news(), [""; 0]);
}

/// Waits until somebody with a session is let through again.
async fn is_let_in(what: &str, visitor: &mut Visitor) {
    soon(RECOVERED, what, async || visitor.opens("/reports").await.is_of_the_dashboard()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_hear_of_changes_asks_the_store() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let bob = nodes.enrolled("bob").await;
    let mut there = nodes.at_second(&bob);
    there.opens("/reports").await.shows(Sight::Dashboard);
    let database = connect(&Cluster::shared().at(&nodes.database)).await;
    // It ends without a word in the feed: who remembers it lets it pass.
    database.batch_execute("ALTER TABLE sessions RENAME TO kept").await.expect("ours");
    there.opens("/reports").await.shows(Sight::Dashboard);
    database.batch_execute("ALTER TABLE kept RENAME TO sessions; DELETE FROM sessions").await.expect("ours");
    there.opens("/reports").await.shows(Sight::Dashboard);

    database.batch_execute("ALTER TABLE changes RENAME TO unheard").await.expect("ours");
    soon(SILENCE + Duration::from_millis(500), "a gateway that hears nothing asks the store", async || {
        there.opens("/reports").await.offers("/_2fa/verify")
    })
    .await;
    database.batch_execute("ALTER TABLE unheard RENAME TO changes").await.expect("ours");
}

/// How long the server is away, unless `VESTIBULE_FAULTS_OUTAGE` says how many seconds.
const OUTAGE: Duration = Duration::from_secs(4);

/// How long what was open stays so while nobody can say whether it may: twelve seconds, and what is under way.
const UNVOUCHED: Duration = Duration::from_secs(15);

/// What begins trouble, or ends it.
type Turn = fn(&Cluster);

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_vouch_for_is_closed() {
    let cluster = Cluster::start(5432, &["fsync = off"], |_| {});
    let nodes = Nodes::on(&cluster, required()).await;
    let mut bob = nodes.enrolled("bob").await;
    let troubles: [(&str, Turn, Turn); 2] =
        [("stopped", Cluster::stop, Cluster::go_on), ("frozen", Cluster::freeze, Cluster::thaw)];
    for (what, begins, ends) in troubles {
        let open = live(&bob).await;
        let begun = Instant::now();
        begins(&cluster);
        end(open).await;
        took(UNVOUCHED, &format!("what was open is closed, the server {what}"), begun.elapsed());
        ends(&cluster);
        is_let_in(&format!("a return of the server that was {what}"), &mut bob).await;
    }
    // A restart does not keep anybody from vouching for so long.
    let [mut stream, mut socket] = live(&bob).await;
    cluster.restart();
    soon(RECOVERED, "a restart of the server", async || nodes.first.asked("/readyz").await.status == 200).await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    socket.says(b"\x81\x85\0\0\0\0again").await;
    socket.hears(b"again").await;
    stream.hears(b"data: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_dashboard_nobody_passes_and_after_its_return_everybody_does() {
    let dashboard = Dashboard::open().await;
    let link = Link::before(dashboard.address()).await;
    let upstream = format!("http://{}", link.address());
    let configuration = required().with("http://DASHBOARD", &upstream).with("cache = \"5s\"", "cache = \"0s\"");
    let installation = Installation::new(&configuration).await;
    let gateway = installation.serve().await;
    let mut bob = installation.visitor(&gateway, "bob");
    bob.logs_in().await;
    bob.enrolls().await;
    let states = [(State::Cut, Sight::NobodySaysWho, "cut"), (State::Frozen, Sight::NobodySaysWhoInTime, "frozen")];
    for (state, sight, what) in states {
        bob.opens("/reports").await.shows(Sight::Dashboard);
        link.is(state);
        bob.opens("/reports").await.shows(sight);
        bob.opens("/_2fa/profile").await.shows(sight);
        assert_eq!(gateway.asked("/readyz").await.status, 200, "the gateway itself is well");
        link.is(State::Open);
        is_let_in(&format!("a return of the dashboard, the link {what}"), &mut bob).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_nobody_passes_and_after_its_return_everybody_does() {
    let cluster = Cluster::start(5432, &["fsync = off"], |_| {});
    let nodes = Nodes::on(&cluster, required()).await;
    let mut bob = nodes.enrolled("bob").await;
    let mut there = nodes.at_second(&bob);
    there.opens("/reports").await.shows(Sight::Dashboard);
    cluster.stop();
    is_shut_out("the server stopped", &nodes, &mut there).await;
    assert_eq!(nodes.second.asked("/readyz").await.status, 503);
    assert_eq!(nodes.second.asked("/livez").await.status, 200);
    let away = std::env::var("VESTIBULE_FAULTS_OUTAGE").ok().and_then(|seconds| seconds.parse().ok());
    let away = away.map_or(OUTAGE, Duration::from_secs);
    let begun = Instant::now();
    while begun.elapsed() < away {
        there.opens("/reports").await.shows(Sight::StoreGone);
    }
    assert_eq!(nodes.news(), [""; 0]);
    cluster.go_on();
    is_let_in("a return of the server, seen at the one gateway", &mut there).await;
    is_let_in("a return of the server, seen at the other", &mut bob).await;
    assert_eq!(nodes.second.asked("/readyz").await.status, 200);
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_cut_off_lets_nobody_through_and_the_others_go_on() {
    for (state, what) in [(State::Cut, "the link cut"), (State::Frozen, "the link frozen")] {
        let nodes = Nodes::on(Cluster::shared(), required()).await;
        let mut bob = nodes.enrolled("bob").await;
        let mut there = nodes.at_second(&bob);
        there.opens("/reports").await.shows(Sight::Dashboard);
        nodes.links[1].is(state);
        is_shut_out(what, &nodes, &mut there).await;
        bob.opens("/reports").await.shows(Sight::Dashboard);
        // What happens meanwhile holds at once when it is back.
        assert_eq!(nodes.installation.json(&["accounts", "reset", "id-bob"])["reset"], true);
        nodes.links[1].is(State::Open);
        nodes.news();
        soon(RECOVERED, &format!("the end of {what}"), async || {
            let page = there.opens("/reports").await;
            assert!(!page.is_of_the_dashboard(), "a reset was not heard of");
            page.offers("/_2fa/enroll")
        })
        .await;
        assert_eq!(nodes.news(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_link_is_slow_and_no_more() {
    let nodes = Nodes::on(Cluster::shared(), required()).await;
    let bob = nodes.enrolled("bob").await;
    let mut there = nodes.at_second(&bob);
    nodes.links[1].is(State::Slow(Duration::from_millis(100)));
    there.loses_session();
    let begun = Instant::now();
    there.opens("/reports").await.shows(Sight::Challenge);
    there.gives_a_fresh_code().await.shows(Sight::Dashboard);
    took(Duration::from_secs(10), "a challenge, 100 ms each way to the server", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..20 {
        there.opens("/reports").await.shows(Sight::Dashboard);
    }
    took(Duration::from_secs(2), "twenty pages over the same link", begun.elapsed());
}
