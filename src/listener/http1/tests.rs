//! One connection in HTTP/1, from its first byte to its end.

use std::sync::{Mutex, Weak};

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::body::STANDSTILL;
use crate::identity::client::Peer;
use crate::listener::attend_one;
use crate::listener::connection::attend;
use crate::listener::wire::FIRST_BYTES;
use crate::listener::worker::{Entrance, Room};
use crate::message::Request;

/// Answers with that many bytes.
pub(in crate::listener) struct Bytes {
    length: usize,
    /// What the last request's connection remembered.
    memory: Mutex<Weak<()>>,
}

impl Bytes {
    pub(in crate::listener) fn new(length: usize) -> Self {
        Self { length, memory: Mutex::default() }
    }

    fn remembered(&self) -> Weak<()> {
        self.memory.lock().expect("no panic").clone()
    }

    fn is_remembered(&self) -> bool {
        self.remembered().strong_count() > 0
    }
}

impl Door for Bytes {
    type Memory = Arc<()>;

    async fn answer(&self, _request: Box<Request<Incoming>>, _arrival: Arrival, memory: &Arc<()>) -> Response<Body> {
        *self.memory.lock().expect("no panic") = Arc::downgrade(memory);
        Response::new(Body::own(vec![b'x'; self.length]))
    }
}

fn client_of(length: usize) -> DuplexStream {
    client_at(&Arc::new(Bytes::new(length)))
}

fn client_at<D: Door>(door: &Arc<D>) -> DuplexStream {
    let (client, server) = duplex(1024);
    tokio::spawn(attend_one(Arc::clone(door), server));
    client
}

