//! Several sites at one gateway.

use crate::support::world::{Configuration, World};
use crate::support::{Sight, optional};

/// The dashboard of the first site under another name.
const SECOND: &str = r#"
[[site]]
name = "reports"
REALM
hosts = ["reports.example"]
upstream = "http://DASHBOARD"
public = ["/login"]
login = "/login?next={next}"
logout = ["/logout"]
bind = "cookie:sid"

[site.identity]
url = "/api/me"
user = "/id"
email = "/email"
name = "/name"
organization = "/company/slug"
admin = { pointer = "/role", any = ["admin"] }
"#;

fn two_sites(realm: &str) -> Configuration {
    optional().and(&SECOND.replace("REALM", realm))
}

const LIST: &str = "/_2fa/settings/security";

#[tokio::test]
async fn each_has_accounts_and_admins_of_its_own() {
    let world = World::open(two_sites("")).await;
    world.enrolled("bob").await;
    let mut alice = world.enrolled("alice").await;
    let mut bob = world.visitor("bob").at("reports.example");
    bob.logs_in().await;
    bob.opens("/").await.shows(Sight::Dashboard);
    let mut carol = world.visitor("carol").at("reports.example");
    carol.logs_in().await;
    carol.enrolls().await;
    assert_eq!(carol.opens(LIST).await.listed(), ["Carol Cole"]);
    assert_eq!(alice.opens(LIST).await.listed(), ["Alice Ames", "Bob Brown"]);
    // The organization of that name at the other site is another one.
    carol
        .posts("/_2fa/settings/security/reset", &[("account", &world.account("id-alice"))])
        .await
        .shows(Sight::NotFound);
    carol.posts("/_2fa/settings/requirement", &[("requirement", "required")]).await.announces("now required");
    bob.opens("/").await.shows(Sight::Enrollment);
    let mut at_first = world.logged_in("carol").await;
    at_first.opens("/").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn a_session_of_one_is_worth_nothing_at_the_other() {
    let world = World::open(two_sites("")).await;
    let first = world.enrolled("bob").await;
    let mut second = world.visitor("bob").at("reports.example");
    second.logs_in().await;
    second.enrolls().await;
    let login = second.cookie("sid").expect("a login");
    let mut thief = world.visitor("bob").at("reports.example");
    thief.has_cookie("sid", &login);
    thief.steals_session_of(&first);
    thief.opens("/").await.shows(Sight::Challenge);
}

#[tokio::test]
async fn sites_of_one_realm_share_their_accounts() {
    let world = World::open(two_sites("realm = \"insights\"")).await;
    let bob = world.enrolled("bob").await;
    let mut second = bob.elsewhere().at("reports.example");
    second.logs_in().await;
    second.opens("/").await.shows(Sight::Challenge);
    second.gives_a_fresh_code().await.shows(Sight::Dashboard);
    let mut alice = world.enrolled("alice").await;
    alice.resets("Bob Brown").await.announces("Bob Brown");
    second.opens("/").await.shows(Sight::Enrollment);
}

#[tokio::test]
async fn the_pages_are_where_the_operator_puts_them() {
    let elsewhere = optional().with("bind = \"cookie:sid\"", "bind = \"cookie:sid\"\nprefix = \"/account/2fa\"");
    let world = World::open(elsewhere).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/account/2fa/profile").await.shows(Sight::Profile);
    bob.submits("/account/2fa/profile/enable", &[]).await.is_at("/account/2fa/enroll?next=/account/2fa/profile");
    bob.scans();
    bob.gives_a_fresh_code().await.shows(Sight::RecoveryCodes);
    assert_eq!(bob.page().way_on(), "/account/2fa/profile");
    bob.loses_session();
    bob.opens("/reports").await.is_at("/account/2fa/verify?next=/reports");
    bob.fetches("/reports").await.asks_for("second_factor_required", Some("/account/2fa/verify"));
    bob.gives_a_fresh_code().await.shows(Sight::Dashboard);
    bob.opens("/_2fa/profile").await.shows(Sight::Dashboard);
}

#[tokio::test]
async fn whatever_a_page_loads_is_there_and_never_changes_under_its_name() {
    let world = World::open(optional()).await;
    let mut alice = world.enrolled("alice").await;
    let mut loaded = std::collections::BTreeSet::new();
    for page in ["profile", "settings", "settings/security", "settings/audit", "nothing"] {
        loaded.extend(alice.opens(&format!("/_2fa/{page}")).await.loads());
    }
    assert!(loaded.len() >= 3, "stylesheet, script, icon: {loaded:?}");
    for address in loaded {
        let mut stranger = world.visitor("bob");
        stranger.loads(&address).await;
    }
}
