//! Requests that are not as they should be.

use crate::support::http::exchange;
use crate::support::page::Page;
use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, optional, required};

#[tokio::test]
async fn a_host_that_no_site_has_is_told_so() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    world.dashboard().news();
    for host in [
        "evil.example",
        "insights.example.evil.example",
        "127.0.0.2",
        "localhost",
        "[::1]",
        "xinsights.example",
        "INSIGHTS",
    ] {
        for target in ["/reports", "/login", "/_2fa/profile", "/static/app.css"] {
            let request = bob.navigation(target).without("Host").with("Host", host);
            bob.sends(request).await.shows(Sight::UnknownHost);
        }
    }
    assert_eq!(world.dashboard().news(), [""; 0]);
    assert!(world.dashboard().questions().is_empty());
    for host in ["insights.example", "Insights.Example", "insights.example:8443", "insights.example.", "127.0.0.1"] {
        let request = bob.navigation("/reports").without("Host").with("Host", host);
        bob.sends(request).await.shows(Sight::Dashboard);
    }
}

#[tokio::test]
async fn a_request_without_exactly_one_good_host_is_none() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    world.dashboard().news();
    let without = bob.navigation("/login").without("Host");
    bob.sends(without).await.shows(Sight::BadRequest);
    let twice = bob.navigation("/login").with("Host", "insights.example");
    bob.sends(twice).await.shows(Sight::BadRequest);
    for host in [
        "",
        "insights.example/x",
        "user@insights.example",
        "insights.example:x",
        "insights.example:99999",
        "insights.example, evil.example",
        "insights example",
        "[::1",
        "insights.example#x",
        "insights.example?x",
    ] {
        let request = bob.navigation("/login").without("Host").with("Host", host);
        bob.sends(request).await.shows(Sight::BadRequest);
    }
    assert_eq!(world.dashboard().news(), [""; 0]);
}

#[tokio::test]
async fn a_form_of_another_kind_is_not_read() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    bob.loses_session();
    bob.opens("/").await.shows(Sight::Challenge);
    let kinds = [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/json",
        "",
        "application/x-www-form-urlencoded2",
        "text/html",
        "application/x-www-form-urlencoded, text/plain",
    ];
    for kind in kinds {
        let request = bob.form_request("/_2fa/verify", &[("code", "000000")]);
        let request = request.without("Content-Type").with("Content-Type", kind);
        bob.sends(request).await.shows(Sight::WrongKindOfForm);
    }
    let none = bob.form_request("/_2fa/verify", &[("code", "000000")]).without("Content-Type");
    bob.sends(none).await.shows(Sight::WrongKindOfForm);
    let twice = bob.form_request("/_2fa/verify", &[("code", "000000")]).with("Content-Type", "text/plain");
    bob.sends(twice).await.shows(Sight::WrongKindOfForm);
    for kind in ["application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-Urlencoded"] {
        let request = bob.form_request("/_2fa/verify", &[("code", "000000")]);
        let request = request.without("Content-Type").with("Content-Type", kind);
        bob.sends(request).await.shows(Sight::CodeRefused);
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_is_not_read() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    bob.loses_session();
    bob.opens("/").await.shows(Sight::Challenge);
    let code = bob.authenticator().fresh_code();
    let padding = "x".repeat(16 * 1024);
    for address in ["/_2fa/verify", "/_2fa/recover", "/_2fa/enroll", "/_2fa/logout", "/_2fa/profile/disable"] {
        bob.posts(address, &[("code", &code), ("padding", &padding)]).await.shows(Sight::TooLarge);
    }
    let padding = "x".repeat(15 * 1024);
    bob.posts("/_2fa/verify", &[("code", &code), ("padding", &padding)]).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_not_read() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    world.dashboard().news();
    let many = (0..150).fold(bob.navigation("/login"), |request, number| request.with(&format!("X-{number}"), "x"));
    bob.sends(many).await.shows(Sight::HeadTooLarge);
    let long = bob.navigation("/login").with("X-Long", "x".repeat(100 * 1024));
    bob.sends(long).await.shows(Sight::HeadTooLarge);
    assert_eq!(world.dashboard().news(), [""; 0]);
    let fine = bob.navigation("/login").with("X-Long", "x".repeat(8 * 1024));
    bob.sends(fine).await.shows(Sight::DashboardLogin);
}

