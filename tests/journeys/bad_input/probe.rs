//! A dashboard that does not say who is logged in: nobody passes, whoever they are.

use crate::support::dashboard::Mood;
use crate::support::visitor::Visitor;
use crate::support::world::World;
use crate::support::{Sight, optional, required};

fn json(text: &str) -> Mood {
    Mood::Says(200, "application/json", text.to_owned())
}

/// Everything that is neither somebody nor proof of nobody.
fn bad_moods() -> Vec<Mood> {
    let html = "<!doctype html><title>Log in</title><form action=/login>".to_owned();
    let mut moods = vec![
        Mood::HangsUp,
        Mood::Floods,
        Mood::Redirects("/login"),
        Mood::Redirects("/"),
        Mood::Redirects("http://elsewhere.example/"),
        Mood::Says(200, "text/html", html.clone()),
        Mood::Says(200, "text/html", String::new()),
        Mood::Says(200, "application/json", html),
        Mood::Says(200, "text/plain", "{\"id\":\"id-bob\",\"company\":{\"slug\":\"acme\"}".to_owned()),
    ];
    let sound = r#"{"id":"id-bob","company":{"slug":"acme"}}"#;
    for status in [400, 404, 405, 407, 409, 418, 429, 500, 501, 502, 503, 504, 520] {
        moods.push(Mood::Says(status, "application/json", sound.to_owned()));
    }
    let documents = [
        "",
        " ",
        "null,",
        "{",
        "{\"id\":\"id-bob\"",
        "{\"id\":\"id-bob\"}",
        "{\"id\":\"id-bob\",\"company\":{}}",
        "{\"id\":\"id-bob\",\"company\":{\"slug\":null}}",
        "{\"id\":\"id-bob\",\"company\":{\"slug\":\"\"}}",
        "{\"id\":\"id-bob\",\"company\":{\"slug\":[\"acme\"]}}",
        "{\"id\":\"id-bob\",\"company\":{\"slug\":true}}",
        "{\"id\":\"id-bob\",\"company\":\"acme\"}",
        "{\"id\":[\"id-bob\"],\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":{\"x\":1},\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":true,\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":1.5,\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":\"id-bob\\u0000\",\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":\"id-bob\\n\",\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":\"id-bob\",\"company\":{\"slug\":\"ac\\u001bme\"}}",
        "{\"id\":\"id-bob\",\"id\":\"id-carol\",\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":\"id-bob\",\"company\":{\"slug\":\"acme\",\"slug\":\"globex\"}}",
        "{\"id\":\"id-bob\",\"email\":7,\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":\"id-bob\",\"name\":{\"x\":1},\"company\":{\"slug\":\"acme\"}}",
        "{\"id\":\"id-bob\",\"company\":{\"slug\":\"acme\"}} trailing",
        "NaN",
    ];
    moods.extend(documents.map(json));
    moods.push(json(&format!("{{\"id\":\"{}\",\"company\":{{\"slug\":\"acme\"}}}}", "x".repeat(300))));
    moods.push(json(&"[".repeat(100_000)));
    moods
}

/// Fails if anything passes for this visitor.
async fn nothing_passes(world: &World, visitor: &mut Visitor, mood: &Mood) {
    world.a_moment_passes();
    world.dashboard().news();
    let page = visitor.opens("/reports").await;
    assert!(!page.is_of_the_dashboard(), "{mood:?}");
    page.shows(Sight::NobodySaysWho);
    let reply = visitor.fetches("/reports").await.problem(502);
    assert_eq!(reply["reason"], "identity_unknown", "{mood:?}");
    visitor.opens("/_2fa/profile").await.shows(Sight::NobodySaysWho);
    visitor.posts("/_2fa/verify", &[("code", "000000")]).await.shows(Sight::NobodySaysWho);
    assert_eq!(world.dashboard().news(), [""; 0], "{mood:?}");
}

#[tokio::test]
async fn nobody_passes_whatever_it_says_instead() {
    let world = World::open(optional()).await;
    let mut unasked = world.logged_in("carol").await;
    unasked.opens("/reports").await.shows(Sight::Dashboard);
    let mut verified = world.enrolled("bob").await;
    for mood in bad_moods() {
        world.dashboard().is(mood.clone());
        nothing_passes(&world, &mut unasked, &mood).await;
        nothing_passes(&world, &mut verified, &mood).await;
    }
    // Nothing can be said of them, so nothing has ended either.
    world.dashboard().is(Mood::Sound);
    world.a_moment_passes();
    unasked.opens("/reports").await.shows(Sight::Dashboard);
    verified.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn nobody_passes_while_it_says_nothing() {
    let world = World::open(optional().with("timeout = \"2s\"", "timeout = \"1s\"")).await;
    let mut bob = world.enrolled("bob").await;
    world.dashboard().is(Mood::Hangs);
    world.a_moment_passes();
    world.dashboard().news();
    bob.opens("/reports").await.shows(Sight::NobodySaysWhoInTime);
    bob.fetches("/reports").await.problem(503);
    assert_eq!(world.dashboard().news(), [""; 0]);
    world.dashboard().is(Mood::Sound);
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn the_login_page_stays_open_so_that_there_is_a_way_back() {
    let world = World::open(required()).await;
    world.dashboard().is(Mood::Says(500, "text/plain", "oops".to_owned()));
    let mut bob = world.visitor("bob");
    bob.opens("/login").await.shows(Sight::DashboardLogin);
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::NobodySaysWho);
    world.dashboard().is(Mood::Sound);
    bob.opens("/reports").await.shows(Sight::Enrollment);
}

#[tokio::test]
async fn its_words_for_nobody_end_the_session() {
    for mood in [
        Mood::Says(401, "text/html", "who are you?".to_owned()),
        Mood::Says(403, "application/json", String::new()),
        json("{}"),
        json("null"),
        json("{\"id\":null}"),
        json("{\"id\":\"\"}"),
    ] {
        let world = World::open(required()).await;
        let mut bob = world.enrolled("bob").await;
        let session = bob.session().expect("a session");
        world.dashboard().is(mood.clone());
        world.a_moment_passes();
        bob.opens("/reports").await.shows(Sight::DashboardLogin);
        world.dashboard().is(Mood::Sound);
        bob.has_cookie("vestibule", &session);
        bob.opens("/reports").await.shows(Sight::Challenge);
    }
}

#[tokio::test]
async fn nobody_is_admin_by_a_value_of_another_type() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for role in
        ["true", "1", "null", "[\"Admin\"]", "{\"role\":\"admin\"}", "[[\"admin\"]]", "\"admin \"", "{\"x\":\"admin\"}"]
    {
        let document = format!("{{\"id\":\"id-bob\",\"role\":{role},\"company\":{{\"slug\":\"acme\"}}}}");
        world.dashboard().is(json(&document));
        let page = bob.opens("/_2fa/settings").await;
        assert!(page.offers("/_2fa/logout") || !page.is_of_the_dashboard(), "{role}");
        page.shows(Sight::LimitedAccess);
    }
    for role in ["\"admin\"", "[\"member\",\"admin\"]", "{\"admin\":true}"] {
        let document = format!("{{\"id\":\"id-bob\",\"role\":{role},\"company\":{{\"slug\":\"acme\"}}}}");
        world.dashboard().is(json(&document));
        bob.opens("/_2fa/settings").await.shows(Sight::Settings);
    }
}
