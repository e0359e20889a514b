//! What leave to send a request on says, and to whom it is given.

use crate::asking::{
    ALL, IDENTITY, about, asked, asked_of_some, is_leave, is_refusal, opens, pending_sessions, question, to,
    told_by_nginx,
};
use crate::support::Sight;
use crate::support::world::World;

fn said<'a>(answer: &'a crate::support::http::Answer, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| answer.field(name).unwrap_or("missing")).collect()
}

#[tokio::test]
async fn it_names_who_passes_and_leaves_the_cookies_but_for_the_gateways_own() {
    let world = World::open(asked()).await;
    let mut bob = world.enrolled("bob").await;
    bob.has_cookie("odd", "\"a b\"=;c");
    let session = bob.session().expect("a session");
    let login = bob.cookie("sid").expect("a login");
    for server in ALL {
        let answer = opens(server, &world, &bob, "/reports?x=%2F&y=1").await;
        is_leave(&answer);
        assert_eq!(said(&answer, &IDENTITY), ["id-bob", "acme", "totp", "2027-01-15T08:00:00Z"], "{server}");
        let cookies = answer.field("cookie").expect("cookies");
        assert!(cookies.contains(&login) && cookies.contains("odd=\"a b\"=;c"), "{cookies}");
        assert!(!cookies.contains(&session) && !cookies.contains("vestibule"), "{cookies}");
    }
    assert_eq!(world.dashboard().requests().iter().filter(|seen| seen.target.starts_with("/reports")).count(), 0);
}

#[tokio::test]
async fn whoever_is_asked_for_none_passes_without_one() {
    let world = World::open(asked_of_some()).await;
    let bob = world.logged_in("bob").await;
    for server in ALL {
        let answer = opens(server, &world, &bob, "/reports").await;
        is_leave(&answer);
        assert_eq!(said(&answer, &IDENTITY), ["id-bob", "acme", "none", ""], "{server}");
    }
}

#[tokio::test]
async fn a_path_that_is_open_to_everybody_names_nobody() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    for visitor in [&world.visitor("zoe"), &bob] {
        for server in ALL {
            let answer = opens(server, &world, visitor, "/static/app.css?v=1").await;
            is_leave(&answer);
            assert_eq!(said(&answer, &IDENTITY), ["", "", "none", ""], "{server}");
        }
    }
}

#[tokio::test]
async fn any_method_of_any_program_is_asked_about_alike() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    let stranger = world.visitor("bob");
    for server in ALL {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
            is_leave(&about(server, method, "/reports", &world, bob.request(method, "/")).send(world.gateway()).await);
        }
        for agent in ["GoogleHC/1.0", "kube-probe/1.2", "ELB-HealthChecker/2.0", ""] {
            let request = stranger.navigation("/reports").without("User-Agent").with("User-Agent", agent);
            is_refusal(server, &question(server, &world, request).send(world.gateway()).await);
        }
        let request = bob.navigation("/reports").without("User-Agent");
        is_leave(&question(server, &world, request).send(world.gateway()).await);
        for path in ["/healthz", "/ping", "/livez", "/robots.txt", "/.well-known/x"] {
            is_refusal(server, &opens(server, &world, &stranger, path).await);
        }
    }
}

#[tokio::test]
async fn pages_that_are_shown_to_nobody_are_shown_without_any_credential() {
    let open = asked().with("public = [\"/login\", ", "public_until_login = [\"/front\"]\npublic = [\"/login\", ");
    let world = World::open(open).await;
    let mut visitor = world.visitor("bob");
    visitor.has_cookie("theme", "dark");
    for server in ALL {
        let request = visitor.navigation("/front").with("Authorization", "Bearer x");
        let answer = question(server, &world, request).send(world.gateway()).await;
        is_leave(&answer);
        assert_eq!(said(&answer, &["cookie", "authorization", IDENTITY[0]]), ["", "", ""], "{server}");
    }
    let bob = world.enrolled("bob").await;
    let token = world.dashboard().token_of("bob");
    let request = bob.navigation("/front").with("Authorization", format!("Bearer {token}"));
    let answer = question("traefik", &world, request).send(world.gateway()).await;
    is_leave(&answer);
    assert_eq!(answer.field("authorization"), Some(&*format!("Bearer {token}")), "so that it can always be copied");
    assert_eq!(answer.field(IDENTITY[0]), Some("id-bob"));

    let mut pending = world.enrolled("carol").await.elsewhere();
    pending.logs_in().await;
    is_refusal("nginx", &opens("nginx", &world, &pending, "/front").await);
}

