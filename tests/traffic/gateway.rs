//! The built program, as it is in front of a dashboard.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::dashboard;

/// How clients come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// With TLS, in the protocol that the handshake settles.
    Tls,
    /// Without, in HTTP/1.1, or in HTTP/2 for whoever begins with that.
    Plain,
}

/// The program; killed when this is dropped.
pub(crate) struct Gateway {
    child: Child,
    way: Way,
    address: SocketAddr,
    _folder: TempDir,
}

impl Gateway {
    /// In front of a dashboard that is open below `/open/`.
    pub(crate) async fn start(way: Way) -> Self {
        Self::in_front_of(way, dashboard::start().await)
    }

    /// In front of this one.
    pub(crate) fn in_front_of(way: Way, upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        write("certificate.pem", &certified.cert.pem());
        write("key.pem", &certified.signing_key.serialize_pem());
        let server = match way {
            Way::Tls => "[server.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"",
            Way::Plain => "h2c = true",
        };
        write("vestibule.toml", &CONFIGURATION.replace("SERVER", server).replace("UPSTREAM", &upstream.to_string()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(["serve", "--config"]).arg(folder.path().join("vestibule.toml")).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        let address = tokio::task::block_in_place(|| listens(&mut child));
        Self { child, way, address, _folder: folder }
    }

    /// The address of something that the dashboard has.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = match self.way {
            Way::Tls => "https",
            Way::Plain => "http",
        };
        format!("{scheme}://localhost:{}/open/{path}", self.address.port())
    }

    /// The most memory that it ever held, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where it says that it listens. The rest of its log is read as well, so that it never waits for a reader.
fn listens(child: &mut Child) -> SocketAddr {
    let stderr = child.stderr.take().expect("piped");
    let (found, address) = channel();
    thread::spawn(move || {
        let mut log = Vec::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("listening address=") {
                let _ = found.send(address.to_owned());
            }
            log.push(line);
        }
    });
    let address = address.recv_timeout(Duration::from_mins(1)).expect("it listens");
    address.trim().parse().expect("an address")
}

const CONFIGURATION: &str = r#"
[server]
listen = ["127.0.0.1:0"]
workers = 1
SERVER

[operations]
listen = "127.0.0.1:0"

[[site]]
name = "insights"
hosts = ["*"]
upstream = "http://UPSTREAM"
public = ["/open/*"]

[site.identity]
url = "/api/me"
user = "/id"
organization = { fixed = "acme" }
"#;
