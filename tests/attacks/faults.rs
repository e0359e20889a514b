//! A dashboard that fails in the midst of things: what visitors are told of it, and that nobody takes a part for the whole.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::house::{House, Kept};
use crate::origin::{Asked, CANARY, Origin, find};
use crate::support::http::{Answer, Request, ended, read_until, within};
use crate::support::page::Page;
use crate::support::visitor::Visitor;
use crate::support::{at_once, required, until};

/// What becomes of the dashboard's side of a connection.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Nothing more is said or read.
    Closes,
    /// Nothing more is said, but what comes is still read.
    HalfCloses,
    /// It is reset.
    Resets,
    /// It stays open.
    Stays,
    /// This is said for as long as somebody listens.
    RepeatsForever(&'static str),
}

use End::{Closes, HalfCloses, RepeatsForever, Resets, Stays};

impl End {
    /// Ends the connection in this way, and waits until the gateway has hung up as well.
    async fn of(self, mut stream: TcpStream) {
        match self {
            Closes => return,
            HalfCloses => stream.shutdown().await.expect("the gateway still reads"),
            Resets => return stream.set_zero_linger().expect("an option of the system"),
            Stays => {}
            RepeatsForever(words) => {
                let words = words.repeat(64 * 1024 / words.len());
                let saying = async { while stream.write_all(words.as_bytes()).await.is_ok() {} };
                return within("the gateway has heard enough", saying).await;
            }
        }
        ended(&mut stream).await;
    }
}

/// The next request that the dashboard is to answer.
async fn next(asked: &mut UnboundedReceiver<Asked>) -> Asked {
    within("a request at the dashboard", asked.recv()).await.expect("the dashboard is there")
}

/// The dashboard says that to the next request, and ends the connection.
async fn fails(asked: &mut UnboundedReceiver<Asked>, says: &str, end: End) {
    let (_, mut stream) = next(asked).await;
    stream.write_all(says.as_bytes()).await.expect("the gateway reads");
    end.of(stream).await;
}

/// Who reads that something failed.
#[derive(Debug, Clone, Copy)]
enum Reader {
    Person,
    Program,
}

const READERS: [Reader; 2] = [Reader::Person, Reader::Program];

impl Reader {
    fn asks(self, visitor: &Visitor, target: &str) -> Request {
        match self {
            Self::Person => visitor.navigation(target),
            Self::Program => visitor.request("GET", target).with("Accept", "application/json"),
        }
    }
}

/// What is told of a failure.
struct Told {
    status: u16,
    /// To a person.
    words: &'static str,
    /// To a program.
    reason: &'static str,
}

const UNREACHABLE: Told = Told { status: 502, words: "The dashboard can't be reached", reason: "upstream_unreachable" };
const TIMED_OUT: Told = Told { status: 504, words: "The dashboard takes too long", reason: "upstream_timed_out" };
const UNKNOWN: Told = Told { status: 502, words: "We can't tell who you are", reason: "identity_unknown" };

impl Told {
    /// Fails unless the answer tells its reader what is wrong, and nothing of what is inside.
    fn is_told(&self, house: &House, reader: Reader, answer: &Answer, of: &str) {
        assert_eq!(answer.status, self.status, "{of}");
        match reader {
            Reader::Person => {
                assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"), "{of}");
                Page::new("/", answer.clone()).says(self.words);
            }
            Reader::Program => {
                assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{of}");
                let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert_eq!(problem["reason"], self.reason, "{of}");
                assert_eq!(problem["status"], self.status, "{of}");
            }
        }
        let port = format!(":{}", house.origin.address().port());
        let all = format!("{:?} {}", answer.fields, answer.text());
        for inside in [CANARY, "x-dashboard", &port, "os error", "refused", "reset", "broke", "panicked", ".rs"] {
            assert!(!all.to_ascii_lowercase().contains(inside), "{of}: {inside:?} in {all}");
        }
    }
}