#[tokio::test]
async fn a_parameter_that_would_have_to_be_taken_out_is_no_way_in() {
    let open = asked()
        .with("public = [\"/login\", ", "public_until_login = [\"/front\"]\npublic = [\"/login\", ")
        .with("bind = \"cookie:sid\"", "credentials = [\"cookie\", \"query:access_token\"]");
    let world = World::open(open).await;
    let visitor = world.visitor("bob");
    for server in ALL {
        is_leave(&opens(server, &world, &visitor, "/front?x=1").await);
        is_refusal(server, &opens(server, &world, &visitor, "/front?x=1&access_token=t").await);
    }
}

#[tokio::test]
async fn each_site_is_found_by_the_host_of_the_original_request() {
    let two = asked().and(
        r#"
[[site]]
name = "reports"
hosts = ["reports.example"]
upstream = "http://DASHBOARD"
public = ["/login", "/news"]

[site.identity]
url = "/api/me"
user = "/id"
organization = { fixed = "others" }
"#,
    );
    let world = World::open(two).await;
    let visitor = world.visitor("bob");
    for server in ["traefik", "caddy", "haproxy"] {
        let at = |host: &str| {
            let request = question(server, &world, visitor.navigation("/news"));
            request.without("X-Forwarded-Host").with("X-Forwarded-Host", host)
        };
        is_leave(&at("reports.example").send(world.gateway()).await);
        is_refusal(server, &at("insights.example").send(world.gateway()).await);
        assert_eq!(at("elsewhere.example").send(world.gateway()).await.status, 421);
    }
}

#[tokio::test]
async fn nginx_is_told_what_to_tell_and_opens_nothing_by_asking() {
    let world = World::open(asked()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    for _ in 0..3 {
        is_refusal("nginx", &opens("nginx", &world, &bob, "/reports").await);
    }
    assert_eq!(pending_sessions(&world), 0);
    let answer = told_by_nginx(&world, bob.navigation("/reports?x=1")).await;
    assert_eq!((answer.status, answer.field("location")), (303, Some("/_2fa/verify?next=/reports%3Fx%3D1")));
    assert_eq!((answer.cookies().count(), pending_sessions(&world)), (1, 1));

    let program = bob.request("GET", "/api").with("Accept", "application/json");
    let answer = told_by_nginx(&world, program).await;
    assert_eq!((answer.status, answer.field("content-type")), (401, Some("application/problem+json")));
    let answer = told_by_nginx(&world, world.visitor("bob").navigation("/reports")).await;
    assert_eq!((answer.status, answer.field("location")), (303, Some("/login?next=/reports")));
}

#[tokio::test]
async fn whoever_may_pass_by_the_second_question_asks_again() {
    let world = World::open(asked()).await;
    let mut bob = world.enrolled("bob").await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    for (target, place) in [("/reports?x=1", "/reports?x=1"), ("//evil.example/x", "/"), ("/login", "/login")] {
        let answer = told_by_nginx(&world, bob.navigation(target)).await;
        assert_eq!((answer.status, answer.field("location")), (303, Some(place)), "{target}");
    }
    let program = bob.request("GET", "/api").with("Accept", "application/json");
    let answer = told_by_nginx(&world, program).await;
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("0")));
    let form = about("nginx", "POST", "/reports", &world, bob.navigation("/reports"));
    let answer = to("GET", "/_2fa/auth/nginx/answer", form).send(world.gateway()).await;
    assert_eq!(answer.status, 503, "a form can't be sent again by a redirect");
}
