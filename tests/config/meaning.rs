//! What the values mean, once they are checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use vestibule::config::{
    AdminRule, Bind, Config, Credential, Guard, Hosts, Listen, LogFormat, LogLevel, OrganizationPolicy, OuterServer,
    PathPattern, Postgres, PostgresTls, Scalar, Site, Source, StoreUrl, UpstreamAddress, Value, parse,
};
use vestibule::second_factor::account::Requirement;
use vestibule::store::postgres::{Database, Host, Password, Server};

use crate::{SMALL, read, small_with};

fn config(header: &str, lines: &str) -> Config {
    read(&small_with(header, lines)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn site(lines: &str) -> Site {
    Site::clone(&config("[[site]]", lines).sites[0])
}

#[test]
fn a_ticket_is_good_for_a_day_unless_the_operator_says_otherwise() {
    let guard = |lines| config("[site.enrollment]", lines).sites[0].enrollment;
    let ticket = |hours| Guard::Ticket { lifetime: Duration::from_hours(hours) };
    assert_eq!(site("").enrollment, Guard::None);
    assert_eq!(guard("ticket_lifetime = \"1h\""), Guard::None);
    assert_eq!(guard("guard = \"ticket\""), ticket(24));
    assert_eq!(guard("guard = \"ticket\"\nticket_lifetime = \"30d\""), ticket(720));
}

fn identity(lines: &str) -> vestibule::config::Identity {
    config("[site.identity]", lines).sites[0].identity.clone()
}

#[test]
fn the_page_that_introduces_the_configuration_means_what_it_says() {
    let text = r#"
[server]
listen = ["0.0.0.0:8443", "unix:vestibule.sock"]
trusted_proxies = ["127.0.0.1/32", "10.0.0.7", "unix"]
forward_auth = ["caddy", "haproxy"]

[store]
url = "sqlite:data/vestibule.db"

[session]
idle = "15m"
lifetime = "30d"

[totp]
issuer = "Acme Insights"

[log]
format = "json"
level = "debug"

[[site]]
name = "insights"
hosts = ["Insights.ACME.example.", "[2001:DB8::1]:8443", "192.0.2.1"]
upstream = "http://127.0.0.1:3000"
public = ["/login", "/static/*", "/index.php?title=Special:UserLogin"]
login = "/login?next={next}"
logout = ["/logout"]

[site.identity]
url = "/api/me?full=1"
user = "/id"
email = "/email"
name = "/name"
organization = "/company/slug"
admin = { pointer = "/role", any = ["admin", 7, true] }
cache = "0"

[site.organization]
requirement = "required"
locked = true
"#;
    let config = read(text).unwrap_or_else(|problems| panic!("{problems}"));
    let tcp = Listen::Tcp("0.0.0.0:8443".parse().expect("an address"));
    assert_eq!(config.server.listen, [tcp, Listen::Unix("/etc/vestibule/vestibule.sock".into())]);
    let proxies = &config.server.trusted_proxies;
    assert!(proxies.unix && proxies.contains("10.0.0.7".parse().expect("an address")));
    assert!(!proxies.contains("10.0.0.8".parse().expect("an address")));
    assert_eq!(config.server.forward_auth, [OuterServer::Caddy, OuterServer::Haproxy]);
    assert_eq!(config.store.url, StoreUrl::Sqlite("/etc/vestibule/data/vestibule.db".into()));
    assert_eq!(config.store.key_file, PathBuf::from("/etc/vestibule/vestibule.key"));
    assert_eq!(config.session.idle, Duration::from_mins(15));
    assert_eq!(config.session.lifetime, Duration::from_hours(720));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Debug));
    let site = &config.sites[0];
    let hosts = ["insights.acme.example", "[2001:db8::1]", "192.0.2.1"].map(String::from);
    assert_eq!(site.hosts, Hosts::Named(hosts.to_vec()));
    let exact = PathPattern::Target("/index.php?title=Special:UserLogin".into());
    assert_eq!(site.public, [PathPattern::Path("/login".into()), PathPattern::Below("/static/".into()), exact]);
    assert_eq!(site.login.as_deref(), Some("/login?next={next}"));
    assert_eq!((site.realm.as_str(), site.look.title.as_str()), ("insights", "Acme Insights"));
    let any = vec![Scalar::Text("admin".into()), Scalar::Number(7), Scalar::Bool(true)];
    assert_eq!(site.identity.admin, AdminRule::Marked { value: Value::Pointer("/role".into()), any });
    let Source::Probe(probe) = &site.identity.source else { panic!("the dashboard is asked") };
    assert_eq!(probe.cache, Duration::ZERO);
    assert_eq!(site.organization, OrganizationPolicy::Locked(Requirement::Required));
}