#[tokio::test]
async fn pages_that_are_not_there_and_methods_that_nobody_takes() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    for page in [
        "",
        "/",
        "/x",
        "/verify/",
        "/verify/x",
        "/profile/x",
        "/settings/",
        "/auth",
        "/admin",
        "/assets/",
        "/assets/x.css",
        "/assets/../verify",
        "/metrics",
        "/livez",
    ] {
        let address = format!("/_2fa{page}");
        let answer = bob.opens(&address).await;
        if address.contains("..") {
            assert!(answer.is_of_the_dashboard(), "an ambiguous path is the dashboard's: {address}");
        } else {
            answer.shows(Sight::NotFound);
        }
        if !address.contains("..") {
            bob.posts(&address, &[]).await.shows(if page.starts_with("/assets/") {
                Sight::NotThatWay
            } else {
                Sight::NotFound
            });
        }
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"] {
        let request =
            bob.request(method, "/_2fa/profile").with("Accept", "text/html").with("Sec-Fetch-Site", "same-origin");
        let answer = bob.sends(request).await;
        assert!(!answer.is_of_the_dashboard(), "{method}");
    }
    for (address, sight) in [
        ("/_2fa/profile", Sight::NotThatWay),
        ("/_2fa/settings", Sight::NotThatWay),
        ("/_2fa/status", Sight::NotThatWay),
    ] {
        bob.posts(address, &[]).await.shows(sight);
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_head_request_of_a_page_has_its_head_alone() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let request = bob.request("HEAD", "/_2fa/profile").with("Accept", "text/html");
    let page = bob.sends(request).await;
    assert_eq!(page.words(), "");
}

#[tokio::test]
async fn what_parties_could_read_differently_is_refused_before_anything_else() {
    let world = World::open(optional()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    world.dashboard().news();
    for raw in [
        "POST /login HTTP/1.1\r\nHost: insights.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: insights.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: insights.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "POST /login HTTP/1.1\r\nHost: insights.example\r\nContent-Length: +1\r\n\r\nx",
        "GET http://evil.example/login HTTP/1.1\r\nHost: insights.example\r\nConnection: close\r\n\r\n",
        "GET /login\\x HTTP/1.1\r\nHost: insights.example\r\nConnection: close\r\n\r\n",
        "GET /login HTTP/1.1\r\nHost: insights.example\r\n folded: x\r\nConnection: close\r\n\r\n",
        "GET /login HTTP/1.1\r\nHost : insights.example\r\nConnection: close\r\n\r\n",
        "CONNECT insights.example:443 HTTP/1.1\r\nHost: insights.example\r\n\r\n",
        "TRACE /login HTTP/1.1\r\nHost: insights.example\r\nConnection: close\r\n\r\n",
    ] {
        let page = Page::new("", exchange(world.gateway(), raw.as_bytes()).await);
        assert!(!page.is_of_the_dashboard(), "{raw:?}");
        assert!(page.is_a_refusal(), "{raw:?}: {}", page.words());
        assert_eq!(world.dashboard().news(), [""; 0], "{raw:?}");
    }
}

#[tokio::test]
async fn failures_give_nothing_away() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let pages = [
        bob.opens("/_2fa/nothing").await,
        bob.posts("/_2fa/profile", &[]).await,
        bob.posts("/_2fa/settings/security/reset", &[("account", "1")]).await,
        broken(&world, &mut bob).await,
    ];
    for page in pages {
        for word in ["src/", ".rs", "sqlite", "SELECT", "rusqlite", "panicked", "hyper", "tokio", "127.0.0.1:"] {
            page.says_nothing_of(word);
        }
    }
}

async fn broken(world: &World, visitor: &mut Visitor) -> Page {
    let _lost = world.store_loses_everything();
    world.a_moment_passes();
    visitor.opens("/_2fa/profile").await
}
