//! Connections that live on: WebSockets and event streams end when the session they were opened with does.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::http::{Live, within};
use crate::support::visitor::Visitor;
use crate::support::world::{Configuration, World};
use crate::support::{Sight, optional, required};

/// How long what is open may stay open when its session has ended (docs/operations.md).
const AT_MOST: Duration = Duration::from_secs(5);

/// A WebSocket and an event stream of somebody.
async fn opened(visitor: &Visitor) -> [Live; 2] {
    let mut stream = visitor.listens_to("/events").await;
    stream.hears(b"data: hello").await;
    let mut socket = visitor.talks_to("/ws").await;
    socket.says(b"\x81\x85\0\0\0\0hello").await;
    socket.hears(b"hello").await;
    [stream, socket]
}

/// Waits until they end, from the end of the session on.
async fn end(live: [Live; 2]) {
    in_time(async {
        for connection in live {
            connection.ends().await;
        }
    })
    .await;
}

async fn in_time<T>(end: impl Future<Output = T>) -> T {
    timeout(AT_MOST, end).await.expect("it ends as soon as was promised")
}

/// Fails if that WebSocket is not open.
async fn is_open(live: &mut [Live; 2]) {
    live[1].says(b"\x81\x85\0\0\0\0still").await;
    live[1].hears(b"still").await;
}

#[tokio::test]
async fn at_a_logout_of_the_dashboard() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let live = opened(&bob).await;
    bob.logs_out().await;
    end(live).await;
}

#[tokio::test]
async fn at_a_logout_of_the_gateway() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let live = opened(&bob).await;
    bob.posts("/_2fa/logout", &[]).await;
    end(live).await;
}

#[tokio::test]
async fn in_http_2_as_well() {
    let world = World::open(required().with("[server]\n", "[server]\nh2c = true\n")).await;
    let mut bob = world.enrolled("bob").await;
    let stream = TcpStream::connect(world.gateway()).await.expect("the gateway listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let asked = bob.request("GET", "/events").in_http2(world.gateway());
    let (answer, _) = client.ready().await.expect("ready").send_request(asked, true).expect("sent");
    let mut events = within("an answer", answer).await.expect("an answer").into_body();
    let first = within("an event", events.data()).await.expect("no end yet").expect("no reset");
    assert!(first.starts_with(b"data: hello"));
    bob.posts("/_2fa/logout", &[]).await;
    assert!(in_time(events.data()).await.is_none_or(|data| data.is_err()), "and no more events");
}

#[tokio::test]
async fn at_a_reset_whatever_else_goes_on_for_long() {
    ends_at_a_reset("/log", b"a line").await;
}

#[tokio::test]
async fn at_a_reset_though_nothing_more_is_said_on_it() {
    ends_at_a_reset("/watch", b"hello").await;
}

/// Waits until what began with these words ends, which was opened before a reset.
async fn ends_at_a_reset(target: &str, words: &[u8]) {
    let world = World::open(required()).await;
    let bob = world.enrolled("bob").await;
    let mut live = bob.listens_to(target).await;
    live.hears(words).await;
    let mut alice = world.enrolled("alice").await;
    alice.resets("Bob Brown").await.announces("Bob Brown");
    live.ends().await;
}

#[tokio::test]
async fn at_a_reset_and_those_of_others_stay() {
    let world = World::open(required()).await;
    let bob = world.enrolled("bob").await;
    let carol = world.enrolled("carol").await;
    let live = opened(&bob).await;
    let mut others = opened(&carol).await;
    let mut alice = world.enrolled("alice").await;
    alice.resets("Bob Brown").await.announces("Bob Brown");
    end(live).await;
    is_open(&mut others).await;
}

#[tokio::test]
async fn when_the_session_is_ended_from_another_browser() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    let live = opened(&elsewhere).await;
    let mut own = opened(&bob).await;
    let others = bob.opens("/_2fa/profile").await.other_sessions();
    bob.posts("/_2fa/profile/sessions/end", &[("session", &others[0])]).await.announces("The session was ended");
    end(live).await;
    is_open(&mut own).await;
}

#[tokio::test]
async fn at_the_limits_of_the_session() {
    let world = World::open(required()).await;
    let bob = world.enrolled("bob").await;
    let live = opened(&bob).await;
    world.passes(Duration::from_hours(13));
    end(live).await;
}

#[tokio::test]
async fn when_the_organization_begins_to_require_what_somebody_has_not() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/").await.shows(Sight::Dashboard);
    let live = opened(&bob).await;
    let mut alice = world.enrolled("alice").await;
    alice.posts("/_2fa/settings/requirement", &[("requirement", "required")]).await.announces("now required");
    end(live).await;
}

#[tokio::test]
async fn when_the_key_is_replaced_those_of_the_other_browsers() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let mut elsewhere = bob.elsewhere();
    elsewhere.signs_in().await;
    let live = opened(&elsewhere).await;
    bob.opens("/_2fa/profile").await;
    let code = bob.authenticator().fresh_code();
    bob.submits("/_2fa/profile/replace", &[("code", &code)]).await.shows(Sight::Enrollment);
    bob.enrolls().await;
    end(live).await;
}

/// A second site of the same users, which asks them for this.
fn two_sites(asks: &str) -> Configuration {
    optional().and(&format!(
        r#"
[[site]]
name = "reports"
realm = "insights"
hosts = ["reports.example"]
upstream = "http://DASHBOARD"
public = ["/login"]
login = "/login?next={{next}}"

[site.identity]
url = "/api/me"
user = "/id"
organization = "/company/slug"

[site.organization]
{asks}
"#
    ))
}

#[tokio::test]
async fn when_their_own_site_begins_to_require_what_somebody_has_not() {
    let world = World::open(two_sites("requirement = \"optional\"")).await;
    let mut at_second = world.visitor("bob").at("reports.example");
    at_second.logs_in().await;
    let live = opened(&at_second).await;
    let mut at_first = opened(&world.logged_in("bob").await).await;
    world.reloads(&two_sites("requirement = \"required\"\nlocked = true"));
    end(live).await;
    is_open(&mut at_first).await;
}

#[tokio::test]
async fn when_their_site_is_no_longer_there() {
    let world = World::open(two_sites("requirement = \"optional\"")).await;
    let mut bob = world.visitor("bob").at("reports.example");
    bob.logs_in().await;
    let live = opened(&bob).await;
    let mut enrolled = world.enrolled("carol").await.at("reports.example");
    enrolled.signs_in().await;
    let verified = opened(&enrolled).await;
    let mut others = opened(&world.enrolled("alice").await).await;
    world.reloads(&optional());
    end(live).await;
    end(verified).await;
    is_open(&mut others).await;
}