/// The store that these lines mean.
fn store(lines: &str) -> Postgres {
    match config("[store]", lines).store.url {
        StoreUrl::Postgres(postgres) => postgres,
        StoreUrl::Sqlite(file) => panic!("{}", file.display()),
    }
}

#[test]
fn a_postgresql_store_is_named_by_its_url() {
    let at = |url: &str| store(&format!("url = \"{url}\""));
    let tcp = |host: &str, port| Server { host: Host::Tcp(host.into()), port };
    let unix = |port| Server { host: Host::Unix("/run/postgresql".into()), port };
    let is = |url: &str, servers: &[Server], user: &str, name: &str| {
        let Database { servers: found, name: database, user: as_whom, password: _, connections } = at(url).database;
        assert_eq!((&found[..], as_whom.as_str(), database.as_str()), (servers, user, name), "{url}");
        assert_eq!(connections, 16);
    };
    is("postgres://v@db.example/store", &[tcp("db.example", 5432)], "v", "store");
    is("postgresql://v@db.example:6432", &[tcp("db.example", 6432)], "v", "v");
    is("postgres://v:p@[2001:db8::1]:5433/s", &[tcp("2001:db8::1", 5433)], "v", "s");
    is("postgres://v@a,b:5433/s", &[tcp("a", 5432), tcp("b", 5433)], "v", "s");
    is("postgres://v%40acme:p@db/s%2Ft", &[tcp("db", 5432)], "v@acme", "s/t");
    is("postgres://v@/s?host=/run/postgresql", &[unix(5432)], "v", "s");
    is("postgres://v@:5433/s?host=/run/postgresql", &[unix(5433)], "v", "s");
    is("postgres://v@%2Frun%2Fpostgresql:5433/s", &[unix(5433)], "v", "s");
    assert_eq!(store("url = \"postgres://v@db\"\nconnections = 4").database.connections, 4);
}

#[test]
fn the_password_of_the_store_is_in_the_url_or_a_file() {
    let password = |password: &str| Some(Password::new(password.into()));
    assert_eq!(store("url = \"postgres://v:a%20b:c@db\"").database.password, password("a b:c"));
    assert_eq!(store("url = \"postgres://v@db\"").database.password, None);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "correct horse\n").expect("written");
    let from_file = format!("url = \"postgres://v@db\"\npassword_file = \"{}\"", file.path().display());
    let found = store(&from_file);
    assert_eq!(found.database.password, password("correct horse"));
    assert!(!format!("{found:?}").contains("horse"));
}

#[test]
fn a_store_on_another_machine_is_believed_by_its_certificate_unless_it_is_said_otherwise() {
    let tls = |url: &str| store(&format!("url = \"{url}\"")).tls;
    let verified = PostgresTls::Verified { authorities: None };
    for local in ["v@localhost", "v@127.0.0.1", "v@[::1]", "v@/v?host=/run/postgresql"] {
        assert_eq!(tls(&format!("postgres://{local}")), PostgresTls::Off);
    }
    for distant in ["v@db.example", "v@10.0.0.7", "v@localhost,db.example"] {
        assert_eq!(tls(&format!("postgres://{distant}")), verified);
    }
    assert_eq!(tls("postgres://v@localhost?sslmode=verify-full"), verified);
    assert_eq!(tls("postgres://v@db.example?sslmode=require"), PostgresTls::Unverified);
    assert_eq!(tls("postgres://v@db.example?sslmode=disable"), PostgresTls::Off);
}

