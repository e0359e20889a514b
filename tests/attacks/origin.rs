//! A dashboard that keeps the bytes of every request, and reads them as strictly as can be.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};

/// What stands in every protected answer, and nowhere else.
pub(crate) const CANARY: &str = "canary-of-the-dashboard-7f3a";

/// Where the gateway asks who has logged in.
const WHO: &str = "/api/me";

/// A request, to the byte.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Taken {
    pub(crate) fn target(&self) -> String {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The values of a field, to the byte.
    pub(crate) fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let lines = self.head.split(|&byte| byte == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let named = lines.filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].to_vec())
        });
        named.map(|value| value.strip_prefix(b" ").unwrap_or(&value).to_vec()).collect()
    }

    /// The one value of a field; empty if it is not there.
    pub(crate) fn value(&self, name: &str) -> String {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} stands twice in {}", String::from_utf8_lossy(&self.head));
        values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }
}

/// The target of a request, and the connection on which the answer is waited for.
pub(crate) type Asked = (String, TcpStream);

#[derive(Clone)]
pub(crate) struct Origin {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Taken>>>,
    hangs_up: Arc<AtomicBool>,
    /// Who answers in its place.
    stand_in: Arc<Mutex<Option<UnboundedSender<Asked>>>>,
    door: Arc<Mutex<Option<AbortHandle>>>,
    /// Login, and what is said of it instead of the usual.
    said: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
}

impl Origin {
    /// Opens on a port that the system chooses, and serves as long as the runtime lives.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let origin = Self {
            address,
            taken: Arc::default(),
            hangs_up: Arc::default(),
            stand_in: Arc::default(),
            door: Arc::default(),
            said: Arc::default(),
        };
        let serving = origin.clone();
        let door = tokio::spawn(async move {
            // They end with the door.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serving.clone().attend(stream));
            }
        });
        *origin.door.lock().unwrap_or_else(PoisonError::into_inner) = Some(door.abort_handle());
        origin
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request but the gateway's own questions.
    pub(crate) fn requests(&self) -> Vec<Taken> {
        self.taken().iter().filter(|taken| taken.target() != WHO).cloned().collect()
    }

    /// Their targets.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.requests().iter().map(Taken::target).collect()
    }

    /// The gateway's own questions.
    pub(crate) fn questions(&self) -> Vec<Taken> {
        self.taken().iter().filter(|taken| taken.target() == WHO).cloned().collect()
    }

    /// Forgets what came so far.
    pub(crate) fn forgets(&self) {
        self.taken().clear();
    }

    /// Whether it closes every connection without a word.
    pub(crate) fn hangs_up(&self, does: bool) {
        self.hangs_up.store(does, Ordering::SeqCst);
    }

    /// Leaves the answer to each request but the gateway's own questions to the test, for as long as that keeps what this
    /// returns.
    pub(crate) fn hands_over(&self) -> UnboundedReceiver<Asked> {
        let (stand_in, asked) = unbounded_channel();
        *self.stand_in.lock().unwrap_or_else(PoisonError::into_inner) = Some(stand_in);
        asked
    }

    /// Closes every connection, and takes no more.
    pub(crate) fn goes_away(&self) {
        if let Some(door) = self.door.lock().unwrap_or_else(PoisonError::into_inner).take() {
            door.abort();
        }
    }

    /// Says this of that login from now on, on top of what it says of everybody.
    pub(crate) fn says(&self, login: &str, members: serde_json::Value) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push((login.to_owned(), members));
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand_in_for(&self, taken: &Taken) -> Option<UnboundedSender<Asked>> {
        let stand_in = self.stand_in.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stand_in.filter(|stand_in| taken.target() != WHO && !stand_in.is_closed())
    }

    async fn attend(self, mut stream: TcpStream) {
        let mut read = Vec::new();
        loop {
            while let Some((taken, length)) = request(&read) {
                read.drain(..length);
                self.taken().push(taken.clone());
                if let Some(stand_in) = self.stand_in_for(&taken) {
                    drop(stand_in.send((taken.target(), stream)));
                    return;
                }
                if self.hangs_up.load(Ordering::SeqCst) || stream.write_all(&self.answer(&taken)).await.is_err() {
                    return;
                }
            }
            if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        }
    }
}

impl Origin {
    fn answer(&self, taken: &Taken) -> Vec<u8> {
        let (status, kind, body) = match taken.target().as_str() {
            WHO => match login(taken) {
                Some(login) => ("200 OK", "application/json", self.document(&login)),
                None => ("401 Unauthorized", "application/json", "{}".to_owned()),
            },
            _ => ("200 OK", "text/html", format!("<!doctype html><h1>Inside Acme Insights</h1>{CANARY}")),
        };
        let length = body.len();
        let body = if taken.head.starts_with(b"HEAD ") { String::new() } else { body };
        let fields = format!("Content-Type: {kind}\r\nX-Dashboard: acme\r\nContent-Length: {length}");
        format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n{body}").into_bytes()
    }

    /// Alice administers acme, and zoe globex, where all are whose names begin with a z.
    fn document(&self, login: &str) -> String {
        let company = if login.starts_with('z') { "globex" } else { "acme" };
        let role = if ["alice", "zoe"].contains(&login) { "admin" } else { "member" };
        let mut document = json!({
            "id": format!("id-{login}"), "email": format!("{login}@{company}.example"), "name": format!("The {login}"),
            "role": role, "company": { "slug": company },
        });
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, members) in said.iter().filter(|(of, _)| of == login) {
            let more = members.as_object().expect("an object").clone();
            document.as_object_mut().expect("an object").extend(more);
        }
        document.to_string()
    }
}

/// The first request in these bytes, and how many it has; nothing while it is not there as a whole.
fn request(bytes: &[u8]) -> Option<(Taken, usize)> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let mut taken = Taken { head: bytes[..end].to_vec(), body: Vec::new() };
    let rest = &bytes[end..];
    let length = match (taken.value("transfer-encoding").as_str(), taken.value("content-length")) {
        ("", length) if length.is_empty() => 0,
        ("", length) => length.parse().expect("a length"),
        ("chunked", length) if length.is_empty() => chunks(rest)?,
        (coding, length) => panic!("two lengths: {coding:?} and {length:?}"),
    };
    taken.body = rest.get(..length)?.to_vec();
    Some((taken, end + length))
}

/// How long a body in chunks is, framing and all; nothing while it is not there as a whole.
fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..at + line]).expect("digits");
        let size = usize::from_str_radix(digits, 16).expect("a size and no extension");
        at += line + 2;
        if size == 0 {
            let end = bytes.get(at..at + 2)?;
            assert_eq!(end, b"\r\n", "no trailers");
            return Some(at + 2);
        }
        at += size + 2;
        bytes.get(..at)?;
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// Whose login the cookie `sid=LOGIN-NUMBER` is.
fn login(taken: &Taken) -> Option<String> {
    let lines = taken.values("cookie");
    let texts = lines.iter().map(|line| String::from_utf8_lossy(line).into_owned());
    let pairs: Vec<String> = texts.flat_map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>()).collect();
    let value = pairs.iter().find_map(|pair| pair.trim().strip_prefix("sid="))?;
    value.split_once('-').map(|(login, _)| login.to_owned())
}
