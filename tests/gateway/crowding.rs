//! Clients that come with more connections than one may have.

use h2::Reason;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Dashboard, House, Written, ask, folder, plain, soon};

fn with(written: &Written, keys: &str) -> Written {
    let (first, rest) = written.server.split_once('\n').expect("two lines");
    Written { server: format!("{first}\n{keys}\n{rest}"), ..written.clone() }
}

/// A connection of whom a balancer names, and whether that is let in.
async fn comes(house: &House, header: &str) -> (TcpStream, bool) {
    let mut stream = house.connect().await;
    // It may be closed before all is written.
    let _ = stream.write_all(format!("{header}\r\n").as_bytes()).await;
    let is_let_in = ask(&mut stream, "/open/x").await.is_ok();
    (stream, is_let_in)
}

fn turned_away(house: &House) -> String {
    let text = house.running.gateway().metrics.text();
    let line = text.lines().find_map(|line| line.strip_prefix("vestibule_connections_turned_away_total "));
    line.expect("a line of its own").to_owned()
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_counted() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &with(&plain(&dashboard), "connections_per_client = 3")).await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut stream = house.connect().await;
        assert_eq!(ask(&mut stream, "/open/x").await.expect("an answer").0, 200);
        inside.push(stream);
    }
    assert_eq!(turned_away(&house), "0");
    let mut one_more = house.connect().await;
    assert!(!matches!(soon(one_more.read(&mut [0])).await, Ok(1..)), "closed without a word");
    assert_eq!(turned_away(&house), "1");

    inside.pop();
    let lets_in = async { while ask(&mut house.connect().await, "/open/x").await.is_err() {} };
    soon(lets_in).await;
}

#[tokio::test]
async fn clients_are_told_apart_by_the_address_that_a_balancer_names() {
    let dashboard = Dashboard::new("first").await;
    let keys = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]\nconnections_per_client = 2";
    let house = House::new(folder(), &with(&plain(&dashboard), keys)).await;
    let rows = [
        ("PROXY TCP4 192.0.2.1 127.0.0.1 1 2", true),
        ("PROXY TCP4 192.0.2.1 127.0.0.1 3 2", true),
        ("PROXY TCP4 192.0.2.1 127.0.0.1 4 2", false),
        ("PROXY TCP4 192.0.2.2 127.0.0.1 1 2", true),
        ("PROXY TCP6 2001:db8:0:1::1 ::1 1 2", true),
        ("PROXY TCP6 2001:db8:0:1::2 ::1 1 2", true),
        ("PROXY TCP6 2001:db8:0:1:ffff::3 ::1 1 2", false),
        ("PROXY TCP6 2001:db8:0:2::1 ::1 1 2", true),
    ];
    let mut inside = Vec::new();
    for (header, expected) in rows {
        let (stream, is_let_in) = comes(&house, header).await;
        assert_eq!(is_let_in, expected, "{header}");
        inside.push(stream);
    }
    assert_eq!(turned_away(&house), "2");
}

#[tokio::test]
async fn servers_of_ones_own_may_have_any_number() {
    let dashboard = Dashboard::new("first").await;
    let keys = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]\nconnections_per_client = 1";
    let house = House::new(folder(), &with(&plain(&dashboard), keys)).await;
    let mut inside = Vec::new();
    for header in ["PROXY UNKNOWN", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2"] {
        for _ in 0..3 {
            let (stream, is_let_in) = comes(&house, header).await;
            assert!(is_let_in, "{header}");
            inside.push(stream);
        }
    }
}

