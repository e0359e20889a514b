//! nginx: `auth_request`, whose denial `error_page` turns into Vestibule's own answer.

use super::fill::fill;
use super::plan::{Place, Plan, Planned, pattern, seconds};
use super::strip;

pub(super) fn render(plan: &Plan<'_>) -> String {
    let sites: Vec<_> = plan.sites.iter().map(|site| render_site(plan, site)).collect();
    let vestibule = server(&plan.vestibule);
    fill(
        include_str!("nginx/main.conf"),
        &[("titles", &plan.titles()), ("vestibule", &vestibule), ("sites", &sites.join("\n"))],
    )
}

fn render_site(plan: &Plan<'_>, planned: &Planned<'_>) -> String {
    let site = planned.site;
    let dashboard = format!("dashboard-{}", planned.name);
    let clear = |name| format!("proxy_set_header {name} \"\";\n");
    let stripped: String = strip::names(site).map(clear).collect();
    let said_anew = ["X-Original-URI", "X-Original-Method"];
    let not_asked = strip::names(site).filter(|name| !said_anew.contains(name));
    let not_asked: String = strip::OURS.into_iter().chain(["X-Forwarded-Host"]).chain(not_asked).map(clear).collect();
    let question = fill(include_str!("nginx/question.conf"), &[("stripped", &not_asked)]);
    let withheld = planned.withheld();
    let variable = |name: &str| name.replace('-', "_");
    let take = |name: &&str| format!("auth_request_set $vestibule_{0} $upstream_http_{0};\n", variable(name));
    let give = |name: &&str| format!("proxy_set_header {name} $vestibule_{};\n", variable(name));
    fill(
        include_str!("nginx/site.conf"),
        &[
            ("site", &site.name),
            ("dashboard", &dashboard),
            ("servers", &servers(planned)),
            ("keepalive", &keepalive(planned)),
            ("default", if planned.hosts.is_none() { " default_server" } else { "" }),
            ("names", &planned.hosts.map_or_else(|| "_".to_owned(), |hosts| hosts.join(" "))),
            ("hosts", &hosts(plan, planned)),
            ("prefix", &site.prefix),
            ("prefix_pattern", &pattern(&site.prefix)),
            ("question", &question),
            ("check_timeout", &seconds(plan.check_timeout())),
            ("answer_timeout", &seconds(planned.silence())),
            ("connect_timeout", &seconds(site.upstream.connect_timeout)),
            ("silence", &seconds(planned.silence())),
            ("scheme", if planned.dashboard.tls.is_some() { "https" } else { "http" }),
            ("tls", &tls(planned)),
            ("host", planned.host.unwrap_or("$http_host")),
            ("credentials_taken", &withheld.iter().map(take).collect::<String>()),
            ("credentials_given", &withheld.iter().map(give).collect::<String>()),
            ("stripped", &stripped),
        ],
    )
}

fn server(place: &Place) -> String {
    match place {
        Place::Tcp { .. } => place.to_string(),
        Place::Unix(path) => format!("unix:{path}"),
    }
}

/// The first is asked as long as it can be reached.
fn servers(planned: &Planned<'_>) -> String {
    let line = |(at, place)| {
        let backup = if at > 0 { " backup" } else { "" };
        format!("server {}{backup};", server(place))
    };
    let lines: Vec<_> = planned.dashboard.places.iter().enumerate().map(line).collect();
    lines.join("\n")
}

fn keepalive(planned: &Planned<'_>) -> String {
    match planned.site.upstream.idle_timeout {
        unused if unused.is_zero() => String::new(),
        unused => format!(
            "# Shorter than the dashboard keeps connections.\nkeepalive 16;\nkeepalive_timeout {}s;",
            seconds(unused)
        ),
    }
}

/// Refuses a `Host` that is not this site's. nginx chooses the block by the host in the first line, where there is one.
fn hosts(plan: &Plan<'_>, planned: &Planned<'_>) -> String {
    let any_of = |names: &[&str]| {
        let patterns: Vec<_> = names.iter().map(|name| pattern(name)).collect();
        format!("\"^({})\\.?(:[0-9]*)?$\"", patterns.join("|"))
    };
    let refuse = |condition: &str| format!("if ($http_host {condition}) {{\n    return 421;\n}}");
    match planned.hosts {
        Some(hosts) => {
            let names: Vec<_> = hosts.iter().map(String::as_str).collect();
            refuse(&format!("!~* {}", any_of(&names)))
        }
        None if plan.named.is_empty() => refuse("= \"\""),
        None => [refuse("= \"\""), refuse(&format!("~* {}", any_of(&plan.named)))].join("\n"),
    }
}

fn tls(planned: &Planned<'_>) -> String {
    let Some(tls) = &planned.dashboard.tls else { return String::new() };
    let first = match planned.dashboard.places.first() {
        Some(Place::Tcp { host, .. }) => host.as_str(),
        Some(Place::Unix(_)) | None => "",
    };
    [
        "# Without these two lines nginx believes any certificate.",
        "proxy_ssl_verify on;",
        &format!("proxy_ssl_trusted_certificate {};", tls.authorities),
        "proxy_ssl_verify_depth 8;",
        "proxy_ssl_server_name on;",
        &format!("proxy_ssl_name {};", tls.name.unwrap_or(first)),
    ]
    .join("\n")
}
