//! Requests while somebody logs in, held back or not, at a dashboard where that leaves the session id as it was.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::support::dashboard::password_of;
use crate::support::http::{Answer, HeldBack, Request, within};
use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, optional, required, until};

const METHODS: [&str; 3] = ["POST", "GET", "DELETE"];

async fn world() -> World {
    let world = World::open(required()).await;
    world.dashboard().keeps_session_ids();
    world
}

/// A request of theirs that a gateway has let through, and that the dashboard has not as a whole.
async fn held_back(at: &World, visitor: &Visitor, method: &'static str) -> HeldBack {
    let visitor = visitor.in_front_of(at.gateway());
    let request = visitor.request(method, "/reports").body("x=1").with("Content-Type", "text/plain");
    request.hold_back(at.gateway()).await
}

/// Somebody's login with these cookies, and another browser's name.
async fn logs_in(world: &World, cookies: &str, login: &str, path: &str) {
    let answer = answer_to_login(world, cookies, login, path).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
}

async fn answer_to_login(world: &World, cookies: &str, login: &str, path: &str) -> Answer {
    let form = [("user", login), ("password", &*password_of(login))];
    let request = Request::new("POST", path).with("Host", world.gateway().to_string()).with("User-Agent", "another");
    request.with("Cookie", cookies).form(&form).send(world.gateway()).await
}

fn both_cookies(visitor: &Visitor) -> String {
    let (login, session) = (visitor.cookie("sid").expect("a login"), visitor.session().expect("a session"));
    format!("sid={login}; vestibule={session}")
}

#[tokio::test]
async fn it_is_not_finished_for_somebody_else_who_has_logged_in_meanwhile() {
    for method in METHODS {
        // The second is protected: whoever has a passage can log in there as somebody else.
        for path in ["/login", "/api/login"] {
            let world = world().await;
            let (bob, _carol) = (world.enrolled("bob").await, world.enrolled("carol").await);
            let login = bob.cookie("sid").expect("a login");
            let cookies = if path == "/login" { format!("sid={login}") } else { both_cookies(&bob) };
            let request = held_back(&world, &bob, method).await;
            world.dashboard().news();
            logs_in(&world, &cookies, "carol", path).await;
            let answer = request.comes().await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(world.dashboard().news(), [path], "{method}");
        }
    }
}

#[tokio::test]
async fn nor_where_nobody_hears_of_the_login() {
    let world = world().await;
    let (bob, _carol) = (world.enrolled("bob").await, world.enrolled("carol").await);
    let request = held_back(&world, &bob, "POST").await;
    world.dashboard().news();
    let path = "/api/login?unanswered";
    assert_eq!(answer_to_login(&world, &both_cookies(&bob), "carol", path).await.status, 502);
    assert_eq!(request.comes().await.status, 401);
    assert_eq!(world.dashboard().news(), [path]);
}

/// A visitor's request in HTTP/2, with a body of so many bytes.
fn in_http2(visitor: &Visitor, to: SocketAddr, method: &'static str, length: usize) -> http::Request<()> {
    visitor.request(method, "/reports").with("Content-Length", length.to_string()).in_http2(to)
}

