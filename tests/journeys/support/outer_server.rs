//! A server in front that sends requests to the dashboard itself, once the gateway gives it leave: as nginx does, or as
//! Traefik, Caddy and HAProxy do.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::http::{Answer, Request, find};

/// How that server asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "a test program has one of them, or none")]
pub(crate) enum Manner {
    Nginx,
    Traefik,
}

impl Manner {
    /// Of the one that asks so.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
        }
    }
}

/// The fields of an answer that take the place of the client's.
const TAKEN_OVER: [&str; 6] = [
    "x-vestibule-user",
    "x-vestibule-organization",
    "x-vestibule-factor",
    "x-vestibule-verified-at",
    "cookie",
    "authorization",
];

/// One server in front, as its operator sets it up.
pub(super) struct OuterServer {
    pub(super) manner: Manner,
    /// Where it asks.
    pub(super) gateway: SocketAddr,
    /// Where it sends requests on.
    pub(super) dashboard: SocketAddr,
    /// Of the addresses that are the gateway's own.
    pub(super) prefix: String,
}

impl OuterServer {
    /// Opens it on a port that the system chooses; it serves as long as the runtime lives.
    pub(super) async fn open(self) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = Arc::new(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&server).attend(stream));
            }
        });
        address
    }

    /// Answers the one request of a connection.
    async fn attend(self: Arc<Self>, mut client: TcpStream) {
        let Some((head, rest)) = Head::read(&mut client).await else { return };
        let way = if head.is_below(&self.prefix) {
            Ok((self.gateway, head.with_where_from()))
        } else {
            self.ask(&head).await.map(|leave| (self.dashboard, head.with_leave(&leave)))
        };
        match way {
            Ok((to, head)) => {
                let mut server = TcpStream::connect(to).await.expect("the server behind listens");
                // An end is an end, orderly or not.
                let _ = server.write_all(&[&head.bytes(), &rest[..]].concat()).await;
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
            Err(refusal) => {
                let _ = client.write_all(&refusal).await;
                let _ = client.shutdown().await;
            }
        }
    }

    /// The gateway's leave, or what the client gets instead.
    async fn ask(&self, head: &Head) -> Result<Answer, Vec<u8>> {
        let (answer, bytes) = self.question(head, "").send_raw(self.gateway).await;
        match (self.manner, answer.status) {
            (_, 200) => Ok(answer),
            (Manner::Traefik, _) => Err(bytes),
            (Manner::Nginx, status) => {
                assert_eq!((status, answer.text().as_str()), (401, ""), "all else would be an error to nginx");
                assert!(answer.cookies().next().is_none(), "a cookie that nobody gets");
                let (answer, bytes) = self.question(head, "/answer").send_raw(self.gateway).await;
                assert!(!(200..300).contains(&answer.status), "an answer is never a page of the dashboard");
                Err(bytes)
            }
        }
    }

    fn question(&self, head: &Head, more: &str) -> Request {
        let (name, [method, target]) = match self.manner {
            Manner::Nginx => ("nginx", ["X-Original-Method", "X-Original-URI"]),
            Manner::Traefik => ("traefik", ["X-Forwarded-Method", "X-Forwarded-Uri"]),
        };
        let own = ["connection", "upgrade", "content-length", "expect", "host"];
        let with_where_from = head.with_where_from();
        let fields = with_where_from.fields.iter().filter(|(name, _)| !own.contains(&&*name.to_ascii_lowercase()));
        let question = Request::new("GET", &format!("{}/auth/{name}{more}", self.prefix));
        let question = fields.fold(question, |question, (name, value)| question.with(name, value));
        let host = match self.manner {
            Manner::Nginx => head.field("host").to_owned(),
            Manner::Traefik => self.gateway.to_string(),
        };
        question.with("Host", host).with(method, &head.method).with(target, &head.target)
    }
}

#[derive(Clone)]
struct Head {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The head of a request, and what came after it; nothing if none comes.
    async fn read(client: &mut TcpStream) -> Option<(Self, Vec<u8>)> {
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = find(&read, b"\r\n\r\n") {
                break end;
            }
            if client.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let text = String::from_utf8(read[..end].to_vec()).ok()?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Some((Self { method, target, fields: lines.filter_map(field).collect() }, read.split_off(end + 4)))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
    }

    fn is_below(&self, prefix: &str) -> bool {
        self.target.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    /// With what this server says of the client. It ends TLS for those who say so.
    fn with_where_from(&self) -> Self {
        let mut head = self.clone();
        head.set("X-Forwarded-For", "127.0.0.1");
        head.set("X-Forwarded-Host", self.field("host"));
        if self.field("x-forwarded-proto").is_empty() {
            head.set("X-Forwarded-Proto", "http");
        }
        head
    }

    /// With what the gateway says instead of the client.
    fn with_leave(&self, leave: &Answer) -> Self {
        let mut head = self.with_where_from();
        for name in TAKEN_OVER {
            let said = leave.field(name);
            assert!(said.is_some() || name == "authorization", "{name} is there each time");
            if let Some(said) = said {
                head.set(name, said);
            }
        }
        head
    }
}
