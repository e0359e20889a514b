//! HTTP/1.1 as the journeys speak it: one request a connection, written and read byte for byte.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        Self { method, target: target.to_owned(), fields: Vec::new(), body: Vec::new() }
    }

    /// Adds a field, beside others of that name.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Takes every field of that name away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.with("Content-Type", "application/x-www-form-urlencoded").body(body)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !self.body.is_empty() || self.method == "POST" {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// Its head in HTTP/2.
    pub(crate) fn in_http2(&self, to: SocketAddr) -> http::Request<()> {
        let built = http::Request::builder().method(self.method).uri(format!("http://{to}{}", self.target));
        let fields = self.fields.iter().map(|(name, value)| (&**name, &**value)).filter(|(name, _)| *name != "Host");
        fields.fold(built, |built, (name, value)| built.header(name, value)).body(()).expect("a request")
    }

    /// Sends it, and reads the answer to its end.
    pub(crate) async fn send(self, to: SocketAddr) -> Answer {
        exchange(to, &self.with("Connection", "close").bytes()).await
    }

    /// The same, with the bytes as they came.
    pub(super) async fn send_raw(self, to: SocketAddr) -> (Answer, Vec<u8>) {
        let read = read_to_end(to, &self.with("Connection", "close").bytes()).await;
        (Answer::parse(&read), read)
    }

    /// Sends it, and reads the head of the answer; more may follow.
    pub(crate) async fn open(self, to: SocketAddr) -> (Answer, Live) {
        let mut stream = TcpStream::connect(to).await.expect("the gateway listens");
        stream.write_all(&self.bytes()).await.expect("the gateway reads");
        let mut read = Vec::new();
        let head = within("the head of an answer", async {
            loop {
                if let Some(end) = find(&read, b"\r\n\r\n") {
                    return end;
                }
                let count = stream.read_buf(&mut read).await.expect("the gateway answers");
                assert!(count > 0, "the answer broke off in its head");
            }
        })
        .await;
        let early = read.split_off(head + 4);
        (Answer::parse(&read), Live { stream, early })
    }
}

/// A request whose body is held back.
pub(crate) struct HeldBack {
    stream: TcpStream,
    body: Vec<u8>,
}

impl Request {
    /// Sends its head, and waits until the gateway has read that and asks for the body.
    pub(crate) async fn hold_back(self, to: SocketAddr) -> HeldBack {
        let request = self.with("Connection", "close").with("Expect", "100-continue");
        let bytes = request.bytes();
        let mut stream = TcpStream::connect(to).await.expect("the gateway listens");
        stream.write_all(&bytes[..bytes.len() - request.body.len()]).await.expect("the gateway reads");
        let mut said = [0; 25];
        within("100 Continue", stream.read_exact(&mut said)).await.expect("the gateway asks for the body");
        assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
        HeldBack { stream, body: request.body }
    }
}

impl HeldBack {
    /// Sends the body, and reads the answer to its end.
    pub(crate) async fn comes(mut self) -> Answer {
        self.stream.write_all(&self.body).await.expect("the gateway reads");
        let mut read = Vec::new();
        within("the end of an answer", self.stream.read_to_end(&mut read)).await.expect("the gateway answers");
        Answer::parse(&read)
    }
}

/// Sends these very bytes, and reads until the other side closes.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8]) -> Answer {
    Answer::parse(&read_to_end(to, bytes).await)
}

async fn read_to_end(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.expect("the gateway listens");
    // Whoever is refused early finds the other side closed before all is sent; the answer is there all the same.
    let _ = stream.write_all(bytes).await;
    let mut read = Vec::new();
    within("the end of an answer", async {
        let _ = stream.read_to_end(&mut read).await;
    })
    .await;
    read
}

pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// What came back.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(read: &[u8]) -> Self {
        let end = find(read, b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(read)));
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let fields: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status: status.expect("a status"), fields, body: read[end + 4..].to_vec() };
        if answer.field("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        }
        answer
    }

    /// The value of a field that is there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        first
    }

    /// Names, values and attributes of the cookies it sets.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.fields.iter().filter(|(field, _)| field == "set-cookie").map(|(_, line)| {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            (name, value, attributes)
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What follows the head of an answer that is not over.
pub(crate) struct Live {
    stream: TcpStream,
    early: Vec<u8>,
}

impl Live {
    pub(crate) async fn says(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the connection is open");
    }

    /// Reads until `expected` has come.
    pub(crate) async fn hears(&mut self, expected: &[u8]) {
        read_until(&mut self.stream, &mut self.early, expected).await;
    }

    /// Reads that many bytes.
    pub(crate) async fn reads(&mut self, count: usize) -> Vec<u8> {
        within("the rest of an answer", async {
            while self.early.len() < count {
                let more = self.stream.read_buf(&mut self.early).await.expect("the connection is open");
                assert!(more > 0, "the answer broke off");
            }
        })
        .await;
        self.early.drain(..count).collect()
    }

    /// Waits until the other side ends it.
    pub(crate) async fn ends(mut self) {
        ended(&mut self.stream).await;
    }
}

/// Reads until `expected` is in what was read.
pub(crate) async fn read_until(stream: &mut TcpStream, read: &mut Vec<u8>, expected: &[u8]) {
    within("what was to be heard", async {
        while find(read, expected).is_none() {
            let count = stream.read_buf(read).await.expect("the connection is open");
            let [expected, read] = [expected, read].map(String::from_utf8_lossy);
            assert!(count > 0, "it ended before {expected:?}, after {read:?}");
        }
    })
    .await;
}

/// Waits until the other side has ended the connection.
pub(crate) async fn ended(stream: &mut TcpStream) {
    within("the end of the connection", drain(stream)).await;
}

async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = Vec::new();
    // An end is an end, orderly or not.
    while !matches!(stream.read_buf(&mut bytes).await, Ok(0) | Err(_)) {
        bytes.clear();
    }
}

pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// The body without its framing, as far as it came.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        let chunk = &rest[end + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    body
}
