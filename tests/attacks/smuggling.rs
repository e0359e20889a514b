//! Requests inside of requests.

use crate::house::{House, cookies};
use crate::origin::find;
use crate::support::required;

/// The request has no single reading, and nothing is read after it.
const REFUSED: &[u16] = &[400];

/// What is hidden was part of it, and the last request comes next.
const BOTH: &[u16] = &[200, 200];

/// What is hidden comes next, as a request of nobody, and has the connection closed.
const AND_NOBODYS: &[u16] = &[200, 401];

/// The lines that frame a body, and how they are answered: with `LENGTH`, how long the body is in bytes.
const FRAMINGS: [(&str, &[u16]); 40] = [
    ("Content-Length: LENGTH\r\nTransfer-Encoding: chunked", REFUSED),
    ("Transfer-Encoding: chunked\r\nContent-Length: LENGTH", REFUSED),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: LENGTH", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding : chunked", REFUSED),
    ("Content-Length: LENGTH\r\n Transfer-Encoding: chunked", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding:\r\n chunked", REFUSED),
    ("Content-Length: LENGTH\r\nX: y\nTransfer-Encoding: chunked", REFUSED),
    ("Content-Length: LENGTH\r\nX: y\rTransfer-Encoding: chunked", REFUSED),
    ("Content-Length: LENGTH\r\nX: y\r\n\rTransfer-Encoding: chunked", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: xchunked", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: chunked, identity", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: identity, chunked", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: chunked;q=1", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: \"chunked\"", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: \x0bchunked", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: chunked\0", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding:", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: cow\r\nTransfer-Encoding: chunked", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow", REFUSED),
    ("Content-Length: LENGTH\r\nTransfer_Encoding: chunked", BOTH),
    ("Content-Length: LENGTH\r\nTransfer.Encoding: chunked", BOTH),
    ("Content-Length: LENGTH\r\nX-Transfer-Encoding: chunked\r\nConnection: X-Transfer-Encoding, Content-Length", BOTH),
    ("Content-Length: LENGTH\r\nConnection: Content-Length", BOTH),
    ("Content-Length: LENGTH\r\nContent-Length: 0", REFUSED),
    ("Content-Length: 0\r\nContent-Length: LENGTH", REFUSED),
    ("Content-Length: 0\r\ncontent-length: LENGTH", REFUSED),
    ("Content-Length: LENGTH, 0", REFUSED),
    ("Content-Length: LENGTH,LENGTH", REFUSED),
    ("Content-Length: +LENGTH", REFUSED),
    ("Content-Length: -LENGTH", REFUSED),
    ("Content-Length: 0xLENGTH", REFUSED),
    ("Content-Length: LENGTH\x0b", REFUSED),
    ("Content-Length: \"LENGTH\"", REFUSED),
    ("Content-Length: LENGTH.0", REFUSED),
    ("Content-Length: LENGTH\r\n 0", REFUSED),
    ("Content-Length : LENGTH", REFUSED),
    ("Content-Length: 99999999999999999999LENGTH", REFUSED),
    ("Content-Length: LENGTH\r\nContent_Length: 0", BOTH),
    ("Content-Length: LENGTH\r\nExpect: 100-continue", &[100, 200, 200]),
    ("Content-Length: LENGTH\r\nUpgrade: h2c, websocket\r\nConnection: Upgrade", BOTH),
];

/// Chunks that end early for somebody, and how they are answered.
const CHUNKS: [(&str, &[u16]); 14] = [
    ("0\r\n\r\n", AND_NOBODYS),
    ("0\r\nHost: evil.example\r\nX-Vestibule-User: root\r\nContent-Length: 9\r\n\r\n", AND_NOBODYS),
    ("0\n\n", REFUSED),
    ("0\r\n\n", REFUSED),
    ("0;\n\r\n\r\n", REFUSED),
    ("0;a=\"\r\n\r\n\"\r\n\r\n", &[200, 400]),
    ("1\r\nX\n0\r\n\r\n", REFUSED),
    ("1\r\nXX\r\n0\r\n\r\n", REFUSED),
    ("2\nXX\n0\n\n", REFUSED),
    ("0x0\r\n\r\n", REFUSED),
    ("-0\r\n\r\n", REFUSED),
    ("+0\r\n\r\n", REFUSED),
    ("00000000000000000\r\n\r\n", REFUSED),
    ("10000000000000000\r\n\r\n", REFUSED),
];

/// Request lines and heads that somebody could read as two, and how they are answered.
const HEADS: [(&str, &[u16]); 16] = [
    ("GET /p HTTP/1.1 HTTP/1.1\r\nCOMMON\r\n", REFUSED),
    ("GET /p HTTP/1.1\r\nCOMMONX: y\r\r\n", REFUSED),
    ("GET /p HTTP/1.1\r\nCOMMONX: y\n\rGET /smuggled HTTP/1.1\r\n\r\n", REFUSED),
    ("GET /p HTTP/1.1\r\nCOMMONX: y\r\n\rGET /smuggled HTTP/1.1\r\n\r\n", REFUSED),
    ("GET /p HTTP/1.1\r\nCOMMONX: \0\r\n\r\n", REFUSED),
    ("GET /p\x0bHTTP/1.1\r\nCOMMON\r\n", REFUSED),
    ("GET /p\rGET /smuggled HTTP/1.1\r\nCOMMON\r\n", REFUSED),
    ("GET /p%0d%0a%0d%0aGET%20/smuggled%20 HTTP/1.1\r\nCOMMON\r\n", AND_NOBODYS),
    ("GET /p HTTP/1.0\r\nCOMMONTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", REFUSED),
    ("GET /p HTTP/0.9\r\nCOMMON\r\n", REFUSED),
    ("GET /p HTTP/1.1\r\nCOMMONHost: evil.example\r\n\r\n", REFUSED),
    ("HEAD /p HTTP/1.1\r\nCOMMONContent-Length: 0\r\n\r\n", AND_NOBODYS),
    ("CONNECT HOST HTTP/1.1\r\nCOMMON\r\n", &[405]),
    (
        "GET /p HTTP/1.1\r\nCOMMONConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        AND_NOBODYS,
    ),
    (
        "GET /p HTTP/1.1\r\nCOMMONConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        AND_NOBODYS,
    ),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED),
];

