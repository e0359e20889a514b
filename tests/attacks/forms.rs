//! Forms and addresses that other sites make up.

use url::Url;

use crate::house::House;
use crate::support::http::Request;
use crate::support::{Sight, optional, required};

/// CSR-02: no method but POST changes anything at any address of the gateway's own, whatever its query asks for.
#[tokio::test]
async fn nothing_but_a_form_changes_anything() {
    let house = House::open(optional()).await;
    let (bob, alice) = (house.enrolled("bob").await, house.enrolled("alice").await);
    house.forgets_codes();
    let (account, code) = (house.account("bob"), bob.authenticator().code(0));
    let session = house.number(&format!("SELECT id FROM sessions WHERE account = {account}"));
    let query = format!(
        "code={code}&recovery_code={}&requirement=required&account={account}&reset={account}&session={session}&next=/",
        bob.recovery_codes[0]
    );
    let before = house.dump();
    let pages = [
        "verify",
        "enroll",
        "recover",
        "status",
        "logout",
        "profile",
        "profile/enable",
        "profile/disable",
        "profile/replace",
        "profile/recovery-codes",
        "profile/sessions/end",
        "settings",
        "settings/requirement",
        "settings/security",
        "settings/security/reset",
        "settings/audit",
        "auth/nginx",
        "nothing",
    ];
    for page in pages {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "QUERY"] {
            for who in [&bob, &alice] {
                let request = who.navigation(&format!("/_2fa/{page}?{query}"));
                let override_ =
                    Request { method, ..request }.with("X-HTTP-Method-Override", "POST").with("Origin", "null");
                override_.send(house.gateway()).await;
                assert_eq!(house.dump(), before, "{method} {page}");
            }
        }
    }
}

