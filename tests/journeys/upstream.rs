//! What the dashboard gets to see: never an unverified visitor, and of the others what the gateway vouches for.

use std::time::Duration;

use crate::support::http::Request;
use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, optional, required};

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];

#[tokio::test]
async fn nothing_of_the_dashboard_reaches_somebody_unverified() {
    let world = World::open(required()).await;
    let enrolled = world.enrolled("bob").await;
    let mut pending = enrolled.elsewhere();
    pending.logs_in().await;
    pending.opens("/").await.shows(Sight::Challenge);
    let mut unenrolled = world.logged_in("carol").await;
    unenrolled.opens("/").await.shows(Sight::Enrollment);
    let mut fresh = enrolled.elsewhere();
    fresh.logs_in().await;
    let stranger = world.visitor("yann");

    world.dashboard().news();
    for mut visitor in [pending, unenrolled, fresh, stranger] {
        for method in METHODS {
            for target in [
                "/",
                "/reports",
                "/api/reports?x=1",
                "/favicon.ico",
                "/robots.txt",
                "/.well-known/x",
                "/livez",
                "/metrics",
                "/api/me",
            ] {
                for request in as_everybody(&visitor, method, target) {
                    let page = visitor.sends(request).await;
                    assert!(!page.is_of_the_dashboard(), "{method} {target} as {}", visitor.login);
                }
            }
        }
    }
    assert_eq!(world.dashboard().news(), [""; 0]);
    // The gateway's own question is all that reached it.
    assert!(world.dashboard().questions().iter().all(|question| question.method == "GET" && question.body.is_empty()));
}

/// As a browser, as a script, and with names that monitors and crawlers have.
fn as_everybody(visitor: &Visitor, method: &'static str, target: &str) -> Vec<Request> {
    let plain = || visitor.request(method, target);
    vec![
        plain().with("Sec-Fetch-Mode", "navigate").with("Accept", "text/html"),
        plain().with("Sec-Fetch-Mode", "cors").with("Accept", "application/json"),
        plain().without("User-Agent").with("User-Agent", "kube-probe/1.2").with("X-Original-Method", "GET"),
        plain().with("X-HTTP-Method-Override", "GET").with("X-Original-URL", "/login").with("X-Rewrite-URL", "/login"),
    ]
}

#[tokio::test]
async fn it_is_told_who_passes_and_with_what() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    world.passes(Duration::from_mins(1));
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let seen = world.dashboard().last_request();
    assert_eq!(seen.field("x-vestibule-user"), "id-bob");
    assert_eq!(seen.field("x-vestibule-organization"), "acme");
    assert_eq!(seen.field("x-vestibule-factor"), "totp");
    assert_eq!(seen.field("x-vestibule-verified-at"), "2027-01-15T08:00:00Z");
    assert_eq!(seen.field("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.field("x-forwarded-proto"), "http");
    assert_eq!(seen.field("host"), world.gateway().to_string());
}

#[tokio::test]
async fn it_is_told_that_nothing_was_asked_of_somebody() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let seen = world.dashboard().last_request();
    assert_eq!(seen.field("x-vestibule-user"), "id-bob");
    assert_eq!(seen.field("x-vestibule-factor"), "none");
    assert_eq!(seen.field("x-vestibule-verified-at"), "");
}

#[tokio::test]
async fn the_gateways_cookie_never_reaches_it_and_the_others_do_to_the_letter() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let (session, login) = (bob.session().expect("a session"), bob.cookie("sid").expect("a login"));
    let lines = [
        (format!("sid={login}; vestibule={session}"), format!("sid={login}")),
        (format!("vestibule={session}; a=1;  b=\"x; y\"; sid={login};c"), format!("a=1;  b=\"x; y\"; sid={login};c")),
        (
            format!("$Version=1; sid={login}; vestibule={session}; __Host-vestibule=x; a==="),
            format!("$Version=1; sid={login}; a==="),
        ),
    ];
    for (sent, expected) in lines {
        let request = bob.navigation("/reports").without("Cookie").with("Cookie", sent);
        bob.sends(request).await.shows(Sight::Dashboard);
        assert_eq!(world.dashboard().last_request().field("cookie"), expected);
    }
    for target in ["/login", "/static/x", "/logout"] {
        let request = bob.navigation(target);
        bob.sends(request).await;
    }
    let everything = [world.dashboard().requests(), world.dashboard().questions()].concat();
    for seen in everything {
        assert!(!seen.field("cookie").contains("vestibule="), "{} {}", seen.method, seen.target);
        assert!(!format!("{:?}", seen.fields).contains(&session));
    }
}

#[tokio::test]
async fn the_question_carries_the_same_credentials_as_the_request() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    let cookies = format!("theme=dark;  sid={}; lang=\"en\"", bob.cookie("sid").expect("a login"));
    let request = bob.navigation("/reports").without("Cookie").with("Cookie", cookies.clone());
    let request = request.with("Authorization", "Custom  x,y").with("Range", "bytes=0-1").with("If-None-Match", "*");
    bob.sends(request).await.shows(Sight::Dashboard);
    let question = world.dashboard().questions().pop().expect("the dashboard was asked");
    assert_eq!(question.field("cookie"), cookies);
    assert_eq!(question.field("authorization"), "Custom  x,y");
    assert_eq!(question.field("host"), world.gateway().to_string());
    assert_eq!(question.field("range") + &question.field("if-none-match"), "");
}

#[tokio::test]
async fn what_somebody_sends_and_what_it_answers_pass_unchanged() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let body = "a=1&b=%00\u{e9}\n".repeat(2000);
    let request = bob.request("PUT", "/reports/1?x=%2F..&y=a+b").with("Content-Type", "text/x").body(body.clone());
    assert!(bob.sends(request).await.is_of_the_dashboard());
    let seen = world.dashboard().last_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PUT", "/reports/1?x=%2F..&y=a+b"));
    assert!(seen.body == body);
    assert_eq!(seen.field("content-type"), "text/x");
}