/// What is no answer, after a request that arrived as a whole.
const NO_ANSWERS: [(&str, End); 20] = [
    ("", Closes),
    ("", HalfCloses),
    ("", Resets),
    ("HTTP/1.1 200 OK\r\nX-Dashboard: canary-of-the-dashboard-7f3a\r\nX", Closes),
    ("HTTP/1.1 200 OK\r\nX-Dashboard: canary-of-the-dashboard-7f3a\r\nX", HalfCloses),
    ("HTTP/1.1 200 OK\r\nX-Dashboard: canary-of-the-dashboard-7f3a\r\nX", Resets),
    ("HTTP/1.1 100 Continue\r\n\r\n", Closes),
    ("HTTP/1.1 100 Continue\r\n\r\n", Resets),
    ("canary-of-the-dashboard-7f3a\r\n\r\n", Stays),
    ("SSH-2.0-canary-of-the-dashboard-7f3a\r\n", Stays),
    ("\x15\x03\x01\0\x02\x02\x28", Stays),
    ("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", Stays),
    ("HTTP/1.1 200 OK\r\nX-Dashboard canary-of-the-dashboard-7f3a\r\n\r\n", Stays),
    ("HTTP/1.1 200 OK\r\nX-Dashboard: canary-of-the-\0dashboard-7f3a\r\n\r\n", Stays),
    ("HTTP/1.1 200 OK\r\nContent-Length: 28\r\nContent-Length: 5\r\n\r\ncanary-of-the-dashboard-7f3a", Stays),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Stays),
    ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Stays),
    ("HTTP/1.1 200 OK\r\nX-Dashboard: canary-of-the-dashboard-7f3a", RepeatsForever("a")),
    ("HTTP/1.1 200 OK\r\n", RepeatsForever("X-Dashboard: canary-of-the-dashboard-7f3a\r\n")),
    ("HTTP/1.1 103 Early Hints\r\nLink: </canary-of-the-dashboard-7f3a>", RepeatsForever("a")),
];

/// HTTP-16, HTTP-21, CSR-08, LOG-05: a dashboard that breaks off before or in the head of its answer, says nonsense or
/// never ends its head is a bad gateway, for people on a page and for programs in a problem, with nothing of what it said. It
/// was asked once, and the client's connection is as good as before.
#[tokio::test]
async fn what_is_no_answer_is_a_bad_gateway_that_says_so() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    house.origin.forgets();
    let mut asked = house.origin.hands_over();
    let mut client = Kept::to(&house).await;
    let mut targets = Vec::new();
    for (says, end) in NO_ANSWERS {
        for reader in READERS {
            let target = format!("/reports/{}", targets.len());
            let request = reader.asks(&bob, &target);
            targets.push(target);
            let (answer, ()) = tokio::join!(client.answers(&request), fails(&mut asked, says, end));
            UNREACHABLE.is_told(&house, reader, &answer, &format!("{says:?} {end:?} {reader:?}"));
        }
    }
    assert_eq!(house.origin.targets(), targets, "each was asked for once");
    drop(asked);
    let answer = client.answers(&bob.navigation("/reports")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(CANARY));
}

/// CSR-08, LOG-05: a dashboard that is not there is a bad gateway, whether it is remembered who asks or not.
#[tokio::test]
async fn a_dashboard_that_refuses_connections_is_a_bad_gateway_that_says_so() {
    let house = House::open(required().with("cache = \"5s\"", "cache = \"60s\"")).await;
    let bob = house.enrolled("bob").await;
    let mut client = Kept::to(&house).await;
    assert_eq!(client.answers(&bob.navigation("/reports")).await.status, 200);
    let address = house.origin.address();
    house.origin.goes_away();
    until("nobody is there", async || TcpStream::connect(address).await.is_err()).await;
    // As long as it is held without listening, nobody else is given the port.
    let held = TcpSocket::new_v4().expect("a socket");
    held.set_reuseaddr(true).expect("an option of the system");
    held.bind(address).expect("free again");
    let mut stranger = bob.elsewhere();
    stranger.has_cookie("sid", "bob-2");
    for reader in READERS {
        for (visitor, told) in [(&bob, &UNREACHABLE), (&stranger, &UNKNOWN)] {
            let answer = client.answers(&reader.asks(visitor, "/reports")).await;
            told.is_told(&house, reader, &answer, &format!("{reader:?} {}", told.reason));
        }
    }
}

