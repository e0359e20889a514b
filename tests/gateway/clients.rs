//! Clients over TLS who ask without a pause, and put up with nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{ask, handshake, soon};

/// Where clients come in, and what they believe there.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) address: SocketAddr,
    pub(super) connector: TlsConnector,
}

impl Entrance {
    pub(super) async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = soon(TcpStream::connect(self.address)).await.expect("the gateway listens");
        handshake(&self.connector, "a.example", stream).await.expect("a handshake")
    }

    /// A connection in HTTP/2.
    pub(super) async fn http2(&self) -> SendRequest<Bytes> {
        let mut config = (**self.connector.config()).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = Self { connector: TlsConnector::from(Arc::new(config)), ..self.clone() }.connect().await;
        let (client, connection) = soon(h2::client::handshake(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        client
    }

    /// What somebody is answered who comes for this alone.
    pub(super) async fn ask(&self, target: &str) -> String {
        let (status, body) = ask(&mut self.connect().await, target).await.expect("an answer");
        assert_eq!(status, 200, "{target}");
        body
    }
}

/// The answer to a request in HTTP/2: status and body.
pub(super) async fn ask_http2(client: &mut SendRequest<Bytes>, target: &str) -> Result<(u16, String), h2::Error> {
    let request = Request::get(format!("https://a.example{target}")).header("cookie", "session=1");
    let request = request.body(()).expect("a request");
    let (answer, _) = client.send_request(request, true)?;
    let (head, mut body) = soon(answer).await?.into_parts();
    let mut read = Vec::new();
    while let Some(piece) = soon(body.data()).await {
        read.extend_from_slice(&piece?);
    }
    Ok((head.status.as_u16(), String::from_utf8(read).expect("text")))
}

/// What may become of a connection between two requests on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connections {
    /// It stays.
    Stay,
    /// The gateway may end it, since it stops; who asks at that moment asks again on another, as HTTP has it.
    End,
}

/// What is asked for, in turn: what is open, and what needs an identity.
const TARGETS: [&str; 2] = ["/open/x", "/protected"];

/// Some in HTTP/1.1 on a connection that they keep, some in HTTP/2, and some on a new connection each time.
pub(super) struct Clients {
    at_it: JoinSet<()>,
    /// How often those of each kind were answered.
    answered: [Arc<Semaphore>; 3],
    is_over: Arc<AtomicBool>,
}

impl Clients {
    pub(super) fn come(entrance: &Entrance, connections: Connections) -> Self {
        let answered = [(); 3].map(|()| Arc::new(Semaphore::new(0)));
        let mut clients = Self { at_it: JoinSet::new(), answered, is_over: Arc::default() };
        for _ in 0..2 {
            let [kept, http2, new] = clients.answered.clone().map(|answered| Client {
                entrance: entrance.clone(),
                connections,
                answered,
                is_over: Arc::clone(&clients.is_over),
            });
            clients.at_it.spawn(async move { kept.keeps_on().await });
            clients.at_it.spawn(async move { http2.keeps_on_in_http2().await });
            clients.at_it.spawn(async move { new.comes_again_and_again().await });
        }
        clients
    }

    /// Waits until those of each kind were answered so often from now on.
    pub(super) async fn go_on(&mut self, more: u32) {
        for answered in &self.answered {
            answered.forget_permits(usize::MAX);
        }
        for answered in self.answered.clone() {
            let enough = async {
                tokio::select! {
                    permits = answered.acquire_many(more) => permits.expect("never closed").forget(),
                    ended = self.at_it.join_next() => panic!("one of them has ended: {ended:?}"),
                }
            };
            soon(enough).await;
        }
    }

    /// Lets them go, all content.
    pub(super) async fn go(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = soon(self.at_it.join_next()).await {
            ended.expect("each request was answered as it should be");
        }
    }
}

struct Client {
    entrance: Entrance,
    connections: Connections,
    answered: Arc<Semaphore>,
    is_over: Arc<AtomicBool>,
}

impl Client {
    async fn keeps_on(&self) {
        let mut stream = self.entrance.connect().await;
        let mut asked = 0;
        for target in self.targets() {
            let mut answer = ask(&mut stream, target).await;
            if self.connections == Connections::End && asked > 0 && answer.as_ref().is_err_and(came_to_nothing) {
                stream = self.entrance.connect().await;
                (answer, asked) = (ask(&mut stream, target).await, 0);
            }
            self.is_content(answer.expect("an answer"));
            asked += 1;
        }
    }

    /// Two requests at a time.
    async fn keeps_on_in_http2(&self) {
        let mut client = self.entrance.http2().await;
        for target in self.targets() {
            let mut beside = client.clone();
            let answers = tokio::join!(ask_http2(&mut client, target), ask_http2(&mut beside, target));
            for mut answer in <[_; 2]>::from(answers) {
                if self.connections == Connections::End && answer.as_ref().is_err_and(was_not_begun) {
                    client = self.entrance.http2().await;
                    answer = ask_http2(&mut client, target).await;
                }
                self.is_content(answer.expect("an answer"));
            }
        }
    }

    async fn comes_again_and_again(&self) {
        for target in self.targets() {
            self.is_content(ask(&mut self.entrance.connect().await, target).await.expect("an answer"));
        }
    }

    fn targets(&self) -> impl Iterator<Item = &'static str> {
        TARGETS.into_iter().cycle().take_while(|_| !self.is_over.load(Ordering::Relaxed))
    }

    fn is_content(&self, (status, body): (u16, String)) {
        assert!(status == 200 && ["first", "second"].contains(&&*body), "{status} {body:?}");
        self.answered.add_permits(1);
    }
}

/// The connection ended before anything of an answer came.
fn came_to_nothing(error: &std::io::Error) -> bool {
    error.kind() != std::io::ErrorKind::Other
}

/// The gateway has said so (RFC 9113, section 6.8).
fn was_not_begun(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
}
