//! Configurations that are taken in, and some that are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use vestibule::config::{Hosts, OrganizationPolicy, Site};
use vestibule::reload::ReloadError;
use vestibule::second_factor::account::Requirement;

use super::support::{
    Dashboard, House, Written, answer, ask, ask_at, believing, certificate, folder, handshake, plain, soon, with_tls,
    write,
};

/// What clients saw while they asked again and again.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    by_second: AtomicUsize,
    failures: AtomicUsize,
    enough: AtomicBool,
}

/// Asks without a pause, every eighth time on a new connection, for what is open and for what needs an identity.
async fn hammer(address: std::net::SocketAddr, connector: tokio_rustls::TlsConnector, seen: Arc<Seen>) {
    while !seen.enough.load(Ordering::Relaxed) {
        let Ok(stream) = soon(tokio::net::TcpStream::connect(address)).await else {
            seen.failures.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let Ok(mut stream) = handshake(&connector, "a.example", stream).await else {
            seen.failures.fetch_add(1, Ordering::Relaxed);
            return;
        };
        for number in 0..8 {
            let target = if number % 2 == 0 { "/open/x" } else { "/protected" };
            match ask(&mut stream, target).await {
                Ok((200, body)) => {
                    seen.by_second.fetch_add(usize::from(body == "second"), Ordering::Relaxed);
                    seen.answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) | Err(_) => _ = seen.failures.fetch_add(1, Ordering::Relaxed),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_configuration_changes_twenty_times() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let folder = folder();
    let certified = certificate(&folder, "", &["a.example"]);
    let other = certificate(&folder, "other-", &["a.example"]);
    let house = House::new(folder, &with_tls(&first)).await;
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..4)
        .map(|_| tokio::spawn(hammer(house.address, believing(&[&certified, &other]), Arc::clone(&seen))))
        .collect();

    let mut second_too = with_tls(&second);
    second_too.server = second_too.server.replace("\"certificate.pem\"", "\"other-certificate.pem\"");
    second_too.server = second_too.server.replace("\"key.pem\"", "\"other-key.pem\"");
    second_too.rest = "[session]\nidle = \"2h\"\n[totp]\nissuer = \"Acme\"\n";
    let written = [second_too, with_tls(&first)];
    for written in written.iter().cycle().take(20) {
        let before = seen.answered.load(Ordering::Relaxed);
        house.running.take_in(house.parse(written)).expect("taken in");
        let more = async {
            while seen.answered.load(Ordering::Relaxed) < before + 16 && seen.failures.load(Ordering::Relaxed) == 0 {
                yield_now().await;
            }
        };
        soon(more).await;
    }
    seen.enough.store(true, Ordering::Relaxed);
    for client in clients {
        soon(client).await.expect("no panic");
    }
    assert_eq!(seen.failures.load(Ordering::Relaxed), 0);
    assert!(seen.by_second.load(Ordering::Relaxed) > 0, "the other dashboard has answered, too");
}

#[tokio::test]
async fn what_changed_holds_for_the_next_request_on_the_same_connection() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let house = House::new(folder(), &plain(&first)).await;
    let mut visitor = house.connect().await;
    // What comes several times is not read again.
    for _ in 0..4 {
        assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer"), (200, "first".to_owned()));
    }

    house.running.take_in(house.parse(&plain(&second))).expect("taken in");
    for _ in 0..4 {
        assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer"), (200, "second".to_owned()));
    }

    let required = Written { public: "\"/slow\"", ..plain(&second) };
    let mut config = house.parse(&required);
    let mut site = (*config.sites[0]).clone();
    site.organization = OrganizationPolicy::Locked(Requirement::Required);
    config.sites = vec![Arc::new(site)];
    house.running.take_in(config).expect("taken in");
    let (status, _) = ask(&mut visitor, "/open/x").await.expect("an answer");
    assert_eq!(status, 401, "not open anymore, and a second factor is asked for");
}

#[tokio::test]
async fn on_one_connection_everybody_is_whom_the_dashboard_names_that_the_request_is_for_now() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let house = House::new(folder(), &plain(&first)).await;
    let mut visitor = house.connect().await;
    let mut is_named = async |host: &str, name: &str| {
        for _ in 0..4 {
            let named = ask_at(&mut visitor, host, "/who").await.expect("an answer");
            assert_eq!(named, (200, name.to_owned()), "{host}");
        }
    };
    is_named("a.example", "first").await;
    house.running.take_in(house.parse(&plain(&second))).expect("taken in");
    is_named("a.example", "second").await;
    house.running.take_in(house.parse(&plain(&first))).expect("taken in");
    is_named("a.example", "first").await;

    let mut both = house.parse(&plain(&first));
    let hosts = Hosts::Named(vec!["b.example".into()]);
    let other = Site { name: "other".into(), hosts, ..(*house.parse(&plain(&second)).sites[0]).clone() };
    both.sites.push(Arc::new(other));
    let mut turned = both.clone();
    turned.sites.reverse();
    for config in [both, turned] {
        house.running.take_in(config).expect("taken in");
        is_named("a.example", "first").await;
        is_named("b.example", "second").await;
        is_named("a.example", "first").await;
    }
}

#[tokio::test]
async fn a_request_that_has_begun_is_finished_by_what_it_began_with() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let house = House::new(folder(), &plain(&first)).await;
    let mut slow = house.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    soon(first.asked_slow.acquire()).await.expect("never closed").forget();

    house.running.take_in(house.parse(&plain(&second))).expect("taken in");
    let mut visitor = house.connect().await;
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "second");
    first.slow.add_permits(1);
    assert_eq!(answer(&mut slow).await.expect("an answer"), (200, "first".to_owned()));
}

