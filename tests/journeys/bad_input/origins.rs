//! Forms that were sent from elsewhere.

use crate::support::visitor::Provenance;
use crate::support::world::World;
use crate::support::{Sight, optional, required};

const SITES: [Option<&str>; 7] =
    [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), Some(""), Some("Same-Origin")];

const ORIGINS: [Option<&str>; 9] = [
    None,
    Some("http://OWN"),
    Some("null"),
    Some("https://OWN"),
    Some("http://elsewhere.example"),
    Some("http://OWN.elsewhere.example"),
    Some("http://127.0.0.1"),
    Some(""),
    Some("http://OWN/"),
];

/// Whether the browser proves that a page of this very site sent the form.
fn is_proven(site: Option<&str>, origin: Option<&str>) -> bool {
    matches!((site, origin), (Some("same-origin"), None | Some("http://OWN" | "null")) | (None, Some("http://OWN")))
}

#[tokio::test]
async fn only_a_page_of_this_very_site_sends_a_form() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    bob.loses_session();
    bob.opens("/reports").await.shows(Sight::Challenge);
    for site in SITES {
        for origin in ORIGINS {
            let page = bob.posts_from(Provenance { site, origin }, "/_2fa/recover", &[("recovery_code", "0")]).await;
            let proven = is_proven(site, origin);
            page.shows(if proven { Sight::RecoveryCodeRefused } else { Sight::FormFromElsewhere });
            world.passes(page.wait().unwrap_or_default());
            bob.opens("/reports").await.shows(Sight::Challenge);
        }
    }
}

#[tokio::test]
async fn nothing_is_done_by_a_form_from_elsewhere() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    let mut alice = world.enrolled("alice").await;
    let account = world.account("id-bob");
    let session = bob.session_number().await;
    world.passes(std::time::Duration::from_secs(30));
    let code = bob.authenticator().code(0);
    let code = code.as_str();
    for (site, origin) in
        [(Some("cross-site"), Some("http://elsewhere.example")), (None, None), (Some("same-site"), None)]
    {
        let from = Provenance { site, origin };
        let actions: [(&str, &[(&str, &str)]); 9] = [
            ("/_2fa/verify", &[("code", code)]),
            ("/_2fa/enroll", &[("code", code)]),
            ("/_2fa/recover", &[("recovery_code", "0")]),
            ("/_2fa/profile/enable", &[]),
            ("/_2fa/profile/disable", &[("code", code)]),
            ("/_2fa/profile/replace", &[("code", code)]),
            ("/_2fa/profile/recovery-codes", &[("code", code)]),
            ("/_2fa/profile/sessions/end", &[("session", &session)]),
            ("/_2fa/logout", &[]),
        ];
        for (address, fields) in actions {
            bob.posts_from(from, address, fields).await.shows(Sight::FormFromElsewhere);
        }
        let actions: [(&str, &[(&str, &str)]); 2] = [
            ("/_2fa/settings/requirement", &[("requirement", "required")]),
            ("/_2fa/settings/security/reset", &[("account", &account)]),
        ];
        for (address, fields) in actions {
            alice.posts_from(from, address, fields).await.shows(Sight::FormFromElsewhere);
        }
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
    alice.opens("/_2fa/settings").await.says("Optional");
    // Not even the code was looked at.
    bob.posts("/_2fa/profile/recovery-codes", &[("code", code)]).await.shows(Sight::RecoveryCodes);
}

#[tokio::test]
async fn what_is_only_shown_changes_nothing() {
    let world = World::open(optional()).await;
    let mut bob = world.enrolled("bob").await;
    for address in [
        "profile/enable",
        "profile/disable",
        "profile/replace",
        "profile/recovery-codes",
        "profile/sessions/end",
        "settings/requirement",
        "settings/security/reset",
        "logout",
    ] {
        bob.opens(&format!("/_2fa/{address}?code=000000&session=1&account=1")).await.shows(Sight::NotThatWay);
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
}
