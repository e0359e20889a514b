//! Clients in HTTP/2 that send much of what costs them little: each is stopped before it has sent all it could.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::http2_frames::{
    Client, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, Said, frame, head, request,
};
use super::support::soon;
use super::tls::NAME;

const PING: u8 = 6;
const CONTINUATION: u8 = 9;

/// `REFUSED_STREAM` and `CANCEL` (RFC 9113, section 7).
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// More than a gateway may put up with, in frames.
const TOO_MANY: usize = 200_000;

/// Sends `piece` after `piece`, reading nothing, until that is no longer taken. How many times it was.
async fn flood(client: &mut Client, mut piece: impl FnMut(usize) -> Vec<u8>) -> usize {
    for sent in 0..TOO_MANY {
        match timeout(Duration::from_secs(2), client.stream.write_all(&piece(sent))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return sent,
        }
    }
    TOO_MANY
}

/// Everything up to the end of the connection, of which there is one.
async fn hung_up_on(client: &mut Client) {
    let end = async { while matches!(client.stream.read(&mut [0; 4096]).await, Ok(1..)) {} };
    soon(end).await;
}

fn get(path: &str) -> Vec<u8> {
    head(&[(":method", "GET"), (":scheme", "https"), (":authority", NAME), (":path", path)])
}

/// The stream of the request of that number.
fn stream(number: usize) -> u32 {
    u32::try_from(2 * number + 1).expect("few")
}

#[tokio::test]
async fn who_opens_streams_to_reset_them_is_hung_up_on() {
    let mut client = Client::new().await;
    let opened = flood(&mut client, |number| {
        let opens = frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &get("/"));
        [opens, frame(RST_STREAM, 0, stream(number), &CANCEL.to_be_bytes())].concat()
    })
    .await;
    assert!(opened < TOO_MANY, "it may go on for ever");
    hung_up_on(&mut client).await;
}

#[tokio::test]
async fn a_head_that_goes_on_for_ever_is_not_listened_to() {
    let mut client = Client::new().await;
    client.say(&[frame(HEADERS, END_STREAM, 1, &get("/"))]).await;
    let piece = head(&[("x", "y")]).repeat(1000);
    let sent = flood(&mut client, |_| frame(CONTINUATION, 0, 1, &piece)).await;
    assert!(sent < 10_000, "it may go on for ever");
    hung_up_on(&mut client).await;
}

#[tokio::test]
async fn a_body_of_nothing_but_empty_frames_is_not_listened_to() {
    let mut client = Client::new().await;
    client.say(&[frame(HEADERS, END_HEADERS, 1, &request("/", &[]))]).await;
    let empty = frame(DATA, 0, 1, &[]).repeat(100);
    let sent = flood(&mut client, |_| empty.clone()).await;
    assert!(sent < TOO_MANY, "it may go on for ever");
    hung_up_on(&mut client).await;
}

#[tokio::test]
async fn who_asks_for_answers_and_reads_none_is_held_back() {
    for asks in [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, &[7; 8])] {
        let mut client = Client::new().await;
        let many = asks.repeat(1000);
        let sent = flood(&mut client, |_| many.clone()).await;
        assert!(sent < 5_000, "what it is answered piles up: {sent}");
    }
}

#[tokio::test]
async fn more_requests_than_a_connection_may_have_are_turned_away_one_by_one() {
    let mut client = Client::new().await;
    // So that the limit is known to both sides.
    client.say(&[frame(SETTINGS, 1, 0, &[])]).await;
    let opens = |number| frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &get(&format!("/{number}")));
    client.say(&(0..101).map(opens).collect::<Vec<_>>()).await;
    assert_eq!(client.said(stream(100)).await, Said::Reset(REFUSED_STREAM));
    let mut origin = client.world.origin.accept().await;
    let head = origin.head().await;
    let number = head.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()?.parse().ok());
    origin.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    let answered = stream(number.expect("one of them"));
    assert_eq!(client.said(answered).await, Said::Answer(204), "the others go on");
}
