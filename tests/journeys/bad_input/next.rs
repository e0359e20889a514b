//! Where somebody is sent on to: only ever a path on the same site.

use crate::support::world::World;
use crate::support::{Sight, required};

#[tokio::test]
async fn next_never_leads_off_the_site() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for next in ELSEWHERE {
        // Whoever is verified already is sent on at once, by the query and by the form.
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let shown = bob.is_sent(&format!("/_2fa/verify?next={query}")).await;
        assert_eq!(shown.as_deref(), Some("/"), "{next:?}");
        let sent = bob.is_sent_by("/_2fa/verify", &[("code", "000000"), ("next", next)]).await;
        assert_eq!(sent.as_deref(), Some("/"), "{next:?}");
    }
}

#[tokio::test]
async fn nor_does_the_way_to_the_dashboards_own_login() {
    let world = World::open(required()).await;
    let mut stranger = world.visitor("bob");
    for (target, next) in [("/reports?year=1", "/reports%3Fyear%3D1"), ("//evil.example/", "/")] {
        let sent = stranger.is_sent(target).await;
        assert_eq!(sent, Some(format!("/login?next={next}")), "{target}");
    }
}

#[tokio::test]
async fn raw_and_repeated_ones_do_not_either() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for query in [
        "next=/a&next=//evil.example",
        "next=//evil.example&next=/a",
        "next[]=/a",
        "NEXT=/a",
        "next",
        "next=",
        "next=%2f%2fevil.example",
        "next=%09/evil.example",
        "next=/%0d%0aLocation:%20//evil.example",
    ] {
        let sent = bob.is_sent(&format!("/_2fa/verify?{query}")).await;
        assert_eq!(sent.as_deref(), Some("/"), "{query}");
    }
}

#[tokio::test]
async fn at_the_challenge_and_the_enrollment_it_is_the_same() {
    let world = World::open(required()).await;
    let mut bob = world.logged_in("bob").await;
    bob.opens("/_2fa/enroll?next=//evil.example/").await.shows(Sight::Enrollment);
    bob.page().says_nothing_of("evil");
    bob.enrolls().await;
    assert_eq!(bob.page().way_on(), "/");
    bob.loses_session();
    for next in ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"] {
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        for page in ["verify", "recover"] {
            bob.opens(&format!("/_2fa/{page}?next={query}")).await.says_nothing_of("evil.example");
            bob.page().says_nothing_of("javascript:");
        }
    }
    bob.opens("/_2fa/verify").await;
    let code = bob.authenticator().fresh_code();
    bob.posts("/_2fa/verify", &[("code", &code), ("next", "//evil.example")]).await.is_at("/");
}

#[tokio::test]
async fn a_path_on_the_site_is_kept_to_the_letter() {
    let world = World::open(required()).await;
    let mut bob = world.enrolled("bob").await;
    for next in [
        "/reports",
        "/reports?back=https://elsewhere.example/&x=//y",
        "/a%2Fb/c%20d?e=%26#f",
        "/_2fa/profile",
        "/~bob/a;b=c",
    ] {
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        assert_eq!(bob.is_sent(&format!("/_2fa/verify?next={query}")).await.as_deref(), Some(next));
    }
}

const ELSEWHERE: &[&str] = &[
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\u{a0}//evil.example",
    "http://evil.example",
    "https://evil.example/",
    "HTTPS:evil.example",
    "https:/evil.example",
    "https:evil.example",
    "http:\\\\evil.example",
    "ftp://evil.example",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "mailto:a@evil.example",
    "evil.example",
    "evil.example/path",
    "@evil.example",
    ":80@evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "../reports",
    "./reports",
    ".",
    "..",
    "/..//evil.example",
    "/.//evil.example",
    "/./\\evil.example",
    "/%2f/evil.example",
    "/%2F%2Fevil.example",
    "/%5cevil.example",
    "/%5Cevil.example",
    "/%09/evil.example",
    "/%0d%0aSet-Cookie:a=b",
    "/%00",
    "/\0",
    "/%252f/evil.example",
    "/a/../..//evil.example",
    "/%2e%2e//evil.example",
    "/reports\r\nSet-Cookie: a=b",
    "/reports\nX: y",
    "/caf\u{e9}",
    "/\u{2028}",
    "/\u{ff0f}evil.example",
    "/\u{3002}evil.example",
    "/ evil",
    "/\"><script>",
    "/<script>",
    "/logout",
    "/logout?x=1",
    "/_2fa/verify",
    "/_2fa/logout",
    "/_2fa/enroll",
    "/_2fa/profile/disable",
    "/_2fa/assets/x",
];
