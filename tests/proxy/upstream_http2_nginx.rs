//! A real nginx as a dashboard in HTTP/2: without TLS on a Unix socket, and by TLS.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use vestibule::config::{UpstreamAddress, UpstreamHttp};

use super::support::{End, Options, World, field, soon, status, write};
use super::tls::{NAME, certificate, files};
use super::upstream_http2::in_http2;

/// An nginx that lives as long as this, and its folder.
struct Nginx {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Whatever it has open ends with it.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Nginx {
    /// One that lets a connection go after some requests, and takes few at a time.
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certified = certificate();
        files(&folder, &certified);
        let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = held.local_addr().expect("bound").port();
        drop(held);
        std::fs::create_dir(folder.path().join("files")).expect("a folder");
        write(&folder, "files/big", &"0123456789abcdef".repeat(1 << 18));
        let configuration = write(&folder, "nginx.conf", &configuration(folder.path(), port));
        let process = Command::new("nginx")
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx: install it with `tests/run install`");
        let nginx = Self { process, folder, port };
        soon(async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err()
                || tokio::net::UnixStream::connect(nginx.socket()).await.is_err()
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
        nginx
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("nginx.sock")
    }

    fn unix(&self) -> UpstreamAddress {
        UpstreamAddress::Unix(self.socket())
    }

    fn https(&self) -> UpstreamAddress {
        UpstreamAddress::Https {
            host: "127.0.0.1".into(),
            port: self.port,
            name: Some(NAME.into()),
            authorities: Some(self.folder.path().join("fullchain.pem")),
        }
    }
}

fn configuration(folder: &Path, port: u16) -> String {
    let mut text = String::from(" daemon off;\nmaster_process off;\nevents {}\n");
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {folder}/temporary-{kind};\n")).concat();
    write!(
        text,
        "pid {folder}/nginx.pid; error_log {folder}/error.log;
         http {{
             {temporary}
             access_log off;
             absolute_redirect off;
             keepalive_requests 20;
             http2_max_concurrent_streams 3;
             server {{
                 listen unix:{folder}/nginx.sock http2;
                 listen 127.0.0.1:{port} ssl http2;
                 ssl_certificate {folder}/fullchain.pem;
                 ssl_certificate_key {folder}/key.pem;
                 root {folder}/files;
                 client_max_body_size 100m;
                 dav_methods PUT;
                 location /told {{
                     return 200 \"$server_protocol $scheme $http_host $http_cookie $http_x_vestibule_user $request_uri\";
                 }}
                 location /away {{ return 302 /told; }}
             }}
         }}"
    )
    .expect("a string takes it");
    text
}

async fn get(client: &mut End, target: &str) -> (u16, String) {
    client.say(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nCookie: a=1; b=2\r\n\r\n")).await;
    let (head, body) = client.answer().await;
    (status(&head), body)
}

async fn in_front_of(upstream: UpstreamAddress) -> World {
    World::with(Options { upstream: Some(upstream), ..in_http2() }).await
}

#[tokio::test]
async fn nginx_is_spoken_to_in_http_2_with_and_without_tls() {
    let nginx = Nginx::start().await;
    for (upstream, scheme) in [(nginx.unix(), "http"), (nginx.https(), "https")] {
        let world = in_front_of(upstream).await;
        let mut client = world.client().await;
        let told = format!("HTTP/2.0 {scheme} a.example a=1; b=2 42 /known/../told?x=%20y");
        let (code, body) = get(&mut client, "/known/../told?x=%20y").await;
        assert_eq!((code, body), (200, told));
        assert_eq!(get(&mut client, "/nothing").await.0, 404);

        client.say("HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.head().await;
        assert_eq!((status(&head), field(&head, "content-length")), (200, Some("4194304")));
        client.say("GET /away HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (head, _) = client.answer().await;
        assert_eq!((status(&head), field(&head, "location")), (302, Some("/told")));
    }
}

#[tokio::test]
async fn bodies_of_some_size_arrive_as_they_were_sent_both_ways() {
    let nginx = Nginx::start().await;
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(100_000);
    for (upstream, name) in [(nginx.unix(), "by-unix"), (nginx.https(), "by-tls")] {
        let world = in_front_of(upstream).await;
        let mut client = world.client().await;
        client.say(format!("PUT /{name} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
        assert_eq!(status(&client.answer().await.0), 201);
        assert!(get(&mut client, &format!("/{name}")).await.1 == text, "as it was sent");
        let upload: String = text.as_bytes().chunks(10_000).map(chunk).collect();
        client
            .say(format!("PUT /{name} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{upload}0\r\n\r\n"))
            .await;
        assert_eq!(status(&client.answer().await.0), 204);
        assert!(get(&mut client, &format!("/{name}")).await.1 == text, "in chunks as well");
    }
}

fn chunk(piece: &[u8]) -> String {
    format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece))
}

#[tokio::test]
async fn no_request_fails_when_nginx_lets_connections_go_and_takes_few_at_a_time() {
    let nginx = Nginx::start().await;
    for upstream in [nginx.unix(), nginx.https()] {
        let world = in_front_of(upstream).await;
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let mut client = world.client().await;
            clients.spawn(async move {
                for _ in 0..20 {
                    assert_eq!(get(&mut client, "/told").await.0, 200);
                }
                assert_eq!(get(&mut client, "/big").await.1.len(), 4 << 20);
            });
        }
        while let Some(done) = soon(clients.join_next()).await {
            done.expect("every request was answered");
        }
    }
}

#[tokio::test]
async fn nginx_in_http_2_that_is_spoken_to_in_http_1_1_is_no_dashboard() {
    let nginx = Nginx::start().await;
    let options = Options { upstream: Some(nginx.unix()), upstream_http: UpstreamHttp::Http1, ..Options::default() };
    let world = World::with(options).await;
    assert_eq!(get(&mut world.client().await, "/told").await.0, 502);
}
