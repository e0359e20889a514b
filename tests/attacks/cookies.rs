//! Cookies to the byte: whose is the gateway's, and what the dashboard gets of the others.

use crate::house::House;
use crate::origin::{CANARY, find};
use crate::support::http::Request;
use crate::support::required;

/// With `S` for the value of a session that is good: none of them presents it.
const NONE: [&[u8]; 34] = [
    b"vestibule=S; vestibule=S",
    b"vestibule=S; vestibule=x",
    b"vestibule=x; vestibule=S",
    b"vestibule=S; vestibule=",
    b"vestibule=; vestibule=S",
    b"vestibule=S;vestibule=S",
    b"vestibule=S; a=b; vestibule=S",
    b"vestibule=S; \tvestibule=x",
    b"vestibule=S\r\nCookie: vestibule=x",
    b"vestibule=x\r\ncookie: vestibule=S",
    b"vestibule=S\r\nCookie: vestibule=S",
    b"Vestibule=S",
    b"VESTIBULE=S",
    b"vestibule =S",
    b"vestibule\t=S",
    b"vestibule= S",
    b"vestibule=S x",
    b"vestibule=\"S\"",
    b"vestibule=S,",
    b", vestibule=S",
    b"=vestibule=S",
    b"==vestibule=S",
    b"%76estibule=S",
    b"$Version=1, vestibule=S",
    b"\"a; vestibule=S\", vestibule=S",
    b"__Host-vestibule=S",
    b"__Secure-vestibule=S",
    b"\xa0vestibule=S",
    b"\xc2\x85vestibule=S",
    b"\xe2\x80\x80vestibule=S",
    b"\xef\xbb\xbfvestibule=S",
    b"vestibule\xc2\xa0=S",
    b"vestibule=S\xc2\xa0",
    b"\x0bvestibule=S",
];

fn filled(line: &[u8], session: &str) -> Vec<u8> {
    let mut filled = Vec::new();
    for (at, byte) in line.iter().enumerate() {
        // An S that is a word of its own.
        let alone =
            |at: Option<&u8>| at.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-' && *byte != b'_');
        if *byte == b'S' && alone(at.checked_sub(1).and_then(|at| line.get(at))) && alone(line.get(at + 1)) {
            filled.extend_from_slice(session.as_bytes());
        } else {
            filled.push(*byte);
        }
    }
    filled
}

async fn asked(house: &House, cookies: &[u8]) -> Vec<u8> {
    let head = format!("GET /reports HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: ", house.gateway());
    house.hears(&[head.as_bytes(), cookies, b"\r\n\r\n"].concat()).await
}

/// COO-03, COO-04: a session is presented by one pair of exactly that name, or it is not.
#[tokio::test]
async fn nothing_but_one_pair_of_the_exact_name_is_the_session() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let session = bob.session().expect("a session");
    house.origin.forgets();
    for line in NONE {
        for cookies in [[b"sid=bob-1; ", line].concat(), [line, b"; sid=bob-1"].concat()] {
            let cookies = filled(&cookies, &session);
            let answer = asked(&house, &cookies).await;
            assert!(find(&answer, CANARY.as_bytes()).is_none(), "{:?}", String::from_utf8_lossy(&cookies));
        }
    }
    assert_eq!(house.origin.targets(), [""; 0]);
    let answer = asked(&house, format!("sid=bob-1; vestibule={session}").as_bytes()).await;
    assert!(find(&answer, CANARY.as_bytes()).is_some(), "it was good all the time");
}

/// Numbers that look random, and are the same each time (xorshift64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("below a usize")
    }
}

