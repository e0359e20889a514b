//! The fields of a request as they arrive at the dashboard, and those of its answer as they arrive at the client.

use super::support::{World, status};

async fn arrives(world: &World, request: &str) -> Vec<String> {
    let mut client = world.client().await;
    client.say(request).await;
    let head = world.origin.accept().await.head().await;
    let mut lines: Vec<String> =
        head.strip_suffix("\r\n\r\n").expect("a head").split("\r\n").map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn a_request_arrives_with_what_the_gateway_says_and_nothing_that_only_it_may() {
    let world = World::new().await;
    let request = "GET /known/x?y HTTP/1.1\r\nHost: a.example:8443\r\nAccept: */*\r\nCookie: sid=1; theme=dark\r\n\
        Authorization: Bearer x\r\nX-Vestibule-User: root\r\nX_Vestibule_Factor: totp\r\nx.vestibule.user: root\r\n\
        Remote-User: root\r\nREMOTE_USER: root\r\nX-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Host: evil\r\n\
        X-Forwarded-Proto: https\r\nX-Real-IP: 203.0.113.1\r\nForwarded: for=203.0.113.1\r\nX-Original-URL: /admin\r\n\
        Connection: keep-alive, X-Hop, X-Vestibule-User, X-Forwarded-For, Cookie\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
        TE: trailers\r\nVia: 1.1 outer\r\n\r\n";
    let expected = [
        "GET /known/x?y HTTP/1.1",
        "accept: */*",
        "authorization: Bearer x",
        "cookie: sid=1; theme=dark",
        "host: a.example:8443",
        "via: 1.1 outer",
        "via: 1.1 vestibule",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: a.example:8443",
        "x-forwarded-proto: http",
        "x-vestibule-factor: none",
        "x-vestibule-organization: acme",
        "x-vestibule-user: 42",
        "x-vestibule-verified-at: ",
    ];
    assert_eq!(arrives(&world, request).await, expected);
}

/// What was made of the fields of a request is used again for the next one that has the same.
#[tokio::test]
async fn a_request_arrives_the_same_however_often_and_after_whatever_it_comes() {
    let request = |line: &str, more: &str| {
        format!("{line}\r\nHost: a\r\nCookie: sid=1; theme=dark\r\nVia: 1.0 x\r\nX-Vestibule-User: root\r\n{more}\r\n")
    };
    let requests = [
        request("GET /known HTTP/1.1", ""),
        request("GET /login?x HTTP/1.1", ""),
        request("DELETE http://a/known HTTP/1.1", ""),
        request("GET /known HTTP/1.1", "X-Other: 1\r\n"),
        request("POST /known HTTP/1.1", "Content-Length: 0\r\n"),
        request("GET /known HTTP/1.0", "Connection: keep-alive\r\n"),
    ];
    let world = World::new().await;
    let mut alone = Vec::new();
    for request in &requests {
        let mut client = world.client().await;
        client.say(request).await;
        alone.push(world.origin.accept().await.head().await);
    }
    let mut client = world.client().await;
    client.say(&requests[0]).await;
    let mut origin = world.origin.accept().await;
    assert_eq!(origin.head().await, alone[0]);
    for (last, _) in requests.iter().enumerate() {
        for (this, _) in requests.iter().enumerate() {
            for index in [last, last, last, this, last, this, this, this] {
                origin.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
                assert_eq!(client.answer().await.1, "hi");
                client.say(&requests[index]).await;
                assert_eq!(origin.head().await, alone[index]);
            }
        }
    }
}

#[tokio::test]
async fn on_a_public_path_nobody_is_named() {
    let world = World::new().await;
    let lines = arrives(&world, "GET /login HTTP/1.1\r\nHost: a\r\nX-Vestibule-User: root\r\n\r\n").await;
    let said: Vec<&str> = lines.iter().map(String::as_str).filter(|line| line.starts_with("x-vestibule")).collect();
    let expected =
        ["x-vestibule-factor: none", "x-vestibule-organization: ", "x-vestibule-user: ", "x-vestibule-verified-at: "];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn other_upgrades_are_not_passed_on() {
    let world = World::new().await;
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    ];
    for request in requests {
        let lines = arrives(&world, request).await;
        let kept = |line: &String| ["connection", "upgrade", "http2-"].iter().any(|name| line.starts_with(name));
        assert!(!lines.iter().any(kept), "{lines:?}");
    }
}

#[tokio::test]
async fn a_dashboard_that_leads_back_to_the_gateway_is_a_loop() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(format!("GET / HTTP/1.1\r\nHost: a\r\nVia: {}\r\n\r\n", ["1.1 vestibule"; 5].join(", "))).await;
    assert_eq!(status(&client.answer().await.0), 508);
    world.nothing_arrived().await;
}

#[tokio::test]
async fn an_answer_arrives_without_what_was_for_the_gateway() {
    let world = World::new().await;
    let (mut client, mut origin) = world.asked("/").await;
    origin
        .say(
            "HTTP/1.1 207 Multi-Status\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
             Set-Cookie: sid=1; HttpOnly\r\nSet-Cookie: __Host-vestibule=v; Path=/\r\nSet-Cookie: b=2\r\n\
             Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: dash\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await;
    let (head, body) = client.answer().await;
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    lines[1..].sort_unstable();
    let expected = [
        "HTTP/1.1 207 Multi-Status",
        "content-length: 2",
        "date: Tue, 15 Nov 1994 08:12:31 GMT",
        "server: dash",
        "set-cookie: b=2",
        "set-cookie: sid=1; HttpOnly",
    ];
    assert_eq!(lines, expected);
    assert_eq!(body, "hi");
}