#[tokio::test]
async fn the_requests_of_a_client_in_http_2_are_as_many_as_its_connections_may_be() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &with(&plain(&dashboard), "h2c = true\nconnections_per_client = 2")).await;
    let mut senders = Vec::new();
    for _ in 0..2 {
        let (sender, connection) = soon(h2::client::handshake(house.connect().await)).await.expect("HTTP/2");
        tokio::spawn(connection);
        senders.push(sender);
    }
    let request = || Request::get("http://a.example/slow").body(()).expect("a request");
    let mut waiting = Vec::new();
    for sender in &mut senders {
        waiting.push(sender.send_request(request(), true).expect("sent").0);
    }
    soon(dashboard.asked_slow.acquire_many(2)).await.expect("never closed").forget();
    let refused = soon(senders[0].send_request(request(), true).expect("sent").0).await.expect_err("no room");
    assert_eq!(refused.reason(), Some(Reason::REFUSED_STREAM));

    dashboard.slow.add_permits(2);
    for answer in waiting {
        assert_eq!(soon(answer).await.expect("an answer").status(), 200);
    }
    let again = async {
        dashboard.slow.add_permits(1);
        while soon(senders[1].send_request(request(), true).expect("sent").0).await.is_err() {}
    };
    soon(again).await;
}

/// Asks for `/slow`, with that line beside the host, until the dashboard is asked.
async fn begins(house: &House, dashboard: &Dashboard, line: &str) -> TcpStream {
    let mut stream = house.connect().await;
    let request = format!("GET /slow HTTP/1.1\r\nHost: a.example\r\n{line}\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    soon(dashboard.asked_slow.acquire()).await.expect("never closed").forget();
    stream
}

#[tokio::test]
async fn whoever_goes_away_during_a_login_takes_up_room_until_that_is_over() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &with(&plain(&dashboard), "connections_per_client = 3")).await;
    let mut gone = Vec::new();
    for line in ["Cookie: session=1\r\n", "Cookie: session=2\r\n", ""] {
        gone.push(begins(&house, &dashboard, line).await);
    }
    drop(gone);
    // Of whoever carries nothing, nothing has to be forgotten: that request ends with its client.
    let mut inside = house.connect().await;
    let lets_in = async {
        while ask(&mut inside, "/open/x").await.is_err() {
            inside = house.connect().await;
        }
    };
    soon(lets_in).await;
    let before = turned_away(&house);
    let mut one_more = house.connect().await;
    assert!(!matches!(soon(one_more.read(&mut [0])).await, Ok(1..)), "there is room for three");
    assert_ne!(turned_away(&house), before);

    dashboard.slow.add_permits(3);
    let lets_in = async { while ask(&mut house.connect().await, "/open/x").await.is_err() {} };
    soon(lets_in).await;
}

#[tokio::test]
async fn whoever_gives_up_a_login_in_http_2_takes_up_room_until_that_is_over() {
    let dashboard = Dashboard::new("first").await;
    let house = House::new(folder(), &with(&plain(&dashboard), "h2c = true\nconnections_per_client = 2")).await;
    let request = |target: &str, cookie: &str| {
        let request = Request::get(format!("http://a.example{target}"));
        request.header("cookie", cookie).body(()).expect("a request")
    };
    // With the last of its connections a client takes no room along either.
    let (mut sender, connection) = soon(h2::client::handshake(house.connect().await)).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    for cookie in ["session=1", "session=2"] {
        let answer = sender.send_request(request("/slow", cookie), true).expect("sent").0;
        soon(dashboard.asked_slow.acquire()).await.expect("never closed").forget();
        drop(answer);
    }
    drop(sender);
    connection.abort();
    assert!(connection.await.is_err_and(|error| error.is_cancelled()));

    let (mut sender, connection) = soon(h2::client::handshake(house.connect().await)).await.expect("HTTP/2");
    tokio::spawn(connection);
    for _ in 0..3 {
        let answer = soon(sender.send_request(request("/open/x", "session=1"), true).expect("sent").0).await;
        assert_eq!(answer.expect_err("no room").reason(), Some(Reason::REFUSED_STREAM));
    }
    dashboard.slow.add_permits(2);
    let again = async {
        while soon(sender.send_request(request("/open/x", "session=1"), true).expect("sent").0).await.is_err() {}
    };
    soon(again).await;
}
