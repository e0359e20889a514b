//! `vestibule render`: the examples are what it prints, what it can't print is refused, and nothing in a configuration
//! means more to another server than it should.

use std::fs;
use std::path::{Path, PathBuf};

use vestibule::config::{Config, parse};
use vestibule::render::{Document, render};

const ALL: [Document; 5] = [Document::Nginx, Document::Caddy, Document::Traefik, Document::Haproxy, Document::Envoy];

/// The files of one configuration, as they are called where their servers look for them.
const EXAMPLES: [(&str, Document); 7] = [
    ("nginx.conf", Document::Nginx),
    ("Caddyfile", Document::Caddy),
    ("traefik.yml", Document::TraefikStatic),
    ("traefik-vestibule.yml", Document::Traefik),
    ("haproxy.cfg", Document::Haproxy),
    ("haproxy-vestibule.lua", Document::HaproxyLua),
    ("envoy.yaml", Document::Envoy),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const NGINX_MAY_ASK: &str = "forward_auth = [\"nginx\"]";
const MAY_ASK: &str = "forward_auth = [\"nginx\", \"traefik\", \"caddy\", \"haproxy\", \"envoy\"]";

/// The example, for whichever server asks.
fn example() -> String {
    let example = fs::read_to_string(root().join("config/forward-auth.toml")).expect("the example");
    assert_eq!(example.matches(NGINX_MAY_ASK).count(), 1);
    example.replace(NGINX_MAY_ASK, MAY_ASK)
}

fn read(text: &str) -> Config {
    match parse(text, Path::new("/etc/vestibule/vestibule.toml")) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}\n\n{text}"),
    }
}

/// The example with one piece of it replaced.
fn example_with(piece: &str, other: &str) -> Config {
    let example = example();
    assert!(example.contains(piece), "there is no {piece}");
    read(&example.replace(piece, other))
}

fn with_line(line: &str) -> Config {
    example_with("upstream = \"http://127.0.0.1:3000\"", &format!("upstream = \"http://127.0.0.1:3000\"\n{line}"))
}

fn with_upstream(lines: &str) -> Config {
    example_with("upstream = \"http://127.0.0.1:3000\"", lines)
}

/// With a second site, for any host.
fn two_sites(lines: &str) -> Config {
    let second = format!(
        "\n[[site]]\nupstream = \"http://127.0.0.1:3001\"\n{lines}\n[site.identity]\nurl = \"/me\"\nuser = \"/id\"\norganization = \"/company\"\n"
    );
    read(&(example() + &second))
}

#[track_caller]
fn refused(config: &Config, documents: &[Document], words: &[&str]) {
    for document in documents {
        let said = match render(*document, config) {
            Ok(text) => panic!("{document:?} is printed:\n{text}"),
            Err(refused) => refused.to_string(),
        };
        for word in words {
            assert!(said.contains(word), "{document:?}: {said:?} does not say {word:?}");
        }
    }
}

#[test]
fn the_examples_are_what_is_printed_today() {
    let config = read(&example());
    let folder = root().join("examples/forward-auth");
    for (name, document) in EXAMPLES {
        let printed = render(document, &config).expect("the example can be printed");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(folder.join(name), &printed).expect("an example");
        }
        let shown = fs::read_to_string(folder.join(name)).expect("an example");
        assert_eq!(shown, printed, "{name} is out of date: UPDATE_SNAPSHOTS=1 cargo test --test render");
    }
    let there = fs::read_dir(folder).expect("the folder").count();
    assert_eq!(there, EXAMPLES.len(), "each of them is printed");
}

#[test]
fn what_is_to_be_adapted_is_marked_and_three_lines_at_most() {
    for (name, document) in EXAMPLES {
        let printed = render(document, &read(&example())).expect("printed");
        let marked = printed.lines().filter(|line| line.contains("ADAPT") && !line.contains("marked ADAPT")).count();
        assert!(marked <= 3 && (marked > 0 || document == Document::HaproxyLua), "{name}: {marked}");
    }
}

#[test]
fn where_vestibule_would_let_nobody_through_nothing_is_printed() {
    let no_proxies = read(&example().replace(MAY_ASK, "").replace("trusted_proxies = [\"127.0.0.1\"]", ""));
    refused(&no_proxies, &ALL, &["trusted_proxies = [\"127.0.0.1\"]"]);
    let others = example_with("trusted_proxies = [\"127.0.0.1\"]", "trusted_proxies = [\"10.0.0.0/8\", \"unix\"]");
    refused(&others, &ALL, &["trusted_proxies = [\"127.0.0.1\"]"]);
    let socket = example_with("listen = [\"127.0.0.1:8080\"]", "listen = [\"unix:/run/vestibule.sock\"]");
    refused(&socket, &ALL, &["trusted_proxies = [\"unix\"]"]);
    let any_port = example_with("listen = [\"127.0.0.1:8080\"]", "listen = [\"127.0.0.1:0\"]");
    refused(&any_port, &ALL, &["listen"]);
}

#[test]
fn a_server_that_may_not_ask_is_told_what_would_let_it() {
    for document in ALL.into_iter().chain([Document::TraefikStatic, Document::HaproxyLua]) {
        let name = format!("{document:?}").to_lowercase();
        let is_its = |server: &&str| name.starts_with(*server);
        let own = ["nginx", "traefik", "caddy", "haproxy", "envoy"].into_iter().find(is_its).expect("of a server");
        refused(&example_with(MAY_ASK, ""), &[document], &[own, &format!("forward_auth = [{own:?}]")]);
        let other = if own == "nginx" { "envoy" } else { "nginx" };
        let named = example_with(MAY_ASK, &format!("forward_auth = [{other:?}]"));
        refused(&named, &[document], &[own, &format!("forward_auth = [{other:?}, {own:?}]")]);
        render(document, &example_with(MAY_ASK, &format!("forward_auth = [{own:?}]"))).expect("printed");
    }
}