/// Sends an attempt of somebody who has passed, with a request behind or inside it that carries no credential: if that
/// is read as a request by the gateway, it is nobody's; if the dashboard reads it, it was smuggled.
async fn attempt(house: &House, bytes: &str, answers: &[u16]) {
    house.origin.forgets();
    let heard = house.hears(bytes.as_bytes()).await;
    assert_eq!(statuses(&heard), answers, "{bytes:?}, and the end: {}", String::from_utf8_lossy(&heard));
    let taken = house.origin.requests();
    let targets: Vec<_> = taken.iter().map(|taken| (taken.target(), String::from_utf8_lossy(&taken.body))).collect();
    assert_eq!(taken.len(), answers.iter().filter(|&&status| status == 200).count(), "{bytes:?}: {targets:?}");
    assert!(taken.iter().all(|taken| taken.target() != "/smuggled"), "{bytes:?}: {targets:?}");
    assert!(taken.iter().filter(|taken| taken.target() == "/p").count() <= 1, "{bytes:?}: {targets:?}");
    for taken in &taken {
        assert!(find(&taken.head, b"evil.example").is_none(), "{bytes:?}");
        assert_eq!(taken.value("x-vestibule-user"), "id-bob", "{bytes:?}");
    }
}

/// The statuses of all answers. None of their bodies has the beginning of another in it.
fn statuses(heard: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(heard);
    let lines = text.split("HTTP/1.").skip(1).map(|answer| answer.split(' ').nth(1).and_then(|code| code.parse().ok()));
    lines.map(|status| status.expect("a status")).collect()
}

/// I4, HTTP-04, HTTP-05, HTTP-06, HTTP-07, HTTP-09, HTTP-10, HTTP-11, HTTP-15: what stands inside of a request, or
/// behind it, never becomes one of the dashboard's, however the request is framed.
#[tokio::test]
async fn nothing_inside_of_a_request_becomes_another() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let host = house.gateway().to_string();
    let common = format!("Host: {host}\r\nCookie: {}\r\n", cookies(&bob));
    let hidden = format!("GET /smuggled HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let last = format!("GET /last HTTP/1.1\r\n{common}Connection: close\r\n\r\n");
    for (framing, answers) in FRAMINGS {
        for before in ["", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"] {
            let body = format!("{before}{hidden}");
            let framing = framing.replace("LENGTH", &body.len().to_string());
            attempt(&house, &format!("POST /p HTTP/1.1\r\n{common}{framing}\r\n\r\n{body}{last}"), answers).await;
        }
    }
    for (chunks, answers) in CHUNKS {
        let head = format!("POST /p HTTP/1.1\r\n{common}Transfer-Encoding: chunked\r\n\r\n");
        attempt(&house, &format!("{head}{chunks}{hidden}{last}"), answers).await;
    }
    for (head, answers) in HEADS {
        let head = head.replace("COMMON", &common).replace("HOST", &host);
        attempt(&house, &format!("{head}{hidden}{last}"), answers).await;
    }

    // What is only a body arrives as one, once, and the next request is the next.
    house.origin.forgets();
    let body = hidden.repeat(50);
    let whole = format!("POST /p HTTP/1.1\r\n{common}Content-Length: {}\r\n\r\n{body}{last}", body.len());
    house.hears(whole.as_bytes()).await;
    assert_eq!(house.origin.targets(), ["/p", "/last"]);
    assert!(house.origin.requests()[0].body == body.as_bytes(), "to the byte");
}