/// DOS-01, CSR-08, LOG-05: a dashboard that does not come to the point in time is a gateway timeout, whatever it says
/// meanwhile, and is hung up on.
#[tokio::test]
async fn a_dashboard_that_does_not_come_to_the_point_is_a_gateway_timeout_that_says_so() {
    let upstream = "upstream = \"http://DASHBOARD\"";
    let house = House::open(required().with(upstream, &format!("{upstream}\nanswer_timeout = \"2s\""))).await;
    let bob = house.enrolled("bob").await;
    let mut asked = house.origin.hands_over();
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
    let manners = [
        ("/silent", ""),
        ("/half-a-head", "HTTP/1.1 200 OK\r\nX-Dashboard: canary-of-the-dashboard-7f3a"),
        ("/interim", &interim),
    ];
    let rows = manners.iter().flat_map(|(target, _)| READERS.map(|reader| (reader, *target)));
    // All at once, for each of them takes as long as is waited for an answer.
    let visits = at_once(rows.map(async |(reader, target)| {
        let answer = Kept::to(&house).await.answers(&reader.asks(&bob, target)).await;
        TIMED_OUT.is_told(&house, reader, &answer, &format!("{target} {reader:?}"));
    }));
    let dashboard = async {
        let mut ends = Vec::new();
        for _ in 0..manners.len() * READERS.len() {
            let (target, mut stream) = next(&mut asked).await;
            let (_, says) = manners.iter().find(|(of, _)| *of == target).expect("one of them");
            ends.push(async move {
                stream.write_all(says.as_bytes()).await.expect("the gateway reads");
                Stays.of(stream).await;
            });
        }
        at_once(ends).await;
    };
    tokio::join!(visits, dashboard);
}

/// What clients say of themselves. Without chunks, the end of the connection may be the end of the answer.
const CLIENTS: [&str; 4] = [
    "HTTP/1.1\r\n",
    "HTTP/1.1\r\nConnection: keep-alive\r\n",
    "HTTP/1.0\r\n",
    "HTTP/1.0\r\nConnection: keep-alive\r\n",
];

/// The bytes of a request for that target, in that version and with those fields.
fn request(visitor: &Visitor, target: &str, client: &str) -> Vec<u8> {
    let request = visitor.request("GET", target).bytes();
    String::from_utf8(request).expect("text").replacen("HTTP/1.1\r\n", client, 1).into_bytes()
}

/// A client that has sent this, and the dashboard, which has begun to answer with that.
async fn begin(
    house: &House,
    asked: &mut UnboundedReceiver<Asked>,
    request: &[u8],
    says: &str,
) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(house.gateway()).await.expect("the gateway listens");
    client.write_all(request).await.expect("the gateway reads");
    let (_, mut dashboard) = next(asked).await;
    dashboard.write_all(says.as_bytes()).await.expect("the gateway reads");
    (client, dashboard)
}

/// Whether a client that reads as RFC 9112, section 8, wants it takes what it heard for a whole answer.
fn seems_whole(heard: &[u8], is_orderly: bool) -> bool {
    let answer = Answer::parse(heard);
    let body = &heard[find(heard, b"\r\n\r\n").expect("a head") + 4..];
    match (answer.field("transfer-encoding"), answer.field("content-length")) {
        (Some(_), _) => find(body, b"0\r\n\r\n").is_some(),
        (None, Some(length)) => length.parse() == Ok(body.len()),
        (None, None) => is_orderly,
    }
}

/// Bodies of answers that are cut off.
const CUT_OFF: [(&str, End); 14] = [
    ("Content-Length: 100\r\n\r\nhalf", Closes),
    ("Content-Length: 100\r\n\r\nhalf", HalfCloses),
    ("Content-Length: 100\r\n\r\nhalf", Resets),
    ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Closes),
    ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", HalfCloses),
    ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Resets),
    ("Transfer-Encoding: chunked\r\n\r\n8\r\nhalf", Closes),
    ("Transfer-Encoding: chunked\r\n\r\n8\r\nhalf", HalfCloses),
    ("Transfer-Encoding: chunked\r\n\r\n8\r\nhalf", Resets),
    ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", Closes),
    ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", Resets),
    ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n", Stays),
    ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n", Resets),
    ("\r\nhalf", Resets),
];

/// HTTP-21: of an answer that breaks off in its body, what came arrives, and the connection ends so that no client takes
/// that for all of it.
#[tokio::test]
async fn an_answer_that_is_cut_off_seems_whole_to_nobody() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let mut asked = house.origin.hands_over();
    for (body, end) in CUT_OFF {
        for client in CLIENTS {
            let of = format!("{body:?} {end:?} for {client:?}");
            let (request, says) = (request(&bob, "/reports", client), format!("HTTP/1.1 200 OK\r\n{body}"));
            let (mut stream, dashboard) = begin(&house, &mut asked, &request, &says).await;
            // A head that has gone on can't be taken back.
            let mut heard = Vec::new();
            read_until(&mut stream, &mut heard, b"half").await;
            end.of(dashboard).await;
            let ending = within("the end of the connection", stream.read_to_end(&mut heard)).await;
            assert!(heard.starts_with(b"HTTP/1."), "{of}");
            let answer = Answer::parse(&heard);
            assert_eq!((answer.status, answer.text().as_str()), (200, "half"), "{of}");
            assert!(!seems_whole(&heard, ending.is_ok()), "{of}: {ending:?} {}", String::from_utf8_lossy(&heard));
        }
    }
}

