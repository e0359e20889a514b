//! The whole journey for a client in HTTP/2: curl, in front of a small dashboard, with a certificate of the gateway's own.

#[path = "../../examples/acme_insights/mod.rs"]
mod acme_insights;

use std::path::Path;
use std::process::Command;

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use data_encoding::BASE32_NOPAD;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vestibule::clock::Clock;
use vestibule::listener::Address;

const NAME: &str = "insights.acme.example";

/// A gateway with TLS in front of Acme Insights.
struct World {
    folder: TempDir,
    port: u16,
}

/// What curl says of an answer.
#[derive(Debug)]
struct Answer {
    version: String,
    status: u16,
    location: String,
    body: String,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dashboard = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = dashboard.local_addr().expect("bound");
        let certified = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("fullchain.pem", &certified.cert.pem());
        write("key.pem", &certified.signing_key.serialize_pem());
        write("vestibule.toml", &CONFIGURATION.replace("UPSTREAM", &upstream.to_string()));
        let config = vestibule::config::load(&folder.path().join("vestibule.toml"));
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let gateway = vestibule::start::prepare(config, Clock::system()).await.expect("a gateway");
        let Address::Tcp(address) = gateway.addresses()[0] else { panic!("a TCP address") };
        tokio::spawn(acme_insights::serve(dashboard));
        tokio::spawn(gateway.run(CancellationToken::new()));
        Self { folder, port: address.port() }
    }

    /// As a browser goes to an address.
    async fn open(&self, path: &str) -> Answer {
        self.curl(path, &["--header", "accept: text/html"]).await
    }

    /// As a browser sends a form of a page of this origin.
    async fn submit(&self, path: &str, form: &str) -> Answer {
        let origin = format!("origin: https://{NAME}:{}", self.port);
        let page = ["--header", "accept: text/html", "--header", "sec-fetch-site: same-origin"];
        self.curl(path, &[&page[..], &["--header", &origin, "--data", form]].concat()).await
    }

    async fn curl(&self, path: &str, more: &[&str]) -> Answer {
        let folder = self.folder.path();
        let file = |name: &str| Path::join(folder, name).display().to_string();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--http2", "--max-time", "60", "--noproxy", "*"])
            .args(["--cacert", &file("fullchain.pem"), "--resolve", &format!("{NAME}:{}:127.0.0.1", self.port)])
            .args(["--cookie", &file("cookies"), "--cookie-jar", &file("cookies")])
            .args(["--write-out", "\n%{http_version}\n%{http_code}\n%header{location}"])
            .args(more)
            .arg(format!("https://{NAME}:{}{path}", self.port));
        let done = tokio::task::spawn_blocking(move || curl.output()).await.expect("no panic");
        let done = done.expect("curl is there: `tests/run install` installs it");
        assert!(done.status.success(), "{path}: {}", String::from_utf8_lossy(&done.stderr));
        let said = String::from_utf8(done.stdout).expect("text");
        let mut parts = said.rsplitn(4, '\n').map(str::to_owned);
        let mut next = || parts.next().expect("curl says four things");
        let (location, status, version, body) = (next(), next(), next(), next());
        Answer { version, status: status.parse().expect("a status"), location, body }
    }
}

/// What the authenticator app shows (RFC 6238).
fn code(page: &str) -> String {
    let (_, from) = page.split_once("id=\"secret\"").expect("a secret on the page");
    let (_, from) = from.split_once('>').expect("a tag");
    let secret: String = from.split('<').next().expect("text").split(' ').collect();
    let key = BASE32_NOPAD.decode(secret.as_bytes()).expect("base32");
    let step = Clock::system().now().as_secs() / 30;
    let mac = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &step.to_be_bytes());
    let start = usize::from(mac.as_ref()[19] & 15);
    let number = u32::from_be_bytes(mac.as_ref()[start..start + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

const CONFIGURATION: &str = r#"
[server]
listen = ["127.0.0.1:0"]
[server.tls]
certificate = "fullchain.pem"
key = "key.pem"

[operations]
listen = "127.0.0.1:0"

[[site]]
name = "insights"
hosts = ["insights.acme.example"]
upstream = "http://UPSTREAM"
public = ["/login", "/static/*"]
login = "/login?next={next}"
logout = ["/logout"]
bind = "cookie:dash_session"

[site.identity]
source = "probe"
url = "/api/me"
user = "/id"
organization = "/company/slug"

[site.organization]
requirement = "required"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_in_http_2_logs_in_enrolls_and_sees_the_dashboard() {
    let world = World::new().await;
    let stopped = world.open("/reports").await;
    assert_eq!((stopped.version.as_str(), stopped.status), ("2", 303), "{stopped:?}");
    assert_eq!(stopped.location, "/login?next=/reports");
    assert_eq!(world.open("/login").await.status, 200);
    let bob = acme_insights::PEOPLE.iter().find(|person| person.login == "bob").expect("somebody");
    let form = format!("user={}&password={}&next=/reports", bob.login, bob.password);
    let logged_in = world.submit("/login", &form).await;
    assert_eq!((logged_in.status, logged_in.location.as_str()), (303, "/reports"), "{logged_in:?}");

    let stopped = world.open("/reports").await;
    assert_eq!(stopped.status, 303, "{stopped:?}");
    let page = world.open(&stopped.location).await;
    assert_eq!((page.version.as_str(), page.status), ("2", 200), "{page:?}");
    let style = page.body.split("href=\"").find_map(|rest| rest.split_once(".css").map(|(path, _)| path));
    let style = format!("{}.css", style.expect("a style sheet"));
    assert_eq!(world.open(&style).await.status, 200, "{style}");
    let enrolled = world.submit("/_2fa/enroll", &format!("code={}", code(&page.body))).await;
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    assert_eq!(enrolled.body.matches("<li><code>").count(), 10, "recovery codes");

    let inside = world.open("/reports").await;
    assert_eq!((inside.version.as_str(), inside.status), ("2", 200), "{inside:?}");
    assert!(inside.body.contains("Sales"), "{inside:?}");
    let head = world.curl("/_2fa/profile", &["--head"]).await;
    assert_eq!((head.version.as_str(), head.status), ("2", 200), "{head:?}");
    let foreign = world.curl("/_2fa/profile/disable", &["--data", "code=1", "--header", "origin: https://evil"]).await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
}
