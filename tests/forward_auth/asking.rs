//! Questions, as each outer server puts them.

use crate::support::http::{Answer, Request};
use crate::support::visitor::Visitor;
use crate::support::world::{Configuration, World};
use crate::support::{optional, required};

/// The outer servers, by the names of their addresses.
pub(crate) const ALL: [&str; 5] = ["nginx", "traefik", "caddy", "haproxy", "envoy"];

/// The fields that name who passes.
pub(crate) const IDENTITY: [&str; 4] =
    ["x-vestibule-user", "x-vestibule-organization", "x-vestibule-factor", "x-vestibule-verified-at"];

/// What lets whoever connects from this machine ask.
const MAY_ASK: &str = "trusted_proxies = [\"127.0.0.1\"]
forward_auth = [\"nginx\", \"traefik\", \"caddy\", \"haproxy\", \"envoy\"]";

/// Everybody needs a second factor, and whoever connects from this machine may ask.
pub(crate) fn asked() -> Configuration {
    trusting(required())
}

/// Each user decides.
pub(crate) fn asked_of_some() -> Configuration {
    trusting(optional())
}

fn trusting(configuration: Configuration) -> Configuration {
    configuration.with("[server]\n", &format!("[server]\n{MAY_ASK}\n"))
}

/// What a server asks about a request of somebody's browser.
pub(crate) fn question(server: &str, world: &World, request: Request) -> Request {
    let target = request.target.clone();
    about(server, "GET", &target, world, request)
}

/// The same for another method and target.
pub(crate) fn about(server: &str, method: &'static str, target: &str, world: &World, request: Request) -> Request {
    let host = world.gateway().to_string();
    let way =
        request.without("X-Forwarded-Proto").with("X-Forwarded-Proto", "http").with("X-Forwarded-For", "127.0.0.1");
    match server {
        "nginx" => to("GET", "/_2fa/auth/nginx", way).with("X-Original-Method", method).with("X-Original-URI", target),
        "envoy" => to(method, &format!("/_2fa/auth/envoy{target}"), way),
        _ => to("GET", &format!("/_2fa/auth/{server}"), way)
            .without("Host")
            .with("Host", "vestibule.internal:8080")
            .with("X-Forwarded-Method", method)
            .with("X-Forwarded-Uri", target)
            .with("X-Forwarded-Host", host),
    }
}

/// The same fields to another address.
pub(crate) fn to(method: &'static str, target: &str, request: Request) -> Request {
    Request { method, target: target.to_owned(), ..request }
}

/// How many visitors the store knows to have been asked for a code.
pub(crate) fn pending_sessions(world: &World) -> u32 {
    let connection = rusqlite::Connection::open(world.file("vestibule.db")).expect("the store is there");
    let count = "SELECT count(*) FROM pending_sessions";
    connection.query_row(count, [], |row| row.get(0)).expect("the store counts")
}

/// What that server is told about a page that somebody opens.
pub(crate) async fn opens(server: &str, world: &World, visitor: &Visitor, target: &str) -> Answer {
    question(server, world, visitor.navigation(target)).send(world.gateway()).await
}

/// What nginx is told, on its second question, to tell the client.
pub(crate) async fn told_by_nginx(world: &World, request: Request) -> Answer {
    to("GET", "/_2fa/auth/nginx/answer", question("nginx", world, request)).send(world.gateway()).await
}

/// Fails unless it is leave, and nothing else.
#[track_caller]
pub(crate) fn is_leave(answer: &Answer) {
    assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{:?}", answer.fields);
    for name in IDENTITY.into_iter().chain(["cookie"]) {
        assert!(answer.field(name).is_some(), "{name} is there, if only empty: {:?}", answer.fields);
    }
    assert!(answer.cookies().next().is_none());
}

/// Fails unless it is none, in the form that this server understands.
#[track_caller]
pub(crate) fn is_refusal(server: &str, answer: &Answer) {
    assert!(!(200..300).contains(&answer.status), "{server}: {}", answer.status);
    for name in IDENTITY.into_iter().chain(["cookie", "authorization"]) {
        assert!(answer.field(name).is_none(), "{server}: {name} beside a refusal");
    }
    if server == "nginx" {
        assert_eq!((answer.status, answer.text().as_str()), (401, ""));
        assert!(answer.cookies().next().is_none());
    }
}