/// HTTP-21: what ends in order is no fault, though the dashboard says no more on that connection.
#[tokio::test]
async fn a_whole_answer_arrives_from_a_dashboard_that_says_no_more() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let mut asked = house.origin.hands_over();
    let mut half_closed = Vec::new();
    for body in
        ["Content-Length: 5\r\n\r\nwhole", "Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", "\r\nwhole"]
    {
        for client in ["HTTP/1.1\r\nConnection: close\r\n", "HTTP/1.0\r\n"] {
            let (request, says) = (request(&bob, "/reports", client), format!("HTTP/1.1 200 OK\r\n{body}"));
            let (mut stream, mut dashboard) = begin(&house, &mut asked, &request, &says).await;
            dashboard.shutdown().await.expect("the gateway still reads");
            half_closed.push(dashboard);
            let mut heard = Vec::new();
            let ending = within("the end of the connection", stream.read_to_end(&mut heard)).await;
            let answer = Answer::parse(&heard);
            assert_eq!((answer.status, answer.text().as_str()), (200, "whole"), "{body:?} for {client:?}");
            assert!(
                seems_whole(&heard, ending.is_ok()),
                "{body:?} for {client:?}: {}",
                String::from_utf8_lossy(&heard)
            );
        }
    }
}

/// HTTP-16, HTTP-21: a form that the dashboard has read before it breaks off is sent neither there again nor to another of its
/// addresses, be the connection new or one that was used before.
#[tokio::test]
async fn a_form_that_was_read_is_sent_to_nobody_again() {
    let second = Origin::open().await;
    let both = format!("upstream = [\"http://DASHBOARD\", \"http://{}\"]", second.address());
    let house = House::open(required().with("upstream = \"http://DASHBOARD\"", &both)).await;
    let bob = house.enrolled("bob").await;
    let mut client = Kept::to(&house).await;
    for was_used in [false, true] {
        for (says, end) in
            [("", Resets), ("", Closes), ("HTTP/1.1 200 OK\r\nX", Resets), ("HTTP/1.1 200 OK\r\nX", Closes)]
        {
            let of = format!("{says:?} {end:?}, used before: {was_used}");
            if was_used {
                assert_eq!(client.answers(&bob.navigation("/reports")).await.status, 200, "{of}");
            }
            house.origin.forgets();
            let mut asked = house.origin.hands_over();
            let form = bob.request("POST", "/transfers").with("Accept", "application/json").body("amount=100");
            let (answer, ()) = tokio::join!(client.answers(&form), fails(&mut asked, says, end));
            UNREACHABLE.is_told(&house, Reader::Program, &answer, &of);
            let taken = house.origin.requests();
            assert_eq!(house.origin.targets(), ["/transfers"], "{of}");
            assert_eq!(taken[0].body, b"amount=100", "{of}");
        }
    }
    assert!(second.requests().is_empty() && second.questions().is_empty(), "the second address saw nothing");
}

/// HTTP-13: whoever ends the own side of a connection while an answer is awaited is taken to have gone away, as by nginx: a
/// browser that was closed looks the same, and the dashboard need not work for nobody. So nothing more is said, and the
/// dashboard is hung up on.
#[tokio::test]
async fn a_client_that_ends_its_side_is_taken_to_have_gone_away() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let mut asked = house.origin.hands_over();
    let get = bob.request("GET", "/reports");
    let post = bob.request("POST", "/transfers").body("amount=100");
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    for (request, says) in [(&get, ""), (&post, ""), (&get, begun), (&post, begun)] {
        let of = format!("{} {says:?}", request.method);
        let (mut client, mut dashboard) = begin(&house, &mut asked, &request.bytes(), says).await;
        let mut heard = Vec::new();
        if !says.is_empty() {
            read_until(&mut client, &mut heard, b"half").await;
        }
        client.shutdown().await.expect("it is connected");
        let mut more = Vec::new();
        let _ = within("the end of the connection", client.read_to_end(&mut more)).await;
        assert!(more.is_empty(), "{of}: {}", String::from_utf8_lossy(&more));
        assert!(says.is_empty() || !seems_whole(&heard, true), "{of}");
        ended(&mut dashboard).await;
    }
}