/// CSR-01, CSR-03: a form that does not prove where it came from, or is none, does nothing.
#[tokio::test]
async fn what_another_site_can_send_does_nothing() {
    let house = House::open(optional()).await;
    let bob = house.enrolled("bob").await;
    let alice = house.enrolled("alice").await;
    house.forgets_codes();
    let host = house.gateway().to_string();
    let (code, account) = (bob.authenticator().code(0), house.account("bob").to_string());
    let before = house.dump();
    let evil: [(&str, &[(&str, &str)]); 8] = [
        ("no word", &[]),
        ("another site", &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")]),
        ("a sibling", &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://OWN")]),
        ("an old browser", &[("Origin", "http://evil.example"), ("Referer", "http://OWN/_2fa/profile")]),
        ("a sandbox", &[("Origin", "null")]),
        ("two origins", &[("Origin", "http://OWN"), ("Origin", "http://evil.example")]),
        ("one line of two", &[("Origin", "http://OWN http://evil.example")]),
        ("two words", &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin")]),
    ];
    for (what, fields) in evil {
        for (who, target, form) in [
            (&bob, "/_2fa/profile/disable", &[("code", &*code)][..]),
            (&bob, "/_2fa/logout", &[]),
            (&alice, "/_2fa/settings/requirement", &[("requirement", "required")]),
            (&alice, "/_2fa/settings/security/reset", &[("account", &*account)]),
        ] {
            let request = who.request("POST", target).form(form);
            let request =
                fields.iter().fold(request, |request, (name, value)| request.with(name, value.replace("OWN", &host)));
            assert_eq!(house.gives_nothing_for(request).await.status, 403, "{what} {target}");
            assert_eq!(house.dump(), before, "{what} {target}");
        }
    }
    let kinds = [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/json",
        "",
        "application/x-www-form-urlencode",
        "application/x-www-form-urlencoded, text/plain",
        "text/plain; application/x-www-form-urlencoded",
    ];
    for kind in kinds {
        let request = bob.form_request("/_2fa/profile/disable", &[("code", &code)]);
        let request = request.without("Content-Type").with("Content-Type", kind);
        assert_eq!(house.gives_nothing_for(request).await.status, 415, "{kind:?}");
        assert_eq!(house.dump(), before, "{kind:?}");
    }
}

/// CSR-04: of some hundred addresses, whatever a browser makes of what `next` becomes is on this site.
#[tokio::test]
async fn next_is_on_this_site_for_a_browser_too() {
    let house = House::open(required()).await;
    let mut bob = house.enrolled("bob").await;
    let here = Url::parse(&format!("http://{}/_2fa/verify", house.gateway())).expect("an address");
    let before = [
        "",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "\u{1}",
        "\u{a0}",
        "\u{feff}",
        "/",
        "//",
        "\\",
        "/\\",
        "/\t/",
        "/.",
        "/..",
        "/%2f",
        "/%5c",
        "/%09",
        "/x/..",
        "?",
        "#",
        ".",
        "/;",
        "/@",
        "/\u{2044}",
        "/\u{ff0f}",
    ];
    let beyond = [
        "/evil.example",
        "//evil.example",
        "\\evil.example",
        "/\\evil.example",
        "https://evil.example",
        "HTTPS:evil.example",
        "https:\\\\evil.example",
        "@evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "/%2e%2e//evil.example",
        "data:text/html,x",
    ];
    for start in before {
        for end in beyond {
            let next = format!("{start}{end}");
            let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            for sent in [
                bob.is_sent(&format!("/_2fa/verify?next={query}")).await,
                bob.is_sent_by("/_2fa/verify", &[("code", "000000"), ("next", &next)]).await,
            ] {
                let sent = sent.expect("sent on");
                let there = here.join(&sent).unwrap_or_else(|error| panic!("{error}: {next:?} to {sent:?}"));
                assert_eq!(there.origin(), here.origin(), "{next:?} to {sent:?}");
                assert!(
                    sent.starts_with('/') && sent.bytes().all(|byte| byte.is_ascii_graphic()),
                    "{next:?} to {sent:?}"
                );
            }
        }
    }
}

/// CSR-05, LOG-05, I6: an answer to something bad has the fields that all have, and nothing of what was sent in secret.
#[tokio::test]
async fn no_error_tells_what_it_was_sent() {
    let house = House::open(required()).await;
    let mut bob = house.enrolled("bob").await;
    let secret = "5ecret-that-was-sent";
    let with_secrets = |request: Request| {
        let cookie = request.fields.iter().find(|(name, _)| name == "Cookie").map(|(_, value)| value.clone());
        let line = format!("{}; other={secret}", cookie.unwrap_or_default());
        request
            .without("Cookie")
            .with("Cookie", line)
            .with("Authorization", format!("Bearer {secret}"))
            .with("X-Key", secret)
    };
    let large = format!("code={secret}{}", "x".repeat(20_000));
    let nobody = bob.elsewhere();
    let rows: Vec<(u16, Request)> = vec![
        (400, bob.navigation("/reports").with("Host", secret)),
        (401, nobody.request("GET", "/reports")),
        (403, bob.request("POST", "/_2fa/logout").form(&[("code", secret)])),
        (403, bob.form_request("/_2fa/profile/disable", &[("code", secret)])),
        (403, bob.form_request("/_2fa/profile/recovery-codes", &[("code", secret)])),
        (403, bob.navigation("/_2fa/settings")),
        (404, bob.navigation("/_2fa/nothing")),
        (405, Request { method: "PUT", ..bob.navigation("/_2fa/verify") }),
        (413, bob.form_request("/_2fa/recover", &[]).body(large)),
        (415, bob.form_request("/_2fa/recover", &[]).without("Content-Type").body(secret)),
        (421, bob.navigation("/reports").without("Host").with("Host", "elsewhere.example")),
    ];
    for (status, request) in rows {
        let what = format!("{} {}", request.method, request.target);
        let page = bob.sends(with_secrets(request)).await;
        page.says_nothing_of(secret);
        for inside in ["panicked", "src/", ".rs:", "sqlite", "SELECT", "hyper", "vestibule.db", "/root", "127.0.0.1:0"]
        {
            page.says_nothing_of(inside);
        }
        assert!(page.without_id_and_time().starts_with(&status.to_string()), "{what}: {}", page.without_id_and_time());
    }
    bob.opens("/reports").await.shows(Sight::Dashboard);
    assert!(!house.running.log().contains(secret), "nor does the log");
}