#[test]
fn a_server_that_cannot_reach_a_socket_is_not_told_of_it() {
    let config = with_upstream("upstream = \"unix:/run/insights.sock\"");
    refused(&config, &[Document::Traefik], &["insights", "Unix socket", "an address and a port"]);
    for document in [Document::Nginx, Document::Caddy, Document::Haproxy, Document::Envoy] {
        let printed = render(document, &config).expect("printed");
        assert!(printed.contains("/run/insights.sock"), "{document:?}: {printed}");
    }
}

#[test]
fn what_would_end_a_word_in_another_language_is_refused() {
    let odd = [
        "a b", "a;b", "a{b", "a}b", "a\\\"b", "a'b", "a$b", "a#b", "a%b", "a\\nb", "a\\\\b", "a,b", "a`b", "\u{e9}",
        "a(b)",
    ];
    for name in odd {
        let config = with_upstream(&format!("upstream = \"unix:/run/{name}.sock\""));
        refused(&config, &ALL, &["upstream of insights", "letters, digits"]);
        let listen = format!("listen = [\"unix:/run/{name}.sock\"]");
        let config = example_with("listen = [\"127.0.0.1:8080\"]", &listen);
        refused(&config, &ALL, &["listen", "letters, digits"]);
    }
    for host in ["a;b", "a$host", "a'b", "a,b", "a(b)", "a%41"] {
        if let Ok(config) = parse(
            &example().replace("[[site]]\n", &format!("[[site]]\nupstream_host = \"{host}\"\n")),
            Path::new("/etc/vestibule/vestibule.toml"),
        ) {
            refused(&config, &ALL, &["upstream_host of insights"]);
        }
    }
}

#[test]
fn one_word_for_two_things_is_refused() {
    refused(&two_sites("name = \"Insights\"\nhosts = [\"*\"]"), &ALL, &["two sites", "insights"]);
    let two_prefixes = two_sites("name = \"other\"\nhosts = [\"*\"]\nprefix = \"/_other\"");
    refused(&two_prefixes, &[Document::Envoy], &["insights and other", "prefix"]);
    let https = "upstream = [\"https://a.internal\", \"https://b.internal\"]";
    refused(&with_upstream(https), &ALL, &["insights", "upstream_name"]);
}

#[test]
fn what_only_vestibule_can_do_in_front_of_a_dashboard_is_refused() {
    let login = "\n[[site]]\nname = \"other\"\nhosts = [\"other.example\"]\nupstream = \"http://127.0.0.1:3001\"\n\
        [site.identity]\nsource = \"header\"\nuser = \"X-Forwarded-User\"\norganization = { fixed = \"acme\" }\n";
    refused(&read(&(example() + login)), &ALL, &["other", "source = \"header\"", "by hand"]);
    refused(&with_line("upstream_http = \"2\""), &ALL, &["insights", "HTTP/2"]);
}

#[test]
fn certificates_of_dashboards_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let authorities = folder.path().join("authorities.pem");
    let certificate = rcgen::generate_simple_self_signed(["insights.internal".to_owned()]).expect("a certificate");
    fs::write(&authorities, certificate.cert.pem()).expect("a file");
    let own = format!(
        "upstream = \"https://10.0.0.1:3443\"\nupstream_name = \"insights.internal\"\nupstream_authorities = {:?}",
        authorities.display().to_string()
    );
    for (document, words) in [
        (Document::Nginx, &["proxy_ssl_verify on;", "proxy_ssl_name insights.internal;"][..]),
        (Document::Caddy, &["https://10.0.0.1:3443", "tls_server_name insights.internal"]),
        (Document::Traefik, &["serverName: \"insights.internal\"", "url: \"https://10.0.0.1:3443\""]),
        (Document::Haproxy, &["ssl verify required", "verifyhost insights.internal"]),
        (Document::Envoy, &["match_typed_subject_alt_names", "exact: \"insights.internal\""]),
    ] {
        let printed = render(document, &with_upstream(&own)).expect("printed");
        let system = render(document, &with_upstream("upstream = \"https://insights.internal\"")).expect("printed");
        assert!(printed.contains(&*authorities.to_string_lossy()), "{document:?}: {printed}");
        assert!(system.contains("/etc/ssl/certs/ca-certificates.crt"), "{document:?}: {system}");
        for word in words {
            assert!(printed.contains(word), "{document:?} does not say {word}: {printed}");
        }
    }
}

#[test]
fn credentials_that_are_withheld_from_some_pages_come_back_from_vestibule() {
    let words = "public_until_login = [\"/\"]\ncredentials = [\"cookie\", \"header:x-api-key\"]";
    for document in ALL {
        let printed = render(document, &with_line(words)).expect("printed").to_lowercase();
        let without = render(document, &read(&example())).expect("printed").to_lowercase();
        for word in ["authorization", "x-api-key"] {
            let times = |text: &str| text.matches(word).count();
            assert!(times(&printed) > times(&without), "{document:?} does not take {word}: {printed}");
        }
    }
}

#[test]
fn what_the_operator_strips_is_stripped_there() {
    for document in ALL {
        let printed = render(document, &with_line("strip_headers = [\"x-debug-user\", \"x_odd\"]")).expect("printed");
        assert!(printed.contains("x-debug-user"), "{document:?}: {printed}");
    }
}