/// After how many seconds the gateway hangs up, and what it said until then.
pub(in crate::listener) async fn hung_up(client: &mut DuplexStream) -> (u64, String) {
    let started = Instant::now();
    let mut said = String::new();
    client.read_to_string(&mut said).await.expect("an end");
    (started.elapsed().as_secs(), said)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_hung_up_on() {
    let mut client = client_of(2);
    assert_eq!(hung_up(&mut client).await, (FIRST_BYTES.as_secs(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_head_is_hung_up_on() {
    let mut client = client_of(2);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").await.expect("written");
    assert_eq!(hung_up(&mut client).await, (HEAD.as_secs(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_for_nothing_more_is_hung_up_on() {
    let mut client = client_of(2);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    let (seconds, said) = hung_up(&mut client).await;
    assert_eq!(seconds, HEAD.as_secs());
    assert!(said.ends_with("\r\n\r\nxx"), "{said}");
}

/// Asks, and reads the answer.
async fn ask(client: &mut DuplexStream) {
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\nxx") {
        assert_ne!(client.read_buf(&mut said).await.expect("read"), 0, "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_forgets_the_last_one_and_goes_on_as_ever() {
    let door = Arc::new(Bytes::new(2));
    let mut client = client_at(&door);
    for _ in 0..3 {
        ask(&mut client).await;
        assert!(door.is_remembered(), "for the next request");
        tokio::time::sleep(TIRED / 2).await;
        let before = door.remembered();
        ask(&mut client).await;
        assert!(before.ptr_eq(&door.remembered()), "it has come");
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!door.is_remembered());
    }
    let (seconds, said) = hung_up(&mut client).await;
    assert_eq!((20 + seconds, said), (HEAD.as_secs(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_begins_in_a_rest_has_no_more_time_for_it() {
    let mut client = client_of(2);
    ask(&mut client).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.write_all(b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: ").await.expect("written");
    assert_eq!(20 + hung_up(&mut client).await.0, HEAD.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_an_answer_on_its_way_forgets_nothing() {
    let door = Arc::new(Bytes::new(1 << 20));
    let mut client = client_at(&door);
    client.write_all(b"GET / HTTP/1.1\r\nHo").await.expect("written");
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.write_all(b"st: a\r\n\r\n").await.expect("written");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(door.is_remembered());
    let mut answer = Vec::new();
    let body =
        |answer: &[u8]| answer.windows(4).position(|four| four == b"\r\n\r\n").map(|head| answer.len() - head - 4);
    while body(&answer) != Some(1 << 20) {
        assert_ne!(client.read_buf(&mut answer).await.expect("read"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_a_connection_at_rest_is_not_waited_for() {
    let door = Arc::new(Bytes::new(2));
    let mut client = client_at(&door);
    ask(&mut client).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.shutdown().await.expect("shut down");
    assert_eq!(hung_up(&mut client).await, (0, String::new()));
    tokio::time::sleep(LEAVE).await;
    assert_eq!(Arc::strong_count(&door), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answer_is_hung_up_on() {
    let mut client = client_of(1 << 20);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    tokio::time::sleep(2 * STANDSTILL + LEAVE + Duration::from_secs(1)).await;
    let (_, said) = hung_up(&mut client).await;
    assert!(said.len() <= 1024, "no more than what was on its way: {}", said.len());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_answered_early_may_send_the_rest_in_vain_for_a_moment() {
    let mut client = client_of(2);
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n").await.expect("written");
    assert!(hung_up(&mut client).await.1.ends_with("\r\n\r\nxx"));
    client.write_all(&vec![b'x'; 500_000]).await.expect("not thrown back, which could take the answer away");

    let mut slow = client_of(2);
    slow.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n").await.expect("written");
    hung_up(&mut slow).await;
    tokio::time::sleep(LEAVE + Duration::from_secs(1)).await;
    assert!(slow.write_all(b"x").await.is_err(), "nobody is there anymore");
}

/// What becomes of a request's body, by its path.
struct Readers;

impl Door for Readers {
    type Memory = ();

    async fn answer(&self, request: Box<Request<Incoming>>, _arrival: Arrival, (): &()) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let reading = Body::client(request.into_parts().1).collect();
        let read = match path.as_str() {
            "/read" => reading.await.map_or_else(|error| error.to_string(), |all| format!("{:?}", all.to_bytes())),
            "/later" => {
                tokio::spawn(reading);
                "answered".to_owned()
            }
            _ => "unread".to_owned(),
        };
        Response::new(Body::own(read))
    }
}

/// What is answered to what is said in pieces of that size, until the end or for a while; each answer by its status and body.
async fn answers(said: &str, piece: usize) -> Vec<String> {
    let mut client = client_at(&Arc::new(Readers));
    let mut heard = Vec::new();
    for piece in said.as_bytes().chunks(piece) {
        // It may have been hung up.
        drop(client.write_all(piece).await);
        drop(timeout(Duration::from_millis(10), client.read_buf(&mut heard)).await);
    }
    drop(timeout(Duration::from_secs(5), client.read_to_end(&mut heard)).await);
    let heard = String::from_utf8(heard).expect("text");
    let answers = heard.split("HTTP/1.1 ").skip(1).map(|answer| {
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        format!("{} {body}", &answer[..3]).trim_end().to_owned()
    });
    answers.collect()
}

/// A request with a body that looks like one.
const SHY: &str = "Host: a\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_request_is_the_same_in_whatever_pieces_it_comes() {
    let chunks = "POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nx: y\r\n\r\n";
    let said = format!("POST /read HTTP/1.1\r\n{SHY}\r\n{chunks}{NEXT}");
    for piece in [1, 2, 3, 7, 50, 1000] {
        let body = "200 b\"GET /smuggled HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\"";
        assert_eq!(answers(&said, piece).await, [body, "200 b\"hello\"", "200 unread"], "in pieces of {piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_of_a_body_is_no_request() {
    let said = format!("POST / HTTP/1.1\r\n{SHY}{NEXT}");
    assert_eq!(answers(&said, 1000).await, ["200 unread", "200 unread"], "all of it is there, and passed over");
    for piece in [1, 10, 60, 80] {
        assert_eq!(answers(&said, piece).await, ["200 unread"], "and the end, in pieces of {piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_body_came_says_that_the_connection_ends() {
    for (said, ends) in
        [(format!("POST / HTTP/1.1\r\n{SHY}"), false), (format!("POST / HTTP/1.1\r\n{}", &SHY[..60]), true)]
    {
        let mut client = client_at(&Arc::new(Readers));
        client.write_all(said.as_bytes()).await.expect("written");
        let mut heard = Vec::new();
        drop(timeout(Duration::from_secs(1), client.read_to_end(&mut heard)).await);
        let heard = String::from_utf8(heard).expect("text");
        assert_eq!(heard.contains("\r\nconnection: close\r\n"), ends, "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_begun_with_a_head_may_end_it_when_the_gateway_stops() {
    for (begun, is_answered) in [("GET / HTTP/1.1\r\nHo", true), ("", false)] {
        let (stop, (mut client, server)) = (CancellationToken::new(), duplex(1024));
        let worker = Worker::new(Arc::new(Bytes::new(2)), Entrance::Http1, &stop, Room::default());
        let seat = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
        tokio::spawn(attend(worker, server, Peer::Unix, seat));
        client.write_all(begun.as_bytes()).await.expect("written");
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
        tokio::time::sleep(Duration::from_secs(1)).await;
        // It may have been hung up.
        drop(client.write_all(b"st: a\r\n\r\n").await);
        let (_, said) = hung_up(&mut client).await;
        assert_eq!(said.contains("\r\nconnection: close\r\n") && said.ends_with("xx"), is_answered, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_head_holds_up_the_end_of_the_gateway_for_seconds_alone() {
    let (stop, (mut client, server)) = (CancellationToken::new(), duplex(1024));
    let worker = Worker::new(Arc::new(Bytes::new(2)), Entrance::Http1, &stop, Room::default());
    let seat = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
    tokio::spawn(attend(worker, server, Peer::Unix, seat));
    client.write_all(b"GET / HTTP/1.1\r\nHo").await.expect("written");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.cancel();
    assert_eq!(hung_up(&mut client).await, (LAST_HEADS.as_secs(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_let_in_may_begin_when_the_gateway_stops_but_not_go_on() {
    const ASKED: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (before, is_answered) in [(&b""[..], true), (ASKED, false)] {
        let (stop, (mut client, server)) = (CancellationToken::new(), duplex(1024));
        let worker = Worker::new(Arc::new(Bytes::new(2)), Entrance::Http1, &stop, Room::default());
        let seat = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a seat");
        tokio::spawn(attend(worker, server, Peer::Unix, seat));
        client.write_all(before).await.expect("written");
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
        tokio::time::sleep(NEWCOMERS / 2).await;
        // It may have been hung up.
        drop(client.write_all(ASKED).await);
        let (_, said) = hung_up(&mut client).await;
        assert_eq!(said.matches("\r\nconnection: close\r\n").count(), usize::from(is_answered), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_request_waits_until_the_body_of_the_last_one_was_read() {
    let said = format!("POST /later HTTP/1.1\r\n{SHY}{NEXT}");
    for piece in [1, 10, 1000] {
        assert_eq!(answers(&said, piece).await, ["200 answered", "200 unread"], "in pieces of {piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_after_a_body_that_is_none() {
    let chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in ["x\r\n", "-1\r\n", "1\r\nab\r\n", "0\r\nx : y\r\n\r\n", "0\r\n\n"] {
        for piece in [1, 1000] {
            let said = format!("POST /read HTTP/1.1\r\n{chunked}{body}{NEXT}");
            assert_eq!(answers(&said, piece).await, ["200 the message broke off"], "{body:?} in pieces of {piece}");
            let said = format!("POST / HTTP/1.1\r\n{chunked}{body}{NEXT}");
            assert_eq!(answers(&said, piece).await, ["200 unread"], "{body:?} in pieces of {piece}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_when_its_body_is_wanted_and_otherwise_nobody_knows_what_it_sends() {
    let ask =
        |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n");
    let said = format!("{}data{NEXT}", ask("/read"));
    assert_eq!(answers(&said, 1).await, ["100", "200 b\"data\"", "200 unread"]);
    assert_eq!(answers(&said, 1000).await, ["200 b\"data\"", "200 unread"], "it did not wait");
    let said = format!("{}{NEXT}", ask("/"));
    for piece in [1, 1000] {
        assert_eq!(answers(&said, piece).await, ["200 unread"], "and the end, in pieces of {piece}");
    }
}

/// What is answered to a request, without what it is dated.
async fn answered(request: &str) -> String {
    let mut client = client_of(2);
    client.write_all(request.as_bytes()).await.expect("written");
    let mut said = String::new();
    client.read_to_string(&mut said).await.expect("an end");
    let (before, after) = said.split_once("date: ").expect("a date");
    before.to_owned() + after.split_once(" GMT\r\n").expect("one in GMT").1
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_written_so_that_its_client_can_tell_where_it_ends() {
    let rows = [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nxx"),
        ("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
        (
            "GET / HTTP/1.1\r\nConnection: Close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nxx",
        ),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nxx"),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nxx",
        ),
        ("GET\r\n\r\n", "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    ];
    for (request, expected) in rows {
        assert_eq!(answered(request).await, expected, "{request:?}");
    }
}