/// Pairs, and what is none, as browsers and bad programs send them.
fn odd_pairs(dice: &mut Dice) -> Vec<Vec<u8>> {
    const LETTERS: &[u8] = b"abcXYZ019 =,\"%\\/?[]{}()<>@:~!#$&'*+-.^_`|\t\x80\xa0\xc3\xbc\xff";
    let count = 1 + dice.throw(5);
    (0..count)
        .map(|_| {
            let mut pair: Vec<u8> = (0..dice.throw(14)).map(|_| LETTERS[dice.throw(LETTERS.len())]).collect();
            // What stands at the end of a line is not the dashboard's to see (RFC 9110 section 5.5).
            while pair.last().is_some_and(u8::is_ascii_whitespace) {
                pair.pop();
            }
            pair
        })
        .collect()
}

/// COO-05, COO-06, I5: of 300 odd lines the dashboard gets every byte but the gateway's own pair, in the request as in
/// the question who has logged in.
#[tokio::test]
async fn every_other_cookie_arrives_to_the_byte() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let session = bob.session().expect("a session");
    let mut dice = Dice(0x5eed);
    for _ in 0..300 {
        let mut pairs = odd_pairs(&mut dice);
        pairs.insert(0, b"sid=bob-1".to_vec());
        // What an empty pair would leave at the end of the line is no part of it either.
        pairs.push(b"z=".to_vec());
        let separator = [&b"; "[..], b";", b";  "][dice.throw(3)];
        let expected = pairs.join(separator);
        pairs.insert(1 + dice.throw(pairs.len()), format!("vestibule={session}").into_bytes());
        let sent = pairs.join(separator);
        let shown = String::from_utf8_lossy(&sent).into_owned();
        house.origin.forgets();
        let answer = asked(&house, &sent).await;
        assert!(find(&answer, CANARY.as_bytes()).is_some(), "{shown:?}");
        let (requests, questions) = (house.origin.requests(), house.origin.questions());
        assert_eq!(requests.len(), 1, "{shown:?}");
        for taken in requests.iter().chain(&questions) {
            assert!(taken.values("cookie") == [expected.clone()], "{shown:?}");
        }
    }
}

/// COO-05: a handshake for a WebSocket carries the gateway's cookie no further either.
#[tokio::test]
async fn a_handshake_carries_the_gateways_cookie_no_further() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let session = bob.session().expect("a session");
    house.origin.forgets();
    let request = Request::new("GET", "/ws").with("Host", house.gateway().to_string());
    let request = request.with("Connection", "Upgrade").with("Upgrade", "websocket");
    let request = request.with("Sec-WebSocket-Version", "13").with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let request = request.with("Cookie", format!("a=1; vestibule={session}; sid=bob-1"));
    let (_answer, _open) = request.open(house.gateway()).await;
    let taken = house.origin.requests().pop().expect("the handshake");
    assert_eq!((taken.value("cookie").as_str(), taken.value("upgrade").as_str()), ("a=1; sid=bob-1", "websocket"));
    assert!(find(&taken.head, session.as_bytes()).is_none());
}

/// COO-01, COO-02: every cookie that is set is small, for this host alone, and out of a script's reach.
#[tokio::test]
async fn what_is_set_is_small_and_for_this_host_alone() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let pending = house.challenged(&bob, 2).await;
    let mut set = 0;
    for who in [&bob.elsewhere(), &pending, &bob] {
        let mut who = who.in_front_of(house.gateway());
        who.has_cookie("sid", "bob-3");
        for request in
            [who.navigation("/reports"), who.form_request("/_2fa/logout", &[]), who.navigation("/_2fa/verify")]
        {
            let answer = request.send(house.gateway()).await;
            for (name, line) in answer.fields.iter().filter(|(name, _)| name == "set-cookie") {
                set += 1;
                assert!(name.len() + line.len() < 150, "{line}");
                let (pair, attributes) = line.split_once("; ").expect("attributes");
                let value = pair.strip_prefix("vestibule=").expect("our name");
                let end = if value.is_empty() { "; Max-Age=0" } else { "" };
                assert_eq!(attributes, format!("Path=/; HttpOnly; SameSite=Lax{end}"));
            }
        }
    }
    assert!(set >= 4, "{set} were set");
}
