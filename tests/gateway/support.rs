//! A gateway that runs as it does in earnest, dashboards behind it, and clients in front.

use std::fmt::Write;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use vestibule::clock::Clock;
use vestibule::config::{self, Config};
use vestibule::listener::Address;
use vestibule::reload::Running;
use vestibule::start::prepare;

/// What nothing here takes, unless something is broken.
const TOO_LONG: Duration = Duration::from_secs(30);

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(TOO_LONG, what).await.expect("it should have happened by now")
}

/// A dashboard that answers with its name, which is also what it calls everybody, at `/who` with what it is told of the
/// visitor, at `/open/forwarded` of the client, and at `/head` with all it is told; at `/open/socket` it repeats what it is
/// told. Who asks for `/slow` gets a hint, and waits for a permit. An event at `/open/events` takes one, too. Of what is sent to
/// `/open/upload`, it says whether that is [`upload`].
#[derive(Clone)]
pub(crate) struct Dashboard {
    name: &'static str,
    port: u16,
    pub(crate) slow: Arc<Semaphore>,
    pub(crate) asked_slow: Arc<Semaphore>,
    pub(crate) events: Arc<Semaphore>,
    /// One for each byte of an upload that came.
    pub(crate) uploaded: Arc<Semaphore>,
}

/// The first bytes of an upload, each of which has its place.
pub(crate) fn upload(length: usize) -> Vec<u8> {
    (0_u8..251).cycle().take(length).collect()
}

impl Dashboard {
    pub(crate) async fn new(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let [slow, asked_slow, events, uploaded] = [(); 4].map(|()| Arc::new(Semaphore::new(0)));
        let dashboard = Self { name, port, slow, asked_slow, events, uploaded };
        let open = dashboard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(attend(stream, open.clone()));
            }
        });
        dashboard
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn attend(mut stream: TcpStream, dashboard: Dashboard) {
    let Dashboard { name, slow, asked_slow, events, uploaded, .. } = dashboard;
    let mut read = Vec::new();
    loop {
        while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            read.drain(..end + 4);
            if head.starts_with("GET /slow") {
                let _ = stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </slow.css>\r\n\r\n").await;
                asked_slow.add_permits(1);
                slow.acquire().await.expect("never closed").forget();
            }
            if head.starts_with("GET /open/socket") {
                let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                let (mut said, mut back) = stream.into_split();
                // Whether the client is still there is up to the client.
                let _ = back.write_all(answer.as_bytes()).await;
                let _ = tokio::io::copy(&mut said, &mut back).await;
                return;
            }
            if head.starts_with("GET /open/events") {
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
                let mut said = stream.write_all(answer.as_bytes()).await;
                while said.is_ok() {
                    events.acquire().await.expect("never closed").forget();
                    said = stream.write_all(EVENT.as_bytes()).await;
                }
                return;
            }
            let fields = || head.lines().filter_map(|line| line.split_once(": "));
            let told =
                |name| fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value);
            let mut whole = "";
            if head.starts_with("POST /open/upload") {
                let length = told("content-length").parse().expect("a length");
                let Ok(body) = uploaded_whole(&mut stream, std::mem::take(&mut read), length, &uploaded).await else {
                    return;
                };
                whole = if body == upload(length) { "whole" } else { "spoiled" };
            }
            let me = format!(r#"{{"id":"{name}"}}"#);
            let (body, kind) = match head.split(' ').nth(1) {
                Some("/api/me") => (&*me, "application/json"),
                Some("/head") => (&*head, "text/plain"),
                Some("/who") => (told("x-vestibule-user"), "text/plain"),
                Some("/open/forwarded") => (told("x-forwarded-for"), "text/plain"),
                Some("/open/upload") => (whole, "text/plain"),
                _ => (name, "text/plain"),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
}

/// The body of that length that begins with what was read.
async fn uploaded_whole(
    stream: &mut TcpStream,
    mut read: Vec<u8>,
    length: usize,
    uploaded: &Semaphore,
) -> std::io::Result<Vec<u8>> {
    uploaded.add_permits(read.len());
    while read.len() < length {
        match stream.read_buf(&mut read).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => uploaded.add_permits(count),
        }
    }
    Ok(read)
}

/// What each event is.
pub(crate) const EVENT: &str = "data: something happened\n\n";

/// A configuration to make others from.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) server: String,
    /// In TOML.
    pub(crate) upstream: String,
    pub(crate) public: &'static str,
    pub(crate) rest: &'static str,
}

