//! Nothing but leave is a success, whatever goes wrong.

use crate::asking::{ALL, about, asked, is_leave, is_refusal, opens, question, told_by_nginx};
use crate::support::dashboard::Mood;
use crate::support::http::Request;
use crate::support::required;
use crate::support::visitor::Visitor;
use crate::support::world::World;

async fn all_refuse(world: &World, visitor: &Visitor, target: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for server in ALL {
        let answer = opens(server, world, visitor, target).await;
        is_refusal(server, &answer);
        statuses.push(answer.status);
    }
    statuses.push(told_by_nginx(world, visitor.navigation(target)).await.status);
    statuses
}

#[tokio::test]
async fn who_may_not_pass_gets_what_the_gateway_itself_would_answer() {
    let world = World::open(asked()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    let carol = world.logged_in("carol").await;
    assert_eq!(all_refuse(&world, &bob, "/reports").await, [401, 303, 303, 303, 303, 303], "nobody");
    bob.logs_in().await;
    assert_eq!(all_refuse(&world, &bob, "/reports").await, [401, 303, 303, 303, 303, 303], "without a code");
    assert_eq!(all_refuse(&world, &carol, "/reports").await, [401, 303, 303, 303, 303, 303], "not enrolled");
    let answer = opens("traefik", &world, &bob, "/reports").await;
    assert_eq!(answer.field("location"), Some("/_2fa/verify?next=/reports"));
    assert_eq!(answer.cookies().count(), 1, "of the pending session");
    let program = question("caddy", &world, bob.request("GET", "/api")).send(world.gateway()).await;
    assert_eq!((program.status, program.field("content-type")), (401, Some("application/problem+json")));
    let form = about("haproxy", "POST", "/api", &world, bob.request("GET", "/")).send(world.gateway()).await;
    assert_eq!(form.status, 401);
}

#[tokio::test]
async fn whatever_the_dashboard_says_in_its_moods_is_no_leave() {
    let world = World::open(asked().with("cache = \"5s\"", "cache = \"0s\"")).await;
    let bob = world.enrolled("bob").await;
    let moods = [
        Mood::Says(200, "application/json", "{".into()),
        Mood::Says(200, "text/html", "<h1>Welcome</h1>".into()),
        Mood::Says(204, "application/json", String::new()),
        Mood::Says(500, "application/json", "{\"id\":\"id-bob\"}".into()),
        Mood::Says(401, "application/json", "{}".into()),
        Mood::Redirects("/elsewhere"),
        Mood::HangsUp,
    ];
    for mood in moods {
        world.dashboard().is(mood.clone());
        let statuses = all_refuse(&world, &bob, "/reports").await;
        assert!(statuses.iter().all(|status| [303, 401, 502].contains(status)), "{mood:?}: {statuses:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_gone_lets_nobody_through() {
    let world = World::open(asked()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    let _loss = world.store_loses_everything();
    assert_eq!(all_refuse(&world, &bob, "/reports").await, [401, 503, 503, 503, 503, 503]);
}

#[tokio::test]
async fn the_gateways_own_pages_are_not_the_outer_servers_to_send_on() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    for target in ["/_2fa", "/_2fa/profile", "/_2fa/status", "/_2fa/auth/nginx", "/_2fa/auth/envoy/reports"] {
        assert_eq!(all_refuse(&world, &bob, target).await, [401, 404, 404, 404, 404, 404], "{target}");
    }
}

/// A proxy that sends everything to the gateway is trusted as well: what a page's script has it ask is no question, or the
/// script would read the cookies that the browser keeps from it.
#[tokio::test]
async fn a_trusted_proxy_that_the_operator_does_not_name_has_no_questions() {
    for named in [None, Some("nginx"), Some("envoy")] {
        let servers = named.map(|name| format!("forward_auth = [{name:?}]\n")).unwrap_or_default();
        let server = format!("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n{servers}");
        let world = World::open(required().with("[server]\n", &server)).await;
        let bob = world.enrolled("bob").await;
        for server in ALL.into_iter().filter(|server| Some(*server) != named) {
            let host = world.gateway().to_string();
            let asks = question(server, &world, bob.navigation("/reports")).without("Host").with("Host", host);
            let answer = asks.send(world.gateway()).await;
            assert_eq!(answer.status, 404, "{server}, where {named:?} may ask");
            for name in ["cookie", "x-vestibule-user"] {
                assert!(answer.field(name).is_none(), "{server}: {name}");
            }
        }
        if named != Some("nginx") {
            assert_eq!(told_by_nginx(&world, bob.navigation("/reports")).await.status, 404);
        }
    }
}

#[tokio::test]
async fn hosts_and_targets_that_no_request_may_have_are_refused() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    let asks = |server: &str| question(server, &world, bob.navigation("/reports"));
    for host in ["elsewhere.example", "127.0.0.1:x", "insights.example, 127.0.0.1", "http://127.0.0.1"] {
        for server in ["traefik", "caddy", "haproxy"] {
            let request = asks(server).without("X-Forwarded-Host").with("X-Forwarded-Host", host);
            is_refusal(server, &request.send(world.gateway()).await);
        }
        for server in ["nginx", "envoy"] {
            let answer = asks(server).without("Host").with("Host", host).send(world.gateway()).await;
            is_refusal(server, &answer);
        }
    }
    for target in
        ["*", "reports", "http://127.0.0.1/reports", "/reports#x", "/rep orts", "/reports\\x", "/\u{e9}", "", "?"]
    {
        for (server, name) in
            [("nginx", "X-Original-URI"), ("traefik", "X-Forwarded-Uri"), ("caddy", "X-Forwarded-Uri")]
        {
            let answer = asks(server).without(name).with(name, target).send(world.gateway()).await;
            is_refusal(server, &answer);
        }
    }
    for method in ["CONNECT", "TRACE", "G T", "", "GET, POST"] {
        for (server, name) in [("nginx", "X-Original-Method"), ("haproxy", "X-Forwarded-Method")] {
            let answer = asks(server).without(name).with(name, method).send(world.gateway()).await;
            is_refusal(server, &answer);
        }
    }
}

#[tokio::test]
async fn without_tls_on_the_way_from_another_machine_nobody_passes() {
    let world = World::open(asked()).await;
    let bob = world.enrolled("bob").await;
    for server in ALL {
        let from_afar = question(server, &world, bob.navigation("/reports")).without("X-Forwarded-For");
        let answer = from_afar.with("X-Forwarded-For", "203.0.113.9").send(world.gateway()).await;
        is_refusal(server, &answer);
        assert!(server == "nginx" || answer.status == 403);
    }
}

#[tokio::test]
async fn who_is_not_trusted_learns_nothing() {
    let others = "trusted_proxies = [\"192.0.2.1\"]";
    let world = World::open(asked().with("trusted_proxies = [\"127.0.0.1\"]", others)).await;
    let bob = world.enrolled("bob").await;
    let public = world.visitor("zoe");
    for (visitor, target) in [(&bob, "/reports"), (&public, "/login"), (&public, "/static/x")] {
        assert_eq!(all_refuse(&world, visitor, target).await, [401, 403, 403, 403, 403, 403]);
    }
}

#[tokio::test]
async fn a_second_name_for_the_request_does_not_open_another() {
    let world = World::open(asked()).await;
    let stranger = world.visitor("bob");
    let rows = [("nginx", "X-Forwarded-Uri"), ("traefik", "X-Original-URI"), ("caddy", "X-Rewrite-URL")];
    for (server, name) in rows {
        let open = question(server, &world, stranger.navigation("/login"));
        is_leave(&open.clone().send(world.gateway()).await);
        is_leave(&open.clone().with(name, "/login").send(world.gateway()).await);
        is_refusal(server, &open.with(name, "/reports").send(world.gateway()).await);
    }
}

#[tokio::test]
async fn a_pending_session_is_no_leave_by_any_name() {
    let world = World::open(asked()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    bob.opens("/reports").await;
    let pending = bob.session().expect("a pending session");
    let as_verified = pending.replacen('p', "v", 1);
    let ask = |change: &dyn Fn(Request) -> Request| change(question("traefik", &world, bob.navigation("/reports")));
    let requests = [
        ask(&|request| request),
        ask(&|request| request.with("Authorization", format!("Bearer {pending}"))),
        ask(&|request| request.with("X-Vestibule-User", "id-bob").with("X-Vestibule-Factor", "totp")),
        ask(&|request| request.with("X-Vestibule-Verified-At", "2027-01-15T08:00:00Z")),
        ask(&|request| request.without("Cookie").with("Cookie", format!("vestibule={as_verified}"))),
        ask(&|request| request.with("Cookie", format!("vestibule={as_verified}"))),
    ];
    for request in requests {
        is_refusal("traefik", &request.send(world.gateway()).await);
    }
}