#[test]
fn upstreams_are_http_https_or_a_socket() {
    let address = |lines: &str| site(lines).upstream.addresses.remove(0);
    let http = |host: &str, port| UpstreamAddress::Http { host: host.into(), port };
    assert_eq!(address("upstream = \"http://dashboard\""), http("dashboard", 80));
    assert_eq!(address("upstream = \"http://[::1]:3000\""), http("::1", 3000));
    let https =
        UpstreamAddress::Https { host: "a.example".into(), port: 443, name: Some("b".into()), authorities: None };
    assert_eq!(address("upstream = \"https://A.example\"\nupstream_name = \"b\""), https);
    assert_eq!(address("upstream = \"unix:/run/app.sock\""), UpstreamAddress::Unix("/run/app.sock".into()));
    assert_eq!(address("upstream = \"unix:app.sock\""), UpstreamAddress::Unix("/etc/vestibule/app.sock".into()));
    let several = site("upstream = [\"http://a\", \"http://b:81\"]").upstream.addresses;
    assert_eq!(several, [http("a", 80), http("b", 81)]);
    assert_eq!(address("upstream = [\"http://a\"]"), http("a", 80));
}

#[test]
fn credentials_and_bindings_are_named_in_words() {
    let token = HeaderName::from_static("x-api-key");
    let named = site("credentials = [\"cookie\", \"authorization\", \"header:X-Api-Key\", \"query:access_token\"]");
    let query = Credential::Query("access_token".into());
    let expected = [Credential::Cookie, Credential::Header(AUTHORIZATION), Credential::Header(token.clone()), query];
    assert_eq!(named.credentials, expected);
    assert_eq!(read(SMALL).expect("loads").sites[0].credentials, expected[..2]);
    assert_eq!(site("bind = \"cookie:sid\"").bind, Some(Bind::Cookie("sid".into())));
    assert_eq!(site("bind = \"cookie:at-*\"").bind, Some(Bind::CookiesBeginning("at-".into())));
    assert_eq!(site("bind = \"authorization\"").bind, Some(Bind::Header(AUTHORIZATION)));
    let bound = site("credentials = [\"header:x-api-key\"]\nbind = \"header:x-api-key\"").bind;
    assert_eq!(bound, Some(Bind::Header(token)));
}

#[test]
fn values_are_found_in_json_html_headers_or_nowhere() {
    let html = identity(
        "user = { css = \"#user\", attribute = \"Data-Id\" }\nname = { css = \"#user\" }\norganization = { fixed = \"acme\" }",
    );
    let attribute = Some("data-id".into());
    assert_eq!(html.user, Value::Css { selector: "#user".into(), attribute });
    assert_eq!(html.name, Some(Value::Css { selector: "#user".into(), attribute: None }));
    assert_eq!(html.organization, Value::Fixed("acme".into()));
    assert_eq!(identity("user = { header = \"X-User\" }").user, Value::Header(HeaderName::from_static("x-user")));
    assert_eq!(identity("user = \"\"").user, Value::Pointer(String::new()));
    assert_eq!(identity("user = { pointer = \"/a~0b\" }").user, Value::Pointer("/a~0b".into()));
    assert_eq!(identity("admin = { users = [\"7\"] }").admin, AdminRule::Users(vec!["7".into()]));
    assert_eq!(identity("").admin, AdminRule::Nobody);
}

#[test]
fn a_short_lifetime_shortens_the_idle_limit_that_nobody_set() {
    let config = config("[session]", "lifetime = \"30m\"");
    assert_eq!(config.session.idle, Duration::from_mins(30));
}

#[test]
fn plain_http_is_for_this_machine_or_behind_a_server_with_tls() {
    for lines in [
        "listen = [\"127.0.0.2:8080\", \"[::1]:8080\", \"unix:a.sock\"]",
        "listen = [\"0.0.0.0:8080\"]\ntrusted_proxies = [\"10.1.2.3\"]",
        "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]",
    ] {
        config("[server]", lines);
    }
}

#[test]
fn a_logo_is_read_and_known_by_what_it_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("logo"), b"\x89PNG\r\n\x1a\n...").expect("a file");
    let text = small_with("[[site]]", "logo = \"logo\"\naccent = \"#0Bf\"");
    let config = parse(&text, &folder.path().join("vestibule.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let look = &config.sites[0].look;
    assert_eq!(look.logo.as_ref().map(|logo| (logo.media_type, logo.bytes.len())), Some(("image/png", 11)));
    assert_eq!(look.accent.as_deref(), Some("#00bbff"));
}

#[test]
fn paths_count_from_the_folder_of_the_file() {
    let config = parse(SMALL, Path::new("vestibule.toml")).expect("loads");
    assert_eq!(config.store.key_file, PathBuf::from("vestibule.key"));
}