#[tokio::test]
async fn a_websocket_stays_open() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let house = House::new(folder(), &plain(&first)).await;
    let mut socket = house.connect().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /open/socket HTTP/1.1\r\nHost: a\r\n{upgrade}{key}\r\n");
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(socket.read_u8()).await.expect("the head of an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());

    house.running.take_in(house.parse(&plain(&second))).expect("taken in");
    let mut visitor = house.connect().await;
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "second");
    socket.write_all(b"still there?").await.expect("written");
    let mut said = [0; 12];
    soon(socket.read_exact(&mut said)).await.expect("the same again");
    assert_eq!(&said, b"still there?");
}

#[tokio::test]
async fn what_is_kept_remembered_and_counted_survives_and_so_does_a_dashboard_of_which_nothing_new_is_said() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &plain(&dashboard)).await;
    let before = house.running.gateway();
    let idle = Written { rest: "[session]\nidle = \"2h\"\n", ..plain(&dashboard) };
    house.running.take_in(house.parse(&idle)).expect("taken in");
    let after = house.running.gateway();
    assert!(Arc::ptr_eq(&before.standings, &after.standings));
    assert!(Arc::ptr_eq(&before.store, &after.store));
    assert!(Arc::ptr_eq(&before.keys, &after.keys));
    assert!(Arc::ptr_eq(&before.tunnels, &after.tunnels));
    assert!(Arc::ptr_eq(&before.metrics, &after.metrics));
    assert!(Arc::ptr_eq(&before.dashboards[0], &after.dashboards[0]));
    assert_ne!(before.config.session.idle, after.config.session.idle);

    let changed = Written { public: "\"/slow\"", ..idle };
    house.running.take_in(house.parse(&changed)).expect("taken in");
    assert!(!Arc::ptr_eq(&before.dashboards[0], &house.running.gateway().dashboards[0]));
}

#[tokio::test]
async fn what_can_not_change_is_named_and_nothing_of_that_configuration_holds() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let folder = folder();
    certificate(&folder, "", &["a.example"]);
    let house = House::new(folder, &plain(&first)).await;
    let text = plain(&second).text();
    let rows = [
        ("listen = [\"127.0.0.1:0\"]\nworkers", "listen = [\"127.0.0.2:0\"]\nworkers", vec!["server.listen"]),
        ("workers = 2", "workers = 3", vec!["server.workers"]),
        (
            "workers = 2",
            "workers = 2\ntrusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true",
            vec!["server.proxy_protocol"],
        ),
        ("workers = 2", "workers = 2\nconnections = 20", vec!["server.connections"]),
        ("[operations]\nlisten = \"127.0.0.1:0\"", "[operations]\nlisten = \"127.0.0.2:0\"", vec!["operations.listen"]),
        (
            "[operations]",
            "[store]\nurl = \"sqlite:other.db\"\nkey_file = \"other.key\"\n[operations]",
            vec!["store.url", "store.key_file"],
        ),
        ("[operations]", "[log]\nformat = \"json\"\n[operations]", vec!["log.format"]),
        (
            "[operations]",
            "[server.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n[operations]",
            vec!["server.tls"],
        ),
    ];
    for (old, new, keys) in rows {
        let changed = text.replace(old, new);
        assert_ne!(changed, text);
        let config = vestibule::config::parse(&changed, &house.folder.path().join("vestibule.toml"))
            .unwrap_or_else(|problems| panic!("{problems}"));
        match house.running.take_in(config) {
            Err(ReloadError::Fixed(fixed)) => assert_eq!(fixed, keys),
            other => panic!("{keys:?}: {other:?}"),
        }
        let mut visitor = house.connect().await;
        assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "first");
    }
}

#[tokio::test]
async fn what_can_not_be_used_leaves_everything_as_it_was() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let folder = folder();
    let certified = certificate(&folder, "", &["a.example"]);
    let house = House::new(folder, &with_tls(&first)).await;
    let config = house.parse(&with_tls(&second));
    let stranger = rcgen::KeyPair::generate().expect("a key");
    write(&house.folder, "key.pem", &stranger.serialize_pem());
    let error = house.running.take_in(config).expect_err("another's key");
    assert!(error.to_string().contains("is not that of the certificate"), "{error}");

    let stream = house.connect().await;
    let mut visitor = handshake(&believing(&[&certified]), "a.example", stream).await.expect("the old certificate");
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "first");
}
