//! What a verified session belongs to, and what ends it.

use std::time::Duration;

use crate::support::world::World;
use crate::support::{Sight, required};

const BOUND: &str = "bind = \"cookie:sid\"\n";

/// What the dashboard says of people that differs between any two.
const NEWS: &str = "email = \"/email\"\nname = \"/name\"\n";

#[tokio::test]
async fn a_logout_at_the_dashboard_ends_it() {
    for configuration in [required(), required().with(BOUND, "")] {
        let world = World::open(configuration).await;
        let mut bob = world.enrolled("bob").await;
        let (session, login) = (bob.session().expect("a session"), bob.cookie("sid").expect("a login"));
        bob.opens("/logout").await.shows(Sight::DashboardLogin);
        let mut elsewhere = bob.elsewhere();
        elsewhere.logs_in().await;
        elsewhere.has_cookie("vestibule", &session);
        elsewhere.opens("/reports").await.shows(Sight::Challenge);
        // Whoever kept both cookies has neither a login nor a session.
        bob.has_cookie("vestibule", &session);
        bob.has_cookie("sid", &login);
        bob.opens("/reports").await.shows(Sight::DashboardLogin);
        bob.logs_in().await;
        bob.has_cookie("vestibule", &session);
        bob.opens("/reports").await.shows(Sight::Challenge);
    }
}

#[tokio::test]
async fn a_new_login_of_the_same_person_needs_a_new_code() {
    for configuration in [required(), required().with(BOUND, "")] {
        let world = World::open(configuration).await;
        let mut bob = world.enrolled("bob").await;
        let session = bob.session().expect("a session");
        bob.logs_in().await;
        bob.has_cookie("vestibule", &session);
        bob.opens("/reports").await.shows(Sight::Challenge);
    }
}

#[tokio::test]
async fn somebody_else_at_the_same_browser_has_no_part_in_it_and_ends_it() {
    let unbound = || required().with(BOUND, "");
    for configuration in [required(), unbound(), unbound().with(NEWS, "")] {
        let world = World::open(configuration).await;
        let mut bob = world.enrolled("bob").await;
        bob.opens("/reports").await.shows(Sight::Dashboard);
        let session = bob.session().expect("a session");
        bob.becomes("carol").await;
        bob.has_cookie("vestibule", &session);
        world.dashboard().news();
        bob.opens("/reports").await.shows(Sight::Enrollment);
        assert_eq!(world.dashboard().news(), [""; 0]);

        bob.becomes("bob").await;
        bob.has_cookie("vestibule", &session);
        bob.opens("/reports").await.shows(Sight::Challenge);
    }
}

