//! Envoy: the `ext_authz` filter, which asks over HTTP.

use super::Refused;
use super::fill::fill;
use super::plan::{Place, Plan, Planned, seconds};
use super::strip;

pub(super) fn render(plan: &Plan<'_>) -> Result<String, Refused> {
    let clusters: String = plan.sites.iter().map(cluster).collect();
    let mut withheld: Vec<_> = plan.sites.iter().flat_map(Planned::withheld).collect();
    withheld.sort_unstable();
    withheld.dedup();
    let withheld: Vec<_> = withheld.iter().map(|name| format!("- {{ exact: {name} }}")).collect();
    Ok(fill(
        include_str!("envoy/main.yml"),
        &[
            ("titles", &plan.titles()),
            ("stripped", &stripped()),
            ("check_timeout", &seconds(plan.check_timeout())),
            ("prefix", prefix(plan)?),
            ("credentials", &withheld.join("\n")),
            ("hosts", &hosts(plan)),
            ("vestibule", &endpoints(std::slice::from_ref(&plan.vestibule), "vestibule")),
            ("clusters", &clusters),
        ],
    ))
}

/// The filter asks at one address for all sites.
fn prefix<'a>(plan: &Plan<'a>) -> Result<&'a str, Refused> {
    let first = &plan.sites.first().expect("a configuration has a site").site;
    match plan.sites.iter().find(|site| site.site.prefix != first.prefix) {
        None => Ok(&first.prefix),
        Some(other) => Err(Refused::new(
            format!("{} and {} have different prefixes, and Envoy asks below one", first.name, other.site.name),
            "one prefix for all sites",
        )),
    }
}

fn stripped() -> String {
    let beginnings = strip::BEGINNINGS.iter();
    let beginnings = beginnings.map(|name| format!("- remove_on_match: {{ key_matcher: {{ prefix: {name} }} }}"));
    let names = strip::OTHERS.iter().map(|name| format!("- remove: {}", name.to_ascii_lowercase()));
    beginnings.chain(names).collect::<Vec<_>>().join("\n")
}

fn hosts(plan: &Plan<'_>) -> String {
    let mut hosts: String = plan.sites.iter().map(host).collect();
    if plan.sites.iter().all(|site| site.hosts.is_some()) {
        hosts.push_str(include_str!("envoy/nobody.yml"));
    }
    hosts
}

fn host(planned: &Planned<'_>) -> String {
    let site = planned.site;
    let domains = match planned.hosts {
        Some(hosts) => hosts.iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", "),
        None => "\"*\"".to_owned(),
    };
    let several = planned.dashboard.places.len();
    let retry = if several > 1 {
        // Only where nothing was sent.
        format!("retry_policy: {{ retry_on: connect-failure, num_retries: {} }}", several - 1)
    } else {
        String::new()
    };
    let stripped: Vec<_> = strip::of_site(site).map(|name| format!("{{ remove: {name} }}")).collect();
    let stripped = if stripped.is_empty() {
        String::new()
    } else {
        fill(include_str!("envoy/strip.yml"), &[("names", &stripped.join(", "))])
    };
    fill(
        include_str!("envoy/host.yml"),
        &[
            ("site", &site.name),
            ("name", &planned.name),
            ("domains", &domains),
            ("prefix", &site.prefix),
            ("silence", &seconds(planned.silence())),
            ("host", &planned.host.map_or_else(String::new, |host| format!("host_rewrite_literal: \"{host}\""))),
            ("retry", &retry),
            ("stripped", &stripped),
        ],
    )
}

fn cluster(planned: &Planned<'_>) -> String {
    let upstream = &planned.site.upstream;
    let name = format!("dashboard-{}", planned.name);
    let mut lines =
        vec![format!("- name: {name}"), format!("  connect_timeout: {}s", seconds(upstream.connect_timeout))];
    if upstream.idle_timeout.is_zero() {
        lines.push(options("max_requests_per_connection: 1"));
    } else {
        lines.push("  # Shorter than the dashboard keeps connections.".to_owned());
        lines.push(options(&format!("idle_timeout: {}s", seconds(upstream.idle_timeout))));
    }
    let places = &planned.dashboard.places;
    if places.len() > 1 {
        lines.push("  # The first is asked as long as it can be reached.".to_owned());
        lines.push(
            "  outlier_detection: { split_external_local_origin_errors: true, consecutive_local_origin_failure: 1, \
             base_ejection_time: 10s, max_ejection_percent: 100 }"
                .to_owned(),
        );
    }
    let below = endpoints(places, &name) + "\n" + &tls(planned).unwrap_or_default();
    lines.extend(below.lines().map(|line| format!("  {line}")));
    lines.push(String::new());
    lines.join("\n")
}

fn options(common: &str) -> String {
    format!(
        "  typed_extension_protocol_options:\n    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n      \
         \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n      \
         explicit_http_config: {{ http_protocol_options: {{}} }}\n      common_http_protocol_options: {{ {common} }}"
    )
}

/// The first at the highest priority.
fn endpoints(places: &[Place], cluster: &str) -> String {
    let is_named = |place: &Place| match place {
        Place::Tcp { host, .. } => host.parse::<std::net::IpAddr>().is_err(),
        Place::Unix(_) => false,
    };
    let kind = if places.iter().any(is_named) { "STRICT_DNS" } else { "STATIC" };
    let line = |(at, place): (usize, &Place)| {
        let address = match place {
            Place::Tcp { host, port } => {
                format!("socket_address: {{ address: \"{host}\", port_value: {port} }}")
            }
            Place::Unix(path) => format!("pipe: {{ path: \"{path}\" }}"),
        };
        format!("\n    - priority: {at}\n      lb_endpoints: [{{ endpoint: {{ address: {{ {address} }} }} }}]")
    };
    let lines: Vec<_> = places.iter().enumerate().map(line).collect();
    format!("type: {kind}\nload_assignment:\n  cluster_name: {cluster}\n  endpoints:{}", lines.concat())
}

fn tls(planned: &Planned<'_>) -> Option<String> {
    let tls = planned.dashboard.tls.as_ref()?;
    let own = match planned.dashboard.places.first()? {
        Place::Tcp { host, .. } => host.as_str(),
        Place::Unix(_) => return None,
    };
    let name = tls.name.unwrap_or(own);
    let (kind, sni) = match name.parse::<std::net::IpAddr>() {
        Ok(_) => ("IP_ADDRESS", String::new()),
        Err(_) => ("DNS", format!("sni: {name}")),
    };
    let values = [("sni", sni.as_str()), ("authorities", tls.authorities), ("kind", kind), ("name", name)];
    Some(fill(include_str!("envoy/tls.yml"), &values))
}
