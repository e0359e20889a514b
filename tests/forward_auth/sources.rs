//! Sites whose dashboard is not asked: what else it may honor is no part of a request that gets leave.

use serde_json::json;

use crate::asking::{ALL, about, asked_of_some, is_leave, is_refusal, opens, question};
use crate::support::signer::Signer;
use crate::support::world::{Configuration, World};

const SECRET: &str = "a secret of 32 bytes or even more";

const TOKEN: &str = r#"
source = "jwt"
token = "cookie:app_token"
algorithms = ["HS256"]
secret_file = "shared.secret"
user = "/sub"
organization = { fixed = "acme" }
"#;

const LOGIN: &str = r#"
source = "header"
secret_header = "X-Login-Secret"
secret_file = "shared.secret"
user = "X-Forwarded-User"
pass_headers = ["X-Forwarded-Email"]
organization = { fixed = "acme" }
"#;

async fn open(configuration: Configuration) -> World {
    World::open_with(&[("shared.secret", SECRET)], configuration).await
}

#[tokio::test]
async fn a_credential_beside_the_token_is_no_way_in() {
    let world = open(asked_of_some().with("cookie:sid", "cookie:app_token").with_identity(TOKEN)).await;
    let token = |login: &str| {
        let claims = json!({ "sub": format!("id-{login}"), "exp": world.time().seconds() + 1800 });
        Signer::with_secret(SECRET.as_bytes()).token(&claims)
    };
    let mut bob = world.visitor("bob");
    bob.has_cookie("app_token", &token("bob"));
    for server in ALL {
        let answer = opens(server, &world, &bob, "/reports").await;
        is_leave(&answer);
        assert_eq!(answer.field("x-vestibule-user"), Some("id-bob"), "{server}");
        assert_eq!(answer.field("authorization"), Some(""), "in place of whatever {server} still has");
        for target in ["/reports", "/login"] {
            let request = bob.navigation(target).with("Authorization", format!("Bearer {}", token("alice")));
            is_refusal(server, &question(server, &world, request).send(world.gateway()).await);
        }
    }
}

#[tokio::test]
async fn who_is_not_the_login_in_front_can_not_speak_as_it_on_an_open_path_either() {
    let world = open(asked_of_some().with("cookie:sid", "header:X-Forwarded-User").with_identity(LOGIN)).await;
    let visitor = world.visitor("bob");
    for server in ALL {
        let answer = opens(server, &world, &visitor, "/login").await;
        is_leave(&answer);
        for name in ["x-forwarded-user", "x-forwarded-email", "x-login-secret", "authorization"] {
            assert_eq!(answer.field(name), Some(""), "{server}, {name}");
        }
        for (name, value) in [("X-Forwarded-User", "id-bob"), ("X-Forwarded-Email", "b@a"), ("X-Login-Secret", "x")] {
            let request = visitor.request("POST", "/login").with(name, value);
            is_refusal(server, &about(server, "POST", "/login", &world, request).send(world.gateway()).await);
        }
        let request = visitor.navigation("/reports").with("X-Forwarded-User", "id-bob").with("X-Login-Secret", SECRET);
        let answer = question(server, &world, request).send(world.gateway()).await;
        is_leave(&answer);
        assert_eq!(answer.field("x-vestibule-user"), Some("id-bob"), "{server}");
        assert_eq!((answer.field("x-forwarded-user"), answer.field("x-login-secret")), (None, Some("")), "{server}");
    }
}

#[tokio::test]
async fn what_others_in_front_say_of_users_is_no_way_in() {
    let world = World::open(asked_of_some()).await;
    let bob = world.logged_in("bob").await;
    for server in ALL {
        is_leave(&opens(server, &world, &bob, "/reports").await);
        for name in ["X-Forwarded-User", "X-Forwarded-Access-Token", "X-Original-User", "X-Forwarded-Client-Cert"] {
            let request = bob.navigation("/reports").with(name, "id-alice");
            is_refusal(server, &question(server, &world, request).send(world.gateway()).await);
        }
    }
}
