//! One connection in HTTP/2, by which a browser sends everything.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::{Method, Request};

use super::support::{Dashboard, House, folder, plain, soon};

async fn arrived(house: &House) -> SendRequest<Bytes> {
    let (client, connection) = soon(h2::client::handshake(house.connect().await)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let settled = async {
        while !client.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
    };
    soon(settled).await;
    client
}

/// The status, and if it is the dashboard's what that was told: the lines of its head, in any order.
async fn ask(
    client: &mut SendRequest<Bytes>,
    (method, authority, cookies): (&str, &str, &[&str]),
) -> (u16, Vec<String>) {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let is_tunnel = method == Method::CONNECT;
    let request = Request::builder().method(method).uri(format!("http://{authority}/head"));
    let request = cookies.iter().fold(request, |request, cookie| request.header("cookie", *cookie));
    let mut request = request.header("accept", "text/plain").body(()).expect("a request");
    if is_tunnel {
        request.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    let (answer, _up) = client.send_request(request, !is_tunnel).expect("sent");
    let (head, mut body) = soon(answer).await.expect("an answer").into_parts();
    let mut told = Vec::new();
    while let Some(piece) = soon(body.data()).await {
        told.extend_from_slice(&piece.expect("to its end"));
    }
    let told = String::from_utf8(told).expect("text");
    let mut lines: Vec<_> = told.lines().filter(|_| head.status == 200).map(str::to_owned).collect();
    lines.sort_unstable();
    (head.status.as_u16(), lines)
}

#[tokio::test]
async fn every_request_of_a_connection_is_its_own_whatever_came_before() {
    let dashboard = Dashboard::new("first").await;
    let mut written = plain(&dashboard);
    written.server.push_str("\nh2c = true");
    let house = House::new(folder(), &written).await;
    let (one, other, crumbs) = (&["session=1"][..], &["session=2"][..], &["session=1", "theme=dark"][..]);
    let came = [
        ("GET", "a.example", one),
        ("POST", "a.example", one),
        ("GET", "b.example", one),
        ("GET", "A.example", one),
        ("CONNECT", "a.example", one),
        ("GET", "a.example", other),
        ("GET", "a.example", crumbs),
        ("TRACE", "a.example", one),
        ("GET", "a.example", &[]),
    ];
    let mut alone = Vec::new();
    for request in came {
        alone.push(ask(&mut arrived(&house).await, request).await);
    }
    let statuses: Vec<_> = alone.iter().map(|(status, _)| *status).collect();
    // A page in place of a WebSocket is none; without cookies nobody is let in.
    assert_eq!(statuses, [200, 200, 200, 200, 501, 200, 200, 405, 401], "{alone:?}");
    for (host, (_, told)) in [("a", &alone[0]), ("b", &alone[2]), ("A", &alone[3])] {
        assert!(told.contains(&format!("host: {host}.example")), "{told:?}");
    }
    let mut client = arrived(&house).await;
    let all: Vec<_> = came.into_iter().zip(&alone).collect();
    for last in &all {
        for this in &all {
            for (request, expected) in [last, last, last, this, this, this, last] {
                assert_eq!(&&ask(&mut client, *request).await, expected, "{request:?} among {last:?} and {this:?}");
            }
        }
    }
}
