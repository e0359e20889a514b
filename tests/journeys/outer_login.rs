//! A login in front of the gateway, which says in header fields who has logged in.

use crate::support::http::Request;
use crate::support::visitor::Visitor;
use crate::support::world::{Configuration, World};
use crate::support::{Sight, required};

const SECRET: &str = "a secret of 32 bytes or even more";

const IDENTITY: &str = r#"
source = "header"
user = "X-Forwarded-User"
email = "X-Forwarded-Email"
name = "X-Name"
organization = { fixed = "acme" }
admin = { header = "X-Groups", any = ["admins"] }
pass_headers = ["X-Session"]
"#;

/// A login on this machine.
fn beside() -> Configuration {
    required()
        .with("workers = 1", "workers = 1\ntrusted_proxies = [\"127.0.0.1\"]")
        .with("bind = \"cookie:sid\"", "bind = \"header:X-Session\"")
        .with_identity(IDENTITY)
}

/// A login that proves itself.
fn with_secret() -> Configuration {
    let secret = "secret_header = \"X-Login-Secret\"\nsecret_file = \"login.secret\"";
    beside().with("source = \"header\"", &format!("source = \"header\"\n{secret}"))
}

async fn open(configuration: Configuration) -> World {
    World::open_with(&[("login.secret", SECRET)], configuration).await
}

/// Somebody who has logged in there.
fn known(world: &World, login: &str) -> Visitor {
    let mut visitor = world.visitor(login);
    visitor.comes_with(&fields(login));
    visitor
}

fn fields(login: &str) -> Vec<(&'static str, &'static str)> {
    let bob = [("X-Forwarded-User", "id-bob"), ("X-Forwarded-Email", "bob@acme.example"), ("X-Name", "Bob Brown")];
    let alice = [("X-Forwarded-User", "id-alice"), ("X-Forwarded-Email", "alice@acme.example"), ("X-Name", "Alice")];
    let (who, groups) = if login == "alice" { (alice, "staff, admins") } else { (bob, "staff,administrators") };
    let rest = [("X-Groups", groups), ("X-Session", "s1"), ("X-Login-Secret", SECRET)];
    who.into_iter().chain(rest).collect()
}

/// The same fields with one of them said otherwise, or not at all.
fn but(login: &str, name: &str, values: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    let mut said = fields(login);
    let at = said.iter().position(|(field, _)| *field == name).expect("one of the fields");
    let (field, _) = said.remove(at);
    said.extend(values.iter().map(|value| (field, *value)));
    said
}

async fn enrolled(world: &World, login: &str) -> Visitor {
    let mut visitor = known(world, login);
    visitor.opens("/reports").await.shows(Sight::Enrollment);
    visitor.enrolls().await;
    visitor.opens("/reports").await.shows(Sight::Dashboard);
    visitor
}

