//! What the gateway does not see when others send requests on: logins, logouts, and who somebody is from then on.

use std::time::Duration;

use crate::asking::{ALL, about, asked, is_leave, is_refusal, opens};
use crate::support::dashboard::Person;
use crate::support::visitor::Visitor;
use crate::support::world::World;

/// A form that is sent on to the dashboard.
async fn form(server: &str, world: &World, visitor: &Visitor, target: &str) {
    let request = about(server, "POST", target, world, visitor.form_request(target, &[]).body(""));
    is_leave(&request.send(world.gateway()).await);
}

/// How often the dashboard was asked who somebody is while they open three pages.
async fn questions(server: &str, world: &World, visitor: &Visitor) -> usize {
    let before = world.dashboard().questions().len();
    for _ in 0..3 {
        opens(server, world, visitor, "/reports").await;
    }
    world.dashboard().questions().len() - before
}

#[tokio::test]
async fn a_form_on_a_public_path_may_be_a_login_and_nothing_is_remembered_meanwhile() {
    for server in ALL {
        let world = World::open(asked()).await;
        let bob = world.enrolled("bob").await;
        let carol = world.enrolled("carol").await;
        world.a_moment_passes();
        assert_eq!((questions(server, &world, &bob).await, questions(server, &world, &bob).await), (1, 0));
        assert_eq!(questions(server, &world, &carol).await, 1);
        form(server, &world, &bob, "/login").await;
        assert_eq!((questions(server, &world, &bob).await, questions(server, &world, &bob).await), (3, 3), "{server}");
        assert_eq!(
            (questions(server, &world, &carol).await, questions(server, &world, &carol).await),
            (1, 0),
            "forgotten once"
        );
        world.passes(Duration::from_mins(1));
        assert_eq!(
            (questions(server, &world, &bob).await, questions(server, &world, &bob).await),
            (1, 0),
            "by then it is over"
        );
    }
}

#[tokio::test]
async fn who_becomes_somebody_else_in_the_same_login_is_noticed_at_the_next_page() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    is_leave(&opens("caddy", &world, &bob, "/reports").await);
    form("caddy", &world, &bob, "/login").await;
    // The question while the login is on its way, and the dashboard that then keeps its session id.
    is_leave(&opens("caddy", &world, &bob, "/reports").await);
    world.dashboard().changes("bob", |person: &mut Person| person.id = "id-zoe".to_owned());
    is_refusal("caddy", &opens("caddy", &world, &bob, "/reports").await);
}

#[tokio::test]
async fn where_sessions_are_not_bound_a_form_on_a_public_path_ends_the_one_it_came_with() {
    for server in ALL {
        let world = World::open(asked().with("bind = \"cookie:sid\"\n", "")).await;
        let bob = world.enrolled("bob").await;
        is_leave(&opens(server, &world, &bob, "/login").await);
        is_leave(&opens(server, &world, &bob, "/reports").await);
        form(server, &world, &bob, "/login").await;
        is_refusal(server, &opens(server, &world, &bob, "/reports").await);
    }
}

#[tokio::test]
async fn where_they_are_it_stays_with_its_login() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    form("traefik", &world, &bob, "/login").await;
    is_leave(&opens("traefik", &world, &bob, "/reports").await);
}

#[tokio::test]
async fn a_logout_ends_the_session_whatever_its_method() {
    for server in ALL {
        for method in ["GET", "POST"] {
            let world = World::open(asked()).await;
            let bob = world.enrolled("bob").await;
            let logout = about(server, method, "/logout", &world, bob.request("GET", "/"));
            is_leave(&logout.send(world.gateway()).await);
            is_refusal(server, &opens(server, &world, &bob, "/reports").await);
            assert_eq!(questions(server, &world, &bob).await, 3, "nothing is remembered of a login that ends");
        }
    }
}

#[tokio::test]
async fn who_has_logged_in_is_asked_as_the_request_that_is_sent_on() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    world.a_moment_passes();
    let request = crate::asking::question("nginx", &world, bob.navigation("/reports")).with("Via", "1.1 outer");
    let request = request.without("X-Forwarded-For").with("X-Forwarded-For", "127.0.0.9, 127.0.0.1");
    is_leave(&request.send(world.gateway()).await);
    let asked = world.dashboard().questions().pop().expect("a question");
    assert_eq!(asked.field("x-forwarded-for"), "127.0.0.9, 127.0.0.1", "without a hop that the request has not");
    assert_eq!(asked.field("host"), world.gateway().to_string());
    assert_eq!(asked.field("x-forwarded-host"), world.gateway().to_string());
    assert_eq!(asked.field("x-original-uri"), "");
    assert!(!asked.field("cookie").contains("vestibule"));
}
