//! The same over the socket of the built program, on a real store.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::Builder;

use crate::Comparison;
use crate::house::House;
use crate::statistics::compare;
use crate::support::required;
use crate::support::visitor::Visitor;

pub(crate) fn measure(samples: usize) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (house, people) = runtime.block_on(async {
        let house = House::open(required()).await;
        let alice = house.enrolled("alice").await;
        let bob = house.enrolled("bob").await;
        house.enrolled("zoe").await;
        let asked = house.challenged(&bob, 2).await;
        (house, People { alice, bob, asked })
    });
    let mut wire = Wire::to(house.gateway());
    accounts(&house, &people, &mut wire, samples);
    sessions(&people, &mut wire, samples);
    guesses(&house, &people, &mut wire, samples);
}

struct People {
    alice: Visitor,
    bob: Visitor,
    /// Bob at another browser, who is asked for a code.
    asked: Visitor,
}

/// An administrator's form about an account of another organization, and about one that never was.
fn accounts(house: &House, people: &People, wire: &mut Wire, samples: usize) {
    let of = |account: i64| {
        let form = house.form(&people.alice, "/_2fa/settings/security/reset", &[("account", &account.to_string())]);
        kept_open(&form)
    };
    let forms = [of(house.account("zoe")), of(1_000_000)];
    let guess = &mut |is_first: bool| wire.asks(&forms[usize::from(!is_first)], 404);
    compare(&mut Comparison {
        what: "account: of another organization, of nobody",
        samples,
        prepare: &mut || {},
        guess,
    });
}

/// A cookie that is a session's but for its last byte, and one that has nothing of it.
fn sessions(people: &People, wire: &mut Wire, samples: usize) {
    let session = people.bob.session().expect("a session");
    let near = format!("{}{}", &session[..42], if session.as_bytes()[42] == b'A' { "BA" } else { "AA" });
    let far = format!("v{}", "u".repeat(42) + "A");
    let of = |session: &str| {
        let (login, host) = (people.bob.cookie("sid").expect("a login"), wire.to);
        format!("GET /_2fa/status HTTP/1.1\r\nHost: {host}\r\nCookie: sid={login}; vestibule={session}\r\n\r\n")
    };
    let requests = [of(&near), of(&far)];
    let guess = &mut |is_first: bool| wire.asks(requests[usize::from(!is_first)].as_bytes(), 200);
    compare(&mut Comparison { what: "session: one but for two characters, none", samples, prepare: &mut || {}, guess });
}

/// Codes and recovery codes that are nearly right, and such as are not at all. Failed tries are forgotten before each.
fn guesses(house: &House, people: &People, wire: &mut Wire, samples: usize) {
    let store = house.store();
    let known = &people.bob.recovery_codes[0];
    let other = |character: &str| if character == "7" { "8" } else { "7" };
    let near = format!("{}{}", &known[..18], other(&known[18..]));
    let recovery = [near, "0000-0000-0000-0000".to_owned()]
        .map(|code| kept_open(&house.form(&people.asked, "/_2fa/recover", &[("recovery_code", &code)])));
    let guess = &mut |is_first: bool| wire.asks(&recovery[usize::from(!is_first)], 403);
    let prepare = &mut || forgets(&store);
    compare(&mut Comparison { what: "recovery code: one but for a character, none", samples, prepare, guess });

    let guess = &mut |is_first: bool| {
        let code = people.bob.authenticator().code(0);
        let digit = |digit: &str| char::from(b'0' + (digit.as_bytes()[0] - b'0' + 1) % 10);
        let near = format!("{}{}", &code[..5], digit(&code[5..]));
        let far = format!("{}{}", digit(&code[..1]), &code[1..]);
        let form = house.form(&people.asked, "/_2fa/verify", &[("code", if is_first { &near } else { &far })]);
        wire.asks(&kept_open(&form), 403)
    };
    let prepare = &mut || forgets(&store);
    compare(&mut Comparison { what: "code: last digit wrong, first digit wrong", samples, prepare, guess });
}

fn forgets(store: &Connection) {
    store.execute_batch("DELETE FROM failed_tries; DELETE FROM failures_in_a_row").expect("statements");
}

fn kept_open(form: &[u8]) -> Vec<u8> {
    String::from_utf8(form.to_vec()).expect("text").replace("Connection: close\r\n", "").into_bytes()
}

/// A connection that stays open.
struct Wire {
    to: SocketAddr,
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    fn to(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a socket");
        Self { to, stream, read: Vec::new() }
    }

    /// Sends a request, and reads the answer to its end.
    fn asks(&mut self, request: &[u8], status: u16) -> usize {
        self.stream.write_all(request).expect("the gateway reads");
        self.read.clear();
        let end = loop {
            let mut piece = [0; 16384];
            let count = self.stream.read(&mut piece).expect("the gateway answers");
            assert!(count > 0, "it closed: {}", self.read.escape_ascii());
            self.read.extend_from_slice(&piece[..count]);
            if let Some(end) = end_of(&self.read).filter(|end| self.read.len() >= *end) {
                break end;
            }
        };
        let told = format!("HTTP/1.1 {status}");
        assert!(self.read.starts_with(told.as_bytes()), "{}", self.read.escape_ascii());
        end
    }
}

/// Where an answer ends whose head is there.
fn end_of(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = str::from_utf8(&read[..head]).expect("text").to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    Some(head + length.parse::<usize>().expect("a number"))
}
