//! Caddy: what its `forward_auth` is short for, written out, since the short form differs between versions.

use super::fill::fill;
use super::plan::{Place, Plan, Planned, seconds};
use super::strip;

/// Where it listens until it is adapted.
const PORT: u16 = 8000;

pub(super) fn render(plan: &Plan<'_>) -> String {
    let sites: Vec<_> = plan.sites.iter().map(|site| render_site(plan, site)).collect();
    fill(include_str!("caddy/main.caddyfile"), &[("titles", &plan.titles()), ("sites", &sites.join("\n"))])
}

fn render_site(plan: &Plan<'_>, planned: &Planned<'_>) -> String {
    let site = planned.site;
    let upstream = &site.upstream;
    let scheme = if planned.dashboard.tls.is_some() { "https://" } else { "" };
    let dashboards: Vec<_> = planned.dashboard.places.iter().map(|place| target(scheme, place)).collect();
    fill(
        include_str!("caddy/site.caddyfile"),
        &[
            ("site", &site.name),
            ("addresses", &addresses(planned)),
            ("stripped", &stripped(planned)),
            ("not_websocket", strip::NOT_WEBSOCKET),
            ("prefix", &site.prefix),
            ("vestibule", &target("", &plan.vestibule)),
            ("check_timeout", &seconds(plan.check_timeout())),
            ("credentials", &credentials(planned)),
            ("dashboards", &dashboards.join(" ")),
            ("host", &planned.host.map_or_else(String::new, |host| format!("header_up Host {host}"))),
            ("balance", &balance(planned)),
            ("connect_timeout", &seconds(upstream.connect_timeout)),
            ("answer_timeout", &seconds(upstream.answer_timeout)),
            ("keepalive", &keepalive(planned)),
            ("tls", &tls(planned)),
        ],
    )
}

fn addresses(planned: &Planned<'_>) -> String {
    let address = |host: &str| format!("http://{host}:{PORT}");
    match planned.hosts {
        Some(hosts) => hosts.iter().map(|host| address(host)).collect::<Vec<_>>().join(", "),
        None => address(""),
    }
}

fn stripped(planned: &Planned<'_>) -> String {
    // The three that Caddy sets anew are no trouble: it believes nobody's.
    let beginnings = strip::BEGINNINGS.into_iter().flat_map(|name| [format!("{name}*"), name.replace('-', "_") + "*"]);
    let names = strip::OTHERS.into_iter().chain(strip::of_site(planned.site)).map(str::to_owned);
    let lines: Vec<_> = beginnings.chain(names).map(|name| format!("request_header -{name}")).collect();
    lines.join("\n")
}

fn credentials(planned: &Planned<'_>) -> String {
    let line = |name: &&str| {
        let name = capitalized(name);
        format!("request_header {name} {{http.reverse_proxy.header.{name}}}\n")
    };
    planned.withheld().iter().map(line).collect()
}

/// As Caddy spells the names of fields: it finds none by another spelling.
fn capitalized(name: &str) -> String {
    let parts = name.split('-').map(|part| match part.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    });
    parts.collect::<Vec<_>>().join("-")
}

fn target(scheme: &str, place: &Place) -> String {
    match place {
        Place::Tcp { .. } => format!("{scheme}{place}"),
        Place::Unix(path) => format!("unix/{path}"),
    }
}

/// The first is asked as long as it can be reached. Nothing of which anything was sent is sent again.
fn balance(planned: &Planned<'_>) -> String {
    match planned.dashboard.places.len() {
        1 => String::new(),
        several => {
            let several = u32::try_from(several).unwrap_or(u32::MAX);
            let patience = seconds(planned.site.upstream.connect_timeout.saturating_mul(several));
            format!(
                "lb_policy first\nlb_try_duration {patience}s\nlb_retry_match {{\n\tmethod NONE\n}}\nfail_duration 10s"
            )
        }
    }
}

fn keepalive(planned: &Planned<'_>) -> String {
    match planned.site.upstream.idle_timeout {
        unused if unused.is_zero() => "keepalive off".to_owned(),
        unused => format!("# Shorter than the dashboard keeps connections.\nkeepalive {}s", seconds(unused)),
    }
}

fn tls(planned: &Planned<'_>) -> String {
    let Some(tls) = &planned.dashboard.tls else { return String::new() };
    let name = tls.name.map(|name| format!("tls_server_name {name}\n")).unwrap_or_default();
    format!("{name}tls_trusted_ca_certs {}", tls.authorities)
}
