//! Fields that no client's request brings to the dashboard.

use crate::config::Site;

/// What Vestibule alone may say, `X-Vestibule-*`.
pub(super) const OURS: [&str; 4] =
    ["X-Vestibule-User", "X-Vestibule-Organization", "X-Vestibule-Factor", "X-Vestibule-Verified-At"];

/// Beginnings of names, for servers that can match those.
pub(super) const BEGINNINGS: [&str; 4] = ["x-vestibule", "x-original-", "x-forwarded-", "x-envoy-"];

/// The names that are known to begin like that, but `X-Forwarded-For`, `-Proto` and `-Host`: those are set anew.
pub(super) const BEGINNING_SO: [&str; 26] = [
    "X-Original-URI",
    "X-Original-URL",
    "X-Original-Method",
    "X-Original-Host",
    "X-Original-Path",
    "X-Original-Forwarded-For",
    "X-Original-Remote-Addr",
    "X-Original-Proto",
    "X-Original-Scheme",
    "X-Forwarded-Uri",
    "X-Forwarded-Url",
    "X-Forwarded-Method",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-By",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Envoy-Original-Path",
    "X-Envoy-External-Address",
    "X-Envoy-Internal",
];

/// The others that dashboards are known to believe whoever is in front of them.
pub(super) const OTHERS: [&str; 20] = [
    "Forwarded",
    "X-Forwarded",
    "X-Real-IP",
    "X-Rewrite-URL",
    "X-Scheme",
    "X-Url-Scheme",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Host",
    "X-Script-Name",
    "X-Traversal-Path",
    "X-Sendfile-Type",
    "X-Accel-Mapping",
    "X-Remote-IP",
    "X-Remote-Addr",
    "True-Client-IP",
    "Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "Fly-Client-IP",
];

/// An `Upgrade` to anything but a WebSocket, for servers whose regular expressions can't say "not": a connection that
/// became HTTP/2 with the dashboard (`h2c`) would carry requests that nobody is asked about.
pub(super) const NOT_WEBSOCKET: &str = "(?i)^(.?.?.?.?.?.?.?.?$|[^w]|w[^e]|we[^b]|web[^s]|webs[^o]|webso[^c]|websoc[^k]|\
                                        websock[^e]|websocke[^t]|websocket.)";

/// What the operator wants stripped. Names with other characters than letters, digits and dashes are not among them: they
/// never pass any of the servers, or Vestibule refuses the request.
pub(super) fn of_site(site: &Site) -> impl Iterator<Item = &str> {
    let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    site.strip.iter().map(http::HeaderName::as_str).filter(plain)
}

/// Every name by itself, but those of [`OURS`]: for servers that don't match beginnings.
pub(super) fn names(site: &Site) -> impl Iterator<Item = &str> {
    BEGINNING_SO.into_iter().chain(OTHERS).chain(of_site(site))
}
