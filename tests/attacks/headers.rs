//! Fields that say who somebody is or where a request came from, in every spelling, as they arrive to the byte.

use crate::house::{House, cookies};
use crate::origin::find;
use crate::support::required;

/// Names of which some server somewhere reads one of ours, the site's, or where a request comes from.
const SPELLINGS: [&str; 70] = [
    "X-Vestibule-User",
    "x-vestibule-user",
    "X-VESTIBULE-USER",
    "X_Vestibule_User",
    "X-Vestibule_User",
    "X_VESTIBULE-USER",
    "X.Vestibule.User",
    "X~Vestibule~User",
    "X!Vestibule!User",
    "X'Vestibule'User",
    "X*Vestibule*User",
    "X+Vestibule+User",
    "X|Vestibule|User",
    "X^Vestibule^User",
    "X`Vestibule`User",
    "X$Vestibule$User",
    "X%Vestibule%User",
    "X&Vestibule&User",
    "X#Vestibule#User",
    "X-Vestibule-Organization",
    "X_Vestibule_Organization",
    "X-Vestibule-Factor",
    "X_Vestibule_Factor",
    "X-Vestibule-Verified-At",
    "X_Vestibule_Verified_At",
    "X-Vestibule-Anything",
    "X-VestibuleUser",
    "HTTP_X_VESTIBULE_USER",
    "Remote-User",
    "REMOTE_USER",
    "Remote_User",
    "remote.user",
    "X-Forwarded-User",
    "X_Forwarded_User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X_Forwarded_For",
    "X_Forwarded_Host",
    "X_Forwarded_Proto",
    "X.Forwarded.For",
    "X-Forwarded",
    "Forwarded",
    "X-Real-IP",
    "X_Real_IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Original-Host",
    "X_Original_URL",
    "X-Rewrite-URL",
    "X-Envoy-Original-Path",
    "X-Envoy-External-Address",
    "X-Host",
    "X-Script-Name",
    "X-Traversal-Path",
    "X-Scheme",
    "X-Url-Scheme",
    "X-Sendfile-Type",
    "X-Accel-Mapping",
];

fn request(house: &House, target: &str, more: &str, cookies: &str) -> Vec<u8> {
    let host = house.gateway();
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\n{more}Connection: close\r\n\r\n")
        .into_bytes()
}

/// FWD-01, FWD-02, FWD-03, FWD-06, HTTP-01, HTTP-02: none of them arrives from a client, alone or all at once, before or
/// after others, named in `Connection` or not; what arrives is what the gateway says, once.
#[tokio::test]
async fn no_spelling_of_what_only_the_gateway_may_say_arrives() {
    let stripping = required().with("[site.identity]", "strip_headers = [\"remote-user\"]\n\n[site.identity]");
    let house = House::open(stripping).await;
    let bob = house.enrolled("bob").await;
    let line = |name: &str| format!("{name}: ev1l\r\n");
    let mut shapes: Vec<String> = SPELLINGS.iter().map(|name| line(name)).collect();
    shapes.extend(SPELLINGS.iter().map(|name| format!("{0}{0}Connection: keep-alive, {name}\r\n", line(name))));
    shapes.push(SPELLINGS.iter().map(|name| line(name)).collect());
    shapes.push(
        "X-Forwarded-For: ev1l, ::ffff:1.2.3.4:99999, ,\r\nX-Forwarded-Host: ev1l\r\nX-Forwarded-Proto: ev1l\r\n"
            .into(),
    );
    shapes
        .push("Connection: X-Vestibule-User, x-vestibule-factor, Cookie, Host, X-Forwarded-For, Via, close\r\n".into());
    let host = house.gateway().to_string();
    for target in ["/reports", "/login"] {
        for shape in &shapes {
            house.origin.forgets();
            house.hears(&request(&house, target, shape, &cookies(&bob))).await;
            let requests = house.origin.requests();
            assert_eq!(requests.len(), 1, "{target} {shape:?}");
            let taken = &requests[0];
            let named = if target == "/login" { ["", "", "none"] } else { ["id-bob", "acme", "totp"] };
            let said =
                ["x-vestibule-user", "x-vestibule-organization", "x-vestibule-factor"].map(|name| taken.value(name));
            assert_eq!(said, named, "{target} {shape:?}");
            let came = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "cookie", "host"]
                .map(|name| taken.value(name));
            assert_eq!(came, ["127.0.0.1", &*host, "http", "sid=bob-1", &*host], "{target} {shape:?}");
            for taken in requests.iter().chain(&house.origin.questions()) {
                assert!(find(&taken.head, b"ev1l").is_none(), "{target} {shape:?}");
            }
        }
    }
}

/// HTTP-11, FWD-01: what comes after the body is never a field of the request.
#[tokio::test]
async fn trailers_name_nobody() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let (host, cookies) = (house.gateway(), cookies(&bob));
    for trailers in [
        "X-Vestibule-User: ev1l\r\n",
        "Cookie: sid=ev1l-1\r\nAuthorization: ev1l\r\n",
        "Content-Length: 3\r\nHost: ev1l\r\n",
    ] {
        house.origin.forgets();
        let head = format!(
            "POST /p HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\nTE: trailers\r\nTrailer: X-Vestibule-User\r\n"
        );
        let body = format!("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n{trailers}\r\n");
        house.hears(format!("{head}{body}").as_bytes()).await;
        for taken in house.origin.requests() {
            assert_eq!(taken.value("x-vestibule-user"), "id-bob", "{trailers:?}");
            assert!(find(&[taken.head, taken.body].concat(), b"ev1l").is_none(), "{trailers:?}");
        }
    }
}