impl Written {
    pub(crate) fn text(&self) -> String {
        let mut text = format!("[server]\n{}\n", self.server);
        let Self { upstream, public, rest, .. } = self;
        write!(
            text,
            r#"
[operations]
listen = "127.0.0.1:0"
{rest}
[[site]]
name = "insights"
hosts = ["*"]
upstream = {upstream}
public = [{public}]
[site.identity]
url = "/api/me"
user = "/id"
organization = {{ fixed = "acme" }}
"#
        )
        .expect("written to a string");
        text
    }
}

/// Plain HTTP on a port that the system chooses.
pub(crate) fn plain(dashboard: &Dashboard) -> Written {
    let server = "listen = [\"127.0.0.1:0\"]\nworkers = 2".to_owned();
    let upstream = format!("\"{}\"", dashboard.url());
    Written { server, upstream, public: "\"/open/*\", \"/slow\"", rest: "" }
}

/// The same with TLS.
pub(crate) fn with_tls(dashboard: &Dashboard) -> Written {
    let mut written = plain(dashboard);
    written.server.push_str("\n[server.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"");
    written
}

/// A gateway that runs until this is dropped.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) running: Arc<Running>,
    pub(crate) address: std::net::SocketAddr,
    _stop_when_dropped: DropGuard,
}

impl House {
    pub(crate) async fn new(folder: TempDir, written: &Written) -> Self {
        let prepared = prepare(parse(&folder, written), Clock::system()).await.expect("it starts");
        let Address::Tcp(address) = prepared.addresses()[0] else { panic!("a TCP address") };
        let running = Arc::clone(prepared.running());
        let shutdown = CancellationToken::new();
        tokio::spawn(prepared.run(shutdown.clone()));
        Self { folder, running, address, _stop_when_dropped: shutdown.drop_guard() }
    }

    /// The configuration, as it would be read from this house's file.
    pub(crate) fn parse(&self, written: &Written) -> Config {
        parse(&self.folder, written)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        soon(TcpStream::connect(self.address)).await.expect("the gateway listens")
    }
}

fn parse(folder: &TempDir, written: &Written) -> Config {
    config::parse(&written.text(), &folder.path().join("vestibule.toml"))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A certificate for these names, written to the two files with that beginning.
pub(crate) fn certificate(folder: &TempDir, prefix: &str, names: &[&str]) -> CertifiedKey<KeyPair> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let certified = generate_simple_self_signed(names).expect("a certificate");
    write(folder, &format!("{prefix}certificate.pem"), &certified.cert.pem());
    write(folder, &format!("{prefix}key.pem"), &certified.signing_key.serialize_pem());
    certified
}

pub(crate) fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// A client that believes these certificates.
pub(crate) fn believing(certificates: &[&CertifiedKey<KeyPair>]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certified in certificates {
        roots.add(certified.cert.der().clone()).expect("an authority");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

pub(crate) async fn handshake(
    connector: &TlsConnector,
    name: &str,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    soon(connector.connect(name, stream)).await
}

/// Asks for `target`; the connection stays open. Returns status and body.
pub(crate) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: &str,
) -> std::io::Result<(u16, String)> {
    ask_at(stream, "a.example", target).await
}

/// The same at another host.
pub(crate) async fn ask_at(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    target: &str,
) -> std::io::Result<(u16, String)> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nCookie: session=1\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    answer(stream).await
}

/// The next answer, which has a length. Where nothing of it came, the error is not of [`ErrorKind::Other`]: who wrote on a
/// connection that was in use before asks again then, on another (RFC 9112, section 9.3.1).
pub(crate) async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u16, String)> {
    let broken = || std::io::Error::other("no answer");
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.and_then(|length| length.parse().ok()).ok_or_else(broken)?;
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
            while read.len() < end + 4 + length {
                if soon(stream.read_buf(&mut read)).await? == 0 {
                    return Err(broken());
                }
            }
            return Ok((status, String::from_utf8_lossy(&read[end + 4..]).into_owned()));
        }
        if !matches!(soon(stream.read_buf(&mut read)).await, Ok(1..)) {
            return Err(if read.is_empty() { ErrorKind::ConnectionAborted.into() } else { broken() });
        }
    }
}