#[tokio::test]
async fn nor_in_http_2_once_all_of_its_length_came_though_its_stream_goes_on() {
    let world = World::open(required().with("[server]\n", "[server]\nh2c = true\n")).await;
    world.dashboard().keeps_session_ids();
    let (bob, _carol) = (world.enrolled("bob").await, world.enrolled("carol").await);
    let stream = TcpStream::connect(world.gateway()).await.expect("the gateway listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut client = client.ready().await.expect("ready");
    let (answer, mut body) = client.send_request(in_http2(&bob, world.gateway(), "POST", 3), false).expect("sent");
    body.send_data("x=".into(), false).expect("sent");
    // Of two that come on a connection the first is let through first.
    let (next, _) = client.send_request(in_http2(&bob, world.gateway(), "GET", 0), true).expect("sent");
    assert_eq!(within("an answer", next).await.expect("an answer").status(), 200);
    world.dashboard().news();
    logs_in(&world, &both_cookies(&bob), "carol", "/login").await;
    body.send_data("1".into(), false).expect("sent");
    assert_eq!(within("an answer", answer).await.expect("an answer").status(), 401);
    assert_eq!(world.dashboard().news(), ["/login"]);
}

#[tokio::test]
async fn nor_for_somebody_whom_another_gateway_has_seen_log_in() {
    let world = world().await;
    let beside = world.open_beside(required()).await;
    let (bob, _carol) = (world.enrolled("bob").await, world.enrolled("carol").await);
    let request = held_back(&beside, &bob, "POST").await;
    world.dashboard().news();
    logs_in(&world, &format!("sid={}", bob.cookie("sid").expect("a login")), "carol", "/login").await;
    world.passes(Duration::from_secs(1));
    assert_eq!(request.comes().await.status, 401);
    assert_eq!(world.dashboard().news(), ["/login"]);
}

#[tokio::test]
async fn nor_after_a_reset_for_the_same_person() {
    let world = world().await;
    let (bob, mut alice) = (world.enrolled("bob").await, world.enrolled("alice").await);
    let request = held_back(&world, &bob, "POST").await;
    world.dashboard().news();
    alice.resets("Bob Brown").await.announces("Bob Brown");
    assert_eq!(request.comes().await.status, 401);
    assert_eq!(world.dashboard().news(), [""; 0]);
}

#[tokio::test]
async fn it_is_finished_though_others_have_logged_in_and_the_dashboard_is_asked_once_more() {
    for method in METHODS {
        let world = world().await;
        let (bob, carol) = (world.enrolled("bob").await, world.enrolled("carol").await);
        let request = held_back(&world, &bob, method).await;
        let before = world.dashboard().questions().len();
        let login = carol.cookie("sid").expect("a login");
        logs_in(&world, &format!("sid={login}"), "carol", "/login").await;
        assert_eq!(request.comes().await.status, 200, "{method}");
        assert_eq!(world.dashboard().last_request().body, "x=1");
        assert_eq!(world.dashboard().questions().len() - before, 1, "{method}");
    }
}

#[tokio::test]
async fn nothing_is_remembered_while_the_dashboard_has_a_login_before_it() {
    let world = Arc::new(world().await);
    let (mut bob, _carol) = (world.enrolled("bob").await, world.enrolled("carol").await);
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let (cookies, login) = (format!("sid={}", bob.cookie("sid").expect("a login")), Arc::clone(&world));
    world.dashboard().news();
    let login = tokio::spawn(async move { logs_in(&login, &cookies, "carol", "/login?slowly").await });
    until("the dashboard has the login", async || world.dashboard().requests().len() == 1).await;
    bob.opens("/reports").await.shows(Sight::Challenge);
    world.dashboard().go_on.notify_waiters();
    login.await.expect("no panic");
}

#[tokio::test]
async fn nor_while_it_has_a_logout_before_it() {
    let world = Arc::new(World::open(optional()).await);
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let logout = bob.request("GET", "/logout?slowly");
    world.dashboard().news();
    let logout = tokio::spawn(logout.send(world.gateway()));
    until("the dashboard has the logout", async || world.dashboard().requests().len() == 1).await;
    bob.opens("/reports").await.shows(Sight::DashboardLogin);
    world.dashboard().go_on.notify_waiters();
    assert_eq!(logout.await.expect("no panic").status, 303);
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_has_logged_in() {
    let world = world().await;
    let bob = world.enrolled("bob").await;
    let request = held_back(&world, &bob, "POST").await;
    let before = world.dashboard().questions().len();
    assert_eq!(request.comes().await.status, 200);
    assert_eq!(world.dashboard().questions().len(), before);
}
