//! Traefik: `forwardAuth`, in the two files that its file provider takes.

use super::Refused;
use super::fill::fill;
use super::plan::{Place, Plan, Planned, seconds};
use super::strip;

/// What is read at its start.
pub(super) const STATIC: &str = include_str!("traefik/static.yml");

pub(super) fn render(plan: &Plan<'_>) -> Result<String, Refused> {
    let vestibule = reachable(&plan.vestibule, "Vestibule listens")?;
    let each = |part: fn(&Planned<'_>) -> String| plan.sites.iter().map(part).collect::<String>();
    let middlewares: String = plan.sites.iter().map(|site| middlewares(site, &vestibule)).collect();
    let services = plan.sites.iter().map(service).collect::<Result<String, _>>()?;
    Ok(fill(
        include_str!("traefik/main.yml"),
        &[
            ("titles", &plan.titles()),
            ("vestibule", &vestibule),
            ("routers", &each(routers)),
            ("middlewares", &middlewares),
            ("services", &services),
            ("transports", &each(transport)),
        ],
    ))
}

fn routers(planned: &Planned<'_>) -> String {
    let hosts = planned.hosts.map(|hosts| hosts.iter().map(|host| format!("Host(`{host}`)")).collect::<Vec<_>>());
    let rule = hosts.map(|hosts| format!("({}) && ", hosts.join(" || "))).unwrap_or_default();
    // A site for any host comes after those that name theirs.
    let [first, before_first, second, third] =
        if planned.hosts.is_some() { ["21", "22", "23", "24"] } else { ["11", "12", "13", "14"] };
    fill(
        include_str!("traefik/routers.yml"),
        &[
            ("site", &planned.site.name),
            ("name", &planned.name),
            ("rule", &rule),
            ("prefix", &planned.site.prefix),
            ("first", first),
            ("before_first", before_first),
            ("not_websocket", strip::NOT_WEBSOCKET),
            ("second", second),
            ("third", third),
            ("more", &planned.host.map_or_else(String::new, |_| format!(", host-{}", planned.name))),
        ],
    )
}

fn middlewares(planned: &Planned<'_>, vestibule: &str) -> String {
    let spellings = strip::OURS.iter().map(|name| name.replace('-', "_"));
    let names = strip::OURS.into_iter().chain(strip::names(planned.site)).map(str::to_owned).chain(spellings);
    let stripped: Vec<_> = names.map(|name| format!("{name}: \"\"")).collect();
    let host = |host| format!("host-{}:\n  headers:\n    customRequestHeaders:\n      Host: \"{host}\"", planned.name);
    let credentials: Vec<_> = planned.withheld().iter().map(|name| format!("- {name}")).collect();
    fill(
        include_str!("traefik/middlewares.yml"),
        &[
            ("name", &planned.name),
            ("vestibule", vestibule),
            ("prefix", &planned.site.prefix),
            ("stripped", &stripped.join("\n")),
            ("credentials", &credentials.join("\n")),
            ("host", &planned.host.map(host).unwrap_or_default()),
        ],
    )
}

fn service(planned: &Planned<'_>) -> Result<String, Refused> {
    let scheme = if planned.dashboard.tls.is_some() { "https" } else { "http" };
    let name = &planned.name;
    let mut lines = vec![
        format!("dashboard-{name}:"),
        "  loadBalancer:".to_owned(),
        format!("    serversTransport: dashboard-{name}"),
        "    servers:".to_owned(),
    ];
    for place in &planned.dashboard.places {
        let place = reachable(place, &format!("the dashboard of {} listens", planned.site.name))?;
        lines.push(format!("      - url: \"{scheme}://{place}\""));
    }
    if planned.dashboard.places.len() > 1 {
        lines.push("    passiveHealthCheck: { failureWindow: 10s, maxFailedAttempts: 1 }".to_owned());
    }
    Ok(lines.join("\n") + "\n")
}

fn transport(planned: &Planned<'_>) -> String {
    let upstream = &planned.site.upstream;
    let mut lines = vec![
        format!("dashboard-{}:", planned.name),
        "  forwardingTimeouts:".to_owned(),
        format!("    dialTimeout: {}s", seconds(upstream.connect_timeout)),
        format!("    responseHeaderTimeout: {}s", seconds(upstream.answer_timeout)),
    ];
    if upstream.idle_timeout.is_zero() {
        lines.push("  maxIdleConnsPerHost: -1".to_owned());
    } else {
        lines.push("    # Shorter than the dashboard keeps connections.".to_owned());
        lines.push(format!("    idleConnTimeout: {}s", seconds(upstream.idle_timeout)));
    }
    if let Some(tls) = &planned.dashboard.tls {
        lines.extend(tls.name.map(|name| format!("  serverName: \"{name}\"")));
        lines.push(format!("  rootCAs: [\"{}\"]", tls.authorities));
    }
    lines.join("\n") + "\n"
}

fn reachable(place: &Place, who: &str) -> Result<String, Refused> {
    match place {
        Place::Tcp { .. } => Ok(place.to_string()),
        Place::Unix(_) => {
            Err(Refused::new(format!("{who} on a Unix socket, which Traefik can't reach"), "an address and a port"))
        }
    }
}
