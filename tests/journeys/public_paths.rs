//! Paths that are open to everybody, and those that only look like it.

use crate::support::world::World;
use crate::support::{Sight, required};

#[tokio::test]
async fn the_login_page_and_what_it_loads_are_open() {
    let world =
        World::open(required().with("public = [\"/login\", ", "public = [\"/login\", \"/index.php?title=Login\", "))
            .await;
    let mut somebody = world.visitor("bob");
    let open = ["/login", "/login?next=/../x", "/static/app.css", "/static/js/a%20b.js?v=3", "/index.php?title=Login"];
    for target in open {
        let request = somebody.navigation(target);
        assert!(somebody.sends(request).await.is_of_the_dashboard(), "{target}");
    }
    assert_eq!(world.dashboard().news(), open);
    assert!(world.dashboard().questions().is_empty(), "nobody is asked about on a public path");
}

#[tokio::test]
async fn a_method_that_nobody_knows_opens_none() {
    let world = World::open(required()).await;
    let stranger = world.visitor("bob");
    for method in ["PROPFIND", "get", "PURGE"] {
        for path in ["/login", "/static/app.css", "/logout"] {
            let answer = stranger.request(method, path).send(world.gateway()).await;
            assert_eq!((answer.status, world.dashboard().news()), (401, vec![]), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn lookalikes_are_not() {
    let world =
        World::open(required().with("public = [\"/login\", ", "public = [\"/login\", \"/index.php?title=Login\", "))
            .await;
    let mut stranger = world.visitor("bob");
    let mut pending = world.logged_in("carol").await;
    pending.opens("/").await.shows(Sight::Enrollment);
    world.dashboard().news();
    for target in LOOKALIKES {
        for visitor in [&mut stranger, &mut pending] {
            let request = visitor.navigation(target);
            let page = visitor.sends(request).await;
            assert!(!page.is_of_the_dashboard(), "{target}");
            assert_eq!(world.dashboard().news(), [""; 0], "{target}");
        }
    }
}

#[tokio::test]
async fn with_a_passage_they_are_forwarded_exactly_as_they_came() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    world.dashboard().news();
    for target in LOOKALIKES {
        let request = bob.navigation(target);
        bob.sends(request).await;
        assert_eq!(world.dashboard().news(), [*target], "{target}");
    }
}

const LOOKALIKES: &[&str] = &[
    "/",
    "/Login",
    "/LOGIN",
    "/login/",
    "/login/x",
    "/loginx",
    "/x/login",
    "/login%2f",
    "/login%2Fx",
    "/%6cogin",
    "/login%00",
    "/login%20",
    "/login.",
    "/login;x=1",
    "/login;/../reports",
    "/./login",
    "/x/../login",
    "/login/..",
    "//login",
    "//static/app.css",
    "/static",
    "/Static/app.css",
    "/static/../reports",
    "/static/..%2freports",
    "/static/%2e%2e/reports",
    "/static/%2E%2E%2Freports",
    "/static/.%2e/reports",
    "/static/x/../../reports",
    "/static//reports",
    "/static/./app.css",
    "/static/..;/reports",
    "/static/%5c..%5creports",
    "/static/%c0%ae%c0%ae/reports",
    "/static/%ff",
    "/static/%252e%252e/reports",
    "/static/%",
    "/static/%zz",
    "/reports?/login",
    "/reports?x=/static/app.css",
    "/index.php",
    "/index.php?title=Login&x=1",
    "/index.php?x=1&title=Login",
    "/index.php?title=login",
    "/index.php?title=Log%69n",
    "/_2fax/verify",
    "/_2FA/verify",
    "/_2fa%2fverify",
    "/%5f2fa/verify",
];