#[tokio::test]
async fn the_dashboards_word_that_nobody_is_logged_in_ends_it() {
    let world = World::open(required().with(BOUND, "")).await;
    let mut bob = world.enrolled("bob").await;
    let session = bob.session().expect("a session");
    world.dashboard().forgets_everybody();
    world.a_moment_passes();
    bob.opens("/reports").await.shows(Sight::DashboardLogin);
    let mut again = bob.elsewhere();
    again.logs_in().await;
    again.has_cookie("vestibule", &session);
    again.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn a_request_without_the_login_is_nobodys_and_ends_it() {
    let world = World::open(required().with(BOUND, "")).await;
    let mut bob = world.enrolled("bob").await;
    let (session, login) = (bob.session().expect("a session"), bob.cookie("sid").expect("a login"));
    bob.loses_cookie("sid");
    bob.opens("/reports").await.shows(Sight::DashboardLogin);
    bob.has_cookie("sid", &login);
    bob.has_cookie("vestibule", &session);
    bob.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn either_stolen_cookie_alone_is_useless() {
    let world = World::open(required()).await;
    let bob = world.enrolled("bob").await;
    let mut thief = bob.elsewhere();
    thief.has_cookie("sid", &bob.cookie("sid").expect("a login"));
    thief.opens("/reports").await.shows(Sight::Challenge);

    let mut thief = bob.elsewhere();
    thief.steals_session_of(&bob);
    thief.opens("/reports").await.shows(Sight::DashboardLogin);

    let mut thief = world.logged_in("carol").await;
    thief.steals_session_of(&bob);
    thief.opens("/reports").await.shows(Sight::Enrollment);

    // With another login of the same person the session is not the one of this login either.
    let mut bob = bob.elsewhere();
    bob.signs_in().await;
    let mut thief = bob.elsewhere();
    thief.logs_in().await;
    thief.steals_session_of(&bob);
    thief.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn it_is_no_proof_for_somebody_else() {
    let unbound = || required().with(BOUND, "");
    for configuration in [required(), unbound(), unbound().with(NEWS, "")] {
        let world = World::open(configuration).await;
        let mut bob = world.enrolled("bob").await;
        let mut carol = world.enrolled("carol").await;
        // From now on, what there is to know of them is in memory.
        for visitor in [&mut bob, &mut carol] {
            visitor.opens("/reports").await.shows(Sight::Dashboard);
        }
        carol.steals_session_of(&bob);
        world.dashboard().news();
        carol.opens("/reports").await.shows(Sight::Challenge);
        carol.steals_session_of(&bob);
        carol.posts("/_2fa/profile/recovery-codes", &[("code", "000000")]).await.shows(Sight::Challenge);
        assert_eq!(world.dashboard().news(), [""; 0]);
    }
}

#[tokio::test]
async fn the_cookie_of_the_gateway_beside_others_of_its_name_counts_for_none() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let (session, login) = (bob.session().expect("a session"), bob.cookie("sid").expect("a login"));
    let shapes = [
        "sid=LOGIN; vestibule=SESSION; vestibule=SESSION",
        "sid=LOGIN; vestibule=SESSION; vestibule=x",
        "sid=LOGIN; vestibule=x; vestibule=SESSION",
        "sid=LOGIN; Vestibule=SESSION",
        "sid=LOGIN; __Host-vestibule=SESSION",
        "sid=LOGIN; vestibule=\"SESSION\"",
        "sid=LOGIN; vestibule =SESSION",
        "sid=LOGIN; =vestibule=SESSION",
        "sid=LOGIN; %76estibule=SESSION",
        "sid=LOGIN; vestibule=SESSIONx",
        "sid=LOGIN, vestibule=SESSION",
    ];
    for shape in shapes {
        let line = shape.replace("LOGIN", &login).replace("SESSION", &session);
        world.dashboard().news();
        let request = bob.navigation("/reports").without("Cookie").with("Cookie", line);
        let page = bob.sends(request).await;
        assert!(!page.is_of_the_dashboard(), "{shape}");
        assert_eq!(world.dashboard().news(), [""; 0], "{shape}");
    }
    let two_lines = bob.navigation("/reports").without("Cookie").with("Cookie", format!("sid={login}"));
    let two_lines = two_lines.with("Cookie", format!("vestibule={session}"));
    bob.sends(two_lines).await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn it_ends_an_hour_after_the_last_request() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for _ in 0..3 {
        world.passes(Duration::from_mins(59));
        bob.opens("/reports").await.shows(Sight::Dashboard);
    }
    world.passes(Duration::from_hours(1));
    bob.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn it_is_not_idle_while_it_is_used_at_another_gateway() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let beside = world.open_beside(required()).await;
    let mut there = bob.in_front_of(beside.gateway());
    bob.opens("/reports").await.shows(Sight::Dashboard);
    world.passes(Duration::from_mins(45));
    there.opens("/reports").await.shows(Sight::Dashboard);
    beside.tells_the_store().await;
    world.passes(Duration::from_mins(45));
    world.hears().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn it_ends_twelve_hours_after_the_code_however_busy_it_was() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for _ in 0..23 {
        world.passes(Duration::from_mins(30));
        bob.opens("/reports").await.shows(Sight::Dashboard);
    }
    // A code for an action makes it fresh, and no longer.
    bob.opens("/_2fa/profile").await;
    let code = bob.authenticator().fresh_code();
    bob.posts("/_2fa/verify", &[("code", &code)]).await.shows(Sight::Dashboard);
    world.passes(Duration::from_secs(30 * 60 - 1));
    bob.opens("/reports").await.shows(Sight::Dashboard);
    world.passes(Duration::from_secs(31));
    bob.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn the_limits_are_the_operators_to_set() {
    let shorter = required().with("idle = \"1h\"", "idle = \"5m\"").with("lifetime = \"12h\"", "lifetime = \"12m\"");
    let world = World::open(shorter).await;
    let mut bob = world.enrolled("bob").await;
    for _ in 0..2 {
        world.passes(Duration::from_secs(299));
        bob.opens("/reports").await.shows(Sight::Dashboard);
    }
    world.passes(Duration::from_secs(123));
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    world.passes(Duration::from_mins(5));
    bob.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn the_gateways_logout_ends_it_and_leads_to_that_of_the_dashboard() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    let (session, login) = (bob.session().expect("a session"), bob.cookie("sid").expect("a login"));
    bob.opens("/_2fa/profile").await;
    bob.submits("/_2fa/logout", &[]).await.shows(Sight::DashboardLogin);
    assert_eq!((bob.session(), bob.cookie("sid")), (None, None));
    bob.has_cookie("sid", &login);
    bob.has_cookie("vestibule", &session);
    bob.opens("/reports").await.shows(Sight::DashboardLogin);
}

#[tokio::test]
async fn where_the_dashboard_has_no_logout_the_gateway_says_that_its_own_is_done() {
    let world = World::open(required().with("logout = [\"/logout\"]\n", "")).await;
    let mut bob = world.enrolled("bob").await;
    let session = bob.session().expect("a session");
    bob.opens("/_2fa/profile").await;
    bob.submits("/_2fa/logout", &[]).await.shows(Sight::SignedOut);
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.has_cookie("vestibule", &session);
    bob.opens("/reports").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn whoever_is_asked_for_a_code_can_log_out() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Challenge);
    bob.submits("/_2fa/logout", &[]).await.shows(Sight::DashboardLogin);
}

#[tokio::test]
async fn a_pending_session_opens_nothing_else_in_no_form() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    bob.opens("/reports").await.shows(Sight::Challenge);
    let pending = bob.session().expect("a pending session");
    for page in ["profile", "settings", "settings/security", "settings/audit", "enroll"] {
        bob.opens(&format!("/_2fa/{page}")).await.shows(Sight::Challenge);
    }
    for form in [
        "profile/disable",
        "profile/enable",
        "profile/replace",
        "profile/recovery-codes",
        "profile/sessions/end",
        "settings/requirement",
        "settings/security/reset",
    ] {
        bob.posts(&format!("/_2fa/{form}"), &[("code", "000000"), ("session", "1")]).await.shows(Sight::Challenge);
    }

    world.dashboard().news();
    let verified = pending.replacen('p', "v", 1);
    let query = format!("/reports?vestibule={pending}&session={pending}&access_token={pending}");
    let plain = || bob.navigation("/reports");
    let requests = [
        bob.navigation(&query),
        plain().with("Authorization", format!("Bearer {pending}")),
        plain().with(
            "Authorization",
            format!("Basic {}", data_encoding::BASE64.encode(format!("bob:{pending}").as_bytes())),
        ),
        plain().with("X-Vestibule-Session", pending.clone()),
        plain().with("X-Vestibule-User", "id-bob").with("X-Vestibule-Factor", "totp"),
        plain()
            .without("Cookie")
            .with("Cookie", format!("sid={}; vestibule={verified}", bob.cookie("sid").expect("a login"))),
    ];
    for (number, request) in requests.into_iter().enumerate() {
        let page = bob.sends(request).await;
        assert!(!page.is_of_the_dashboard(), "request {number}");
    }
    assert_eq!(world.dashboard().news(), [""; 0]);
}

#[tokio::test]
async fn a_pending_session_lasts_ten_minutes() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    bob.opens("/reports").await;
    let pending = bob.session();
    world.passes(Duration::from_secs(599));
    bob.opens("/reports").await.shows(Sight::Challenge);
    assert_eq!(bob.session(), pending);
    world.passes(Duration::from_secs(1));
    bob.opens("/reports").await.shows(Sight::Challenge);
    assert_ne!(bob.session(), pending);
}

#[tokio::test]
async fn behind_a_proxy_that_ends_tls_the_cookie_is_for_tls_alone() {
    let behind = required().with("[operations]", "trusted_proxies = [\"127.0.0.1/32\"]\n\n[operations]");
    let world = World::open(behind).await;
    let mut bob = world.visitor("bob").over_tls();
    bob.logs_in().await;
    bob.enrolls().await;
    bob.opens("/reports").await.shows(Sight::Dashboard);
    assert!(bob.cookie("__Host-vestibule").is_some());
    assert!(bob.cookie("vestibule").is_none());
    // The same value under the name for plain HTTP is none.
    let session = bob.cookie("__Host-vestibule").expect("a session");
    bob.loses_cookie("__Host-vestibule");
    bob.has_cookie("vestibule", &session);
    bob.opens("/reports").await.shows(Sight::Challenge);
}
