//! The built program on a real store, in front of a dashboard that keeps every byte.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::installation::{Installation, Running};
use crate::origin::{CANARY, Origin, find};
use crate::support::Sight;
use crate::support::http::{Answer, Request, within};
use crate::support::visitor::Visitor;
use crate::support::world::Configuration;

pub(crate) struct House {
    pub(crate) installation: Installation,
    pub(crate) running: Running,
    pub(crate) origin: Origin,
}

impl House {
    pub(crate) async fn open(configuration: Configuration) -> Self {
        let origin = Origin::open().await;
        let upstream = format!("http://{}", origin.address());
        // A machine with much to do may take its time: what is asked here is never how fast something is.
        let configuration = configuration.with("\ntimeout = \"2s\"", "\ntimeout = \"30s\"");
        let installation = Installation::new(&configuration.with("http://DASHBOARD", &upstream)).await;
        let running = installation.serve().await;
        Self { installation, running, origin }
    }

    /// The same after the program was killed and started anew.
    pub(crate) async fn killed_and_started(self) -> Self {
        let Self { installation, running, origin } = self;
        drop(running);
        let running = installation.serve().await;
        Self { installation, running, origin }
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.running.gateway()
    }

    /// Somebody at a new browser, with a login of that number at the dashboard.
    pub(crate) fn visitor(&self, login: &str, number: u32) -> Visitor {
        let mut visitor = self.installation.visitor(&self.running, login);
        visitor.has_cookie("sid", &format!("{login}-{number}"));
        visitor
    }

    /// Somebody who set up an authenticator just now.
    pub(crate) async fn enrolled(&self, login: &str) -> Visitor {
        let mut visitor = self.visitor(login, 1);
        visitor.enrolls().await;
        visitor
    }

    /// The same person at another browser, asked for a code.
    pub(crate) async fn challenged(&self, person: &Visitor, number: u32) -> Visitor {
        let mut browser = person.elsewhere();
        browser.has_cookie("sid", &format!("{}-{number}", person.login));
        browser.opens("/reports").await.shows(Sight::Challenge);
        browser
    }

    pub(crate) fn store(&self) -> Connection {
        let store = Connection::open(self.installation.file("vestibule.db")).expect("the store is there");
        store.busy_timeout(Duration::from_secs(30)).expect("a timeout is set");
        store
    }

    /// Puts the store back to a time when none of the codes was given and no try had failed: the program has no clock
    /// that could be moved instead.
    pub(crate) fn forgets_codes(&self) {
        self.changes(
            "UPDATE accounts SET last_step = 0 WHERE secret IS NOT NULL; DELETE FROM failed_tries; \
                      DELETE FROM failures_in_a_row",
        );
    }

    /// Puts it back to a time when no try had failed.
    pub(crate) fn forgets_failures(&self) {
        self.changes("DELETE FROM failed_tries; DELETE FROM failures_in_a_row");
    }

    pub(crate) fn changes(&self, statements: &str) {
        self.store().execute_batch(&format!("BEGIN IMMEDIATE; {statements}; COMMIT")).expect("statements");
    }

    /// A number out of the store.
    pub(crate) fn number(&self, query: &str) -> i64 {
        self.store().query_row(query, [], |row| row.get(0)).expect("a number")
    }

    /// The number of somebody's account.
    pub(crate) fn account(&self, login: &str) -> i64 {
        self.number(&format!("SELECT id FROM accounts WHERE user_id = 'id-{login}'"))
    }

    /// Every row of the store, but for when a session was last seen and what the gateway keeps for itself.
    pub(crate) fn dump(&self) -> String {
        let tables = [
            "accounts",
            "organizations",
            "recovery_codes",
            "failed_tries",
            "failures_in_a_row",
            "pending_enrollments",
            "tickets",
            "sessions",
            "audit",
        ];
        tables.iter().fold(String::new(), |dump, table| dump + &self.rows(table))
    }

    fn rows(&self, table: &str) -> String {
        let store = self.store();
        let mut statement = store.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).expect("a table");
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).expect("rows");
        let mut dump = String::new();
        while let Some(row) = rows.next().expect("a row") {
            for (at, name) in names.iter().enumerate().filter(|(_, name)| *name != "last_seen") {
                let value: Value = row.get(at).expect("a value");
                write!(dump, "{table}.{name}={value:?} ").expect("written to a string");
            }
            dump.push('\n');
        }
        dump
    }

    /// How many failed tries somebody has in that bucket.
    pub(crate) fn failures(&self, login: &str, bucket: &str) -> i64 {
        let account = self.account(login);
        self.number(&format!("SELECT count(*) FROM failed_tries WHERE account = {account} AND bucket = '{bucket}'"))
    }

    /// The bytes of a form that somebody sends.
    pub(crate) fn form(&self, visitor: &Visitor, target: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let (host, cookies) = (self.gateway(), cookies(visitor));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let length = body.len();
        format!(
            "POST {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends these bytes, and reads until the gateway closes.
    pub(crate) async fn hears(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.gateway()).await.expect("the gateway listens");
        // Whoever is refused early finds the other side closed before all is sent.
        let _ = stream.write_all(bytes).await;
        let mut read = Vec::new();
        let what = format!("the end after {}", String::from_utf8_lossy(bytes));
        within(&what, async {
            let _ = stream.read_to_end(&mut read).await;
        })
        .await;
        read
    }

    /// Sends these bytes from that address, and reads the answer to its end.
    pub(crate) async fn hears_at(&self, address: Ipv4Addr, bytes: &[u8]) -> String {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((address, 0).into()).expect("all of 127.0.0.0/8 is this machine");
        let mut stream = socket.connect(self.gateway()).await.expect("the gateway listens");
        stream.write_all(bytes).await.expect("the gateway reads");
        let mut read = String::new();
        within("an answer", stream.read_to_string(&mut read)).await.expect("text");
        read
    }

    /// Fails if anything of a protected answer comes back.
    pub(crate) async fn gives_nothing_for(&self, request: Request) -> Answer {
        let what = format!("{} {} {:?}", request.method, request.target, request.fields);
        let answer = request.send(self.gateway()).await;
        assert!(answer.field("x-dashboard").is_none(), "{what}");
        assert!(find(&answer.body, CANARY.as_bytes()).is_none(), "{what}");
        answer
    }
}

/// The cookies of somebody's browser, as one line.
pub(crate) fn cookies(visitor: &Visitor) -> String {
    let (login, session) = (visitor.cookie("sid").expect("a login"), visitor.session().expect("a session"));
    format!("sid={login}; vestibule={session}")
}

/// A connection to the gateway on which one request follows the other.
pub(crate) struct Kept(TcpStream);

impl Kept {
    pub(crate) async fn to(house: &House) -> Self {
        Self(TcpStream::connect(house.gateway()).await.expect("the gateway listens"))
    }

    /// Sends a request, and reads its answer, of which the length is told.
    pub(crate) async fn answers(&mut self, request: &Request) -> Answer {
        self.0.write_all(&request.bytes()).await.expect("the gateway reads");
        let mut read = Vec::new();
        within("an answer", async {
            loop {
                let count = self.0.read_buf(&mut read).await.expect("the gateway answers");
                assert!(count > 0, "it ended before its answer: {}", String::from_utf8_lossy(&read));
                if find(&read, b"\r\n\r\n").is_none() {
                    continue;
                }
                let answer = Answer::parse(&read);
                let length = answer.field("content-length").and_then(|length| length.parse::<usize>().ok());
                if Some(answer.body.len()) == length {
                    return answer;
                }
            }
        })
        .await
    }
}