#[tokio::test]
async fn whom_it_names_enrolls_gives_codes_and_reaches_the_dashboard_as_that_person() {
    let world = open(with_secret()).await;
    let mut bob = known(&world, "bob");
    bob.opens("/reports").await.shows(Sight::Enrollment);
    bob.page().says("Bob Brown");
    assert_eq!(world.dashboard().news(), [""; 0]);
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    let seen = world.dashboard().last_request();
    assert_eq!(seen.field("x-forwarded-user"), "id-bob");
    assert_eq!(seen.field("x-groups"), "staff,administrators");
    assert_eq!(seen.field("x-vestibule-user"), "id-bob");
    assert_eq!(seen.field("x-login-secret"), "", "the secret stays here");
    assert!(world.dashboard().questions().is_empty(), "the dashboard is not asked");

    let mut elsewhere = bob.elsewhere();
    elsewhere.comes_with(&but("bob", "X-Session", &["s2"]));
    elsewhere.opens("/reports").await.shows(Sight::Challenge);
    elsewhere.gives_a_fresh_code().await.shows(Sight::Dashboard);
    elsewhere.fetches("/api/x").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn the_session_ends_when_it_names_nobody_or_somebody_else_or_another_login() {
    for then in [but("bob", "X-Forwarded-User", &[]), fields("alice"), but("bob", "X-Session", &["s2"])] {
        let world = open(with_secret()).await;
        let mut bob = enrolled(&world, "bob").await;
        bob.comes_with(&then);
        bob.fetches("/api/x").await.problem(401);
        bob.comes_with(&fields("bob"));
        bob.fetches("/api/x").await.asks_for("second_factor_required", Some("/_2fa/verify"));
    }
}

#[tokio::test]
async fn whom_it_does_not_name_has_to_log_in_and_keeps_nothing() {
    let world = open(with_secret()).await;
    let mut nobody = world.visitor("bob");
    nobody.comes_with(&[("X-Login-Secret", SECRET)]);
    nobody.fetches("/api/x").await.asks_for("login_required", None);
    nobody.opens("/reports").await.is_at("/login?next=/reports");
    nobody.opens("/_2fa/profile").await.is_at("/login?next=/_2fa/profile");
}

/// Whatever is wrong, nobody passes, session or not, and nothing of it reaches the dashboard.
async fn nobody_passes(world: &World, bob: &mut Visitor, fields: &[(&str, &str)]) {
    world.dashboard().news();
    bob.comes_with(fields);
    bob.fetches("/api/x").await.problem(502);
    bob.opens("/reports").await.shows(Sight::NobodySaysWho);
    bob.opens("/_2fa/profile").await.shows(Sight::NobodySaysWho);
    assert_eq!(world.dashboard().news(), [""; 0], "{fields:?}");
}

#[tokio::test]
async fn a_field_that_stands_twice_or_is_odd_is_nobodys() {
    let world = open(with_secret()).await;
    let mut bob = enrolled(&world, "bob").await;
    let user = |values: &[&'static str]| but("bob", "X-Forwarded-User", values);
    let long = Box::leak("x".repeat(257).into_boxed_str());
    for odd in [
        user(&["id-bob", "id-bob"]),
        user(&["id-bob", "id-alice"]),
        user(&["id-bob", ""]),
        user(&[""]),
        user(&["id-bob, id-alice"]),
        user(&["id-bob,id-alice"]),
        user(&["id-bob;x"]),
        user(&["id\tbob"]),
        user(&["id-\u{85}bob"]),
        user(&[long]),
        but("bob", "X-Groups", &["staff", "admins"]),
        but("bob", "X-Forwarded-Email", &["bob@acme.example", "alice@acme.example"]),
    ] {
        nobody_passes(&world, &mut bob, &odd).await;
    }
    // What people are called decides nothing.
    bob.comes_with(&but("bob", "X-Name", &["Brown, Bob"]));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    bob.comes_with(&but("bob", "X-Forwarded-Email", &["a@acme.example, b@acme.example"]));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn the_user_has_to_be_text() {
    let world = open(with_secret()).await;
    let bytes = b"GET / HTTP/1.1\r\nHost: insights.example\r\nX-Login-Secret: SECRET\r\nX-Session: s1\r\n\
                  X-Forwarded-User: id-b\xffb\r\nConnection: close\r\n\r\n";
    let bytes = bytes.to_vec();
    let at = bytes.windows(6).position(|part| part == b"SECRET").expect("a place for it");
    let bytes = [&bytes[..at], SECRET.as_bytes(), &bytes[at + 6..]].concat();
    let answer = crate::support::http::exchange(world.gateway(), &bytes).await;
    assert_eq!(answer.status, 502);
    assert_eq!(world.dashboard().news(), [""; 0]);
}

#[tokio::test]
async fn a_spelling_that_some_servers_read_as_the_name_is_nobodys() {
    let world = open(with_secret()).await;
    let mut bob = enrolled(&world, "bob").await;
    for name in ["X_Forwarded_User", "x-forwarded_user", "X.Forwarded.User", "X_Groups", "X_Login_Secret", "X~Session"]
    {
        let with = [&fields("bob")[..], &[(name, "id-alice")]].concat();
        nobody_passes(&world, &mut bob, &with).await;
        let instead = [&but("bob", "X-Forwarded-User", &[])[..], &[(name, "id-alice")]].concat();
        nobody_passes(&world, &mut bob, &instead).await;
    }
    // Of other fields such names are dropped, as ever.
    bob.comes_with(&[&fields("bob")[..], &[("X_Other", "1")]].concat());
    bob.fetches("/api/x").await.comes_from_the_dashboard();
    assert_eq!(world.dashboard().last_request().field("x_other"), "");
}

#[tokio::test]
async fn without_the_secret_nobody_is_believed() {
    let world = open(with_secret()).await;
    let mut bob = enrolled(&world, "bob").await;
    let secret = |values: &[&'static str]| but("bob", "X-Login-Secret", values);
    for wrong in [
        secret(&[]),
        secret(&[""]),
        secret(&["a secret of 32 bytes or even mora"]),
        secret(&["a secret of 32 bytes or even mor"]),
        secret(&["a secret of 32 bytes or even more!"]),
        secret(&[SECRET, SECRET]),
        secret(&["wrong", SECRET]),
    ] {
        nobody_passes(&world, &mut bob, &wrong).await;
    }
    bob.comes_with(&fields("bob"));
    bob.fetches("/api/x").await.comes_from_the_dashboard();
}

#[tokio::test]
async fn from_elsewhere_nobody_is_believed_and_the_fields_go_no_further() {
    let world = open(with_secret()).await;
    let mut bob = enrolled(&world, "bob").await;
    world.reloads(&with_secret().with("[\"127.0.0.1\"]", "[\"127.0.0.2\"]"));
    nobody_passes(&world, &mut bob, &fields("bob")).await;
    // What is open to everybody is, without them.
    bob.opens("/login").await.shows(Sight::DashboardLogin);
    let seen = world.dashboard().last_request();
    for field in ["x-forwarded-user", "x-forwarded-email", "x-name", "x-groups", "x-session", "x-login-secret"] {
        assert_eq!(seen.field(field), "", "{field}");
    }
    world.reloads(&with_secret());
    bob.opens("/login").await.shows(Sight::DashboardLogin);
    assert_eq!(world.dashboard().last_request().field("x-forwarded-user"), "id-bob");
}

#[tokio::test]
async fn on_this_machine_it_needs_no_secret() {
    let world = open(beside()).await;
    let mut bob = known(&world, "bob");
    bob.comes_with(&but("bob", "X-Login-Secret", &[]));
    bob.opens("/reports").await.shows(Sight::Enrollment);
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn connection_takes_none_of_its_fields_away() {
    let world = open(with_secret()).await;
    let mut bob = enrolled(&world, "bob").await;
    let request =
        |bob: &Visitor| bob.request("GET", "/reports").with("Connection", "X-Groups, X-Forwarded-User, X-Hop");
    bob.sends(request(&bob).with("X-Hop", "1")).await.shows(Sight::Dashboard);
    let seen = world.dashboard().last_request();
    assert_eq!((seen.field("x-forwarded-user"), seen.field("x-hop")), ("id-bob".into(), String::new()));
    assert_eq!(seen.field("x-groups"), "staff,administrators");
}

#[tokio::test]
async fn nothing_but_its_fields_says_who_somebody_is() {
    let world = open(with_secret()).await;
    let mut bob = enrolled(&world, "bob").await;
    let token = world.dashboard().token_of("alice");
    let request: Request = bob.request("GET", "/reports").with("Authorization", format!("Bearer {token}"));
    bob.sends(request).await.shows(Sight::Dashboard);
    assert_eq!(world.dashboard().last_request().field("authorization"), "");
}

#[tokio::test]
async fn administrators_are_those_with_the_group_in_this_very_request() {
    let world = open(with_secret()).await;
    let mut alice = enrolled(&world, "alice").await;
    enrolled(&world, "bob").await.opens("/_2fa/settings/security").await.shows(Sight::LimitedAccess);
    alice.opens("/_2fa/settings/security").await.shows(Sight::Security);
    assert_eq!(alice.page().listed(), ["Alice", "Bob Brown"]);
    for groups in ["staff", "Admins", "admins staff", "\"admins\"", "administrators, admin", "admins;x", ""] {
        alice.comes_with(&but("alice", "X-Groups", &[groups]));
        alice.opens("/_2fa/settings/security").await.shows(Sight::LimitedAccess);
    }
    alice.comes_with(&but("alice", "X-Groups", &[]));
    alice.opens("/_2fa/settings/security").await.shows(Sight::LimitedAccess);
    for groups in ["admins", "staff,admins", "staff , admins , x"] {
        alice.comes_with(&but("alice", "X-Groups", &[groups]));
        alice.opens("/_2fa/settings/security").await.shows(Sight::Security);
    }
}

#[tokio::test]
async fn a_live_connection_ends_with_the_login() {
    let world = open(with_secret()).await;
    let mut bob = enrolled(&world, "bob").await;
    let mut live = bob.listens_to("/events").await;
    live.hears(b"hello").await;
    bob.comes_with(&but("bob", "X-Forwarded-User", &[]));
    bob.fetches("/api/x").await.problem(401);
    live.ends().await;
}
