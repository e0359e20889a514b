//! HAProxy: an action in Lua that asks by HAProxy's own HTTP client, and a rule that denies what it did not let pass.

use super::fill::fill;
use super::plan::{Place, Plan, Planned, seconds};
use super::strip;

/// The action. It is the same for every configuration.
pub(super) const LUA: &str = include_str!("haproxy/vestibule.lua");

pub(super) fn render(plan: &Plan<'_>) -> String {
    let each = |part: &dyn Fn(&Planned<'_>) -> String| plan.sites.iter().map(part).collect::<Vec<_>>().join("\n");
    let longest = plan.sites.iter().map(Planned::silence).max().unwrap_or_default();
    fill(
        include_str!("haproxy/main.cfg"),
        &[
            ("titles", &plan.titles()),
            ("hosts", &each(&host_rule)),
            ("unknown", &unknown(plan)),
            ("stripped", &stripped()),
            ("rules", &each(&|site| rules(plan, site))),
            ("backends_chosen", &each(&|site| backend_chosen(plan, site))),
            ("answer_timeout", &seconds(longest)),
            ("vestibule", &address(&plan.vestibule)),
            ("backends", &each(&backend)),
        ],
    )
}

/// When a request is for a site. One that takes any host takes those that no other names.
fn condition(plan: &Plan<'_>, planned: &Planned<'_>) -> String {
    if planned.hosts.is_some() {
        return format!("site-{}", planned.name);
    }
    let named = plan.sites.iter().filter(|site| site.hosts.is_some());
    let none_of_them: Vec<_> = named.map(|site| format!("!site-{}", site.name)).collect();
    if none_of_them.is_empty() { "TRUE".to_owned() } else { none_of_them.join(" ") }
}

fn host_rule(planned: &Planned<'_>) -> String {
    let Some(hosts) = planned.hosts else { return String::new() };
    let with_dot = hosts.iter().filter(|host| !host.ends_with(']')).map(|host| format!("{host}."));
    let spellings: Vec<_> = hosts.iter().cloned().chain(with_dot).collect();
    format!("acl site-{} req.fhdr(host),host_only -m str -i {}", planned.name, spellings.join(" "))
}

fn unknown(plan: &Plan<'_>) -> String {
    if plan.sites.iter().any(|site| site.hosts.is_none()) {
        return String::new();
    }
    let conditions: Vec<_> = plan.sites.iter().map(|site| condition(plan, site)).collect();
    format!("http-request deny deny_status 421 unless {}", conditions.join(" || "))
}

/// What begins like names that only servers in front may say, but the three that are set anew.
fn stripped() -> String {
    let beginnings = strip::BEGINNINGS.into_iter().map(|name| format!("http-request del-header {name} -m beg"));
    let names = strip::OTHERS.into_iter().map(|name| format!("http-request del-header {name}"));
    beginnings.chain(names).collect::<Vec<_>>().join("\n")
}

fn rules(plan: &Plan<'_>, planned: &Planned<'_>) -> String {
    let site = condition(plan, planned);
    let stripped = strip::of_site(planned.site);
    let stripped = stripped.map(|name| format!("http-request del-header {name} if {site} !own-{}", planned.name));
    fill(
        include_str!("haproxy/rules.cfg"),
        &[
            ("site", &planned.site.name),
            ("name", &planned.name),
            ("host", &site),
            ("prefix", &planned.site.prefix),
            ("stripped", &stripped.collect::<Vec<_>>().join("\n")),
            ("vestibule", &address(&plan.vestibule)),
            ("check_timeout", &seconds(plan.check_timeout())),
            ("credentials", &[vec!["cookie"], planned.withheld()].concat().join(",")),
        ],
    )
}

fn backend_chosen(plan: &Plan<'_>, planned: &Planned<'_>) -> String {
    let (site, name) = (condition(plan, planned), &planned.name);
    format!("use_backend vestibule if {site} own-{name}\nuse_backend dashboard-{name} if {site}")
}

fn address(place: &Place) -> String {
    match place {
        Place::Tcp { .. } => place.to_string(),
        Place::Unix(path) => format!("unix@{path}"),
    }
}

fn backend(planned: &Planned<'_>) -> String {
    let upstream = &planned.site.upstream;
    let mut lines = vec![
        format!("backend dashboard-{}", planned.name),
        format!("    timeout connect {}s", seconds(upstream.connect_timeout)),
        format!("    timeout server {}s", seconds(upstream.answer_timeout)),
    ];
    if upstream.idle_timeout.is_zero() {
        lines.push("    option httpclose".to_owned());
    }
    if let Some(host) = planned.host {
        lines.push(format!("    http-request set-header Host {host}"));
    }
    // Shorter than the dashboard keeps connections.
    let unused = match upstream.idle_timeout {
        unused if unused.is_zero() => String::new(),
        unused => format!(" pool-purge-delay {}s", seconds(unused)),
    };
    let places = &planned.dashboard.places;
    if places.len() > 1 {
        lines.push("    # The first is asked as long as it can be reached.".to_owned());
        lines.push("    option redispatch 1".to_owned());
    }
    for (at, place) in places.iter().enumerate() {
        let check = if places.len() > 1 { " check inter 2s fall 1 rise 1" } else { "" };
        let backup = if at > 0 { " backup" } else { "" };
        let (place, tls) = (address(place), tls(planned, place));
        lines.push(format!("    server dashboard-{at} {place}{tls}{check}{backup}{unused}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn tls(planned: &Planned<'_>, place: &Place) -> String {
    let (Some(tls), Place::Tcp { host, .. }) = (&planned.dashboard.tls, place) else { return String::new() };
    let name = tls.name.unwrap_or(host);
    format!(" ssl verify required ca-file {} sni str({name}) verifyhost {name}", tls.authorities)
}
