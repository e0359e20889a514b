//! A dashboard to stand behind the gateway: it remembers every request, and can be in any mood.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{CONNECTION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// A field that every answer of the dashboard has, and none of the gateway's.
pub(crate) const MARK: &str = "x-dashboard";

/// Where the gateway asks who has logged in.
const WHO: &str = "/api/me";

/// Somebody with a login at the dashboard.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) login: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) company: String,
}

/// How the dashboard feels about being asked who has logged in.
#[derive(Debug, Clone)]
pub(crate) enum Mood {
    /// It says so.
    Sound,
    /// It answers this instead: status, content type, text.
    Says(u16, &'static str, String),
    /// It sends whoever asks there.
    Redirects(&'static str),
    /// It closes the connection.
    HangsUp,
    /// It never answers.
    Hangs,
    /// It says so in ten megabytes.
    Floods,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    /// Every value of a field, in one line.
    pub(crate) fn field(&self, name: &str) -> String {
        let values = self.fields.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(" | ")
    }
}

#[derive(Clone)]
pub(crate) struct Dashboard {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Notified, it answers the requests for `/slow`, and those that it has done `?slowly`.
    pub(crate) go_on: Arc<Notify>,
}

struct State {
    people: Vec<Person>,
    /// Cookie value or token, and whose it is.
    logins: HashMap<String, String>,
    count: u32,
    mood: Mood,
    /// Whether whoever logs in keeps the session id that they came with, if they came with one.
    keeps_session_ids: bool,
    seen: Vec<Seen>,
    /// Streams never end by themselves.
    streams: Vec<mpsc::Sender<Bytes>>,
}

impl Dashboard {
    /// Opens on a port that the system chooses, and serves as long as the runtime lives.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let people = [
            ("alice", "Alice Ames", "admin", "acme"),
            ("bob", "Bob Brown", "member", "acme"),
            ("carol", "Carol Cole", "admin", "acme"),
            ("zoe", "Zoe Zimmer", "admin", "globex"),
            ("yann", "Yann Young", "member", "globex"),
        ];
        let state = State {
            people: people.map(|(login, name, role, company)| person(login, name, role, company)).into(),
            logins: HashMap::new(),
            count: 0,
            mood: Mood::Sound,
            keeps_session_ids: false,
            seen: Vec::new(),
            streams: Vec::new(),
        };
        let address = listener.local_addr().expect("a bound socket has an address");
        let dashboard = Self { address, state: Arc::new(Mutex::new(state)), go_on: Arc::default() };
        tokio::spawn(dashboard.clone().serve(listener));
        dashboard
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives somebody a login.
    pub(crate) fn hires(&self, login: &str, name: &str, company: &str) {
        self.state().people.push(person(login, name, "member", company));
    }

    /// Changes what the dashboard knows of somebody.
    pub(crate) fn changes(&self, login: &str, change: impl FnOnce(&mut Person)) {
        let mut state = self.state();
        change(state.people.iter_mut().find(|person| person.login == login).expect("one of the people"));
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// From now on, whoever logs in keeps the session id that they came with: no dashboard should do so, and many do.
    pub(crate) fn keeps_session_ids(&self) {
        self.state().keeps_session_ids = true;
    }

    /// A token that stands for somebody in `Authorization`.
    pub(crate) fn token_of(&self, login: &str) -> String {
        let mut state = self.state();
        let token = state.new_secret(login);
        state.logins.insert(token.clone(), login.to_owned());
        token
    }

    /// Ends every login behind the gateway's back.
    pub(crate) fn forgets_everybody(&self) {
        self.state().logins.clear();
    }

    /// Every request but the gateway's own questions.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state().seen.iter().filter(|seen| seen.target != WHO).cloned().collect()
    }

    /// The gateway's questions who has logged in.
    pub(crate) fn questions(&self) -> Vec<Seen> {
        self.state().seen.iter().filter(|seen| seen.target.starts_with(WHO)).cloned().collect()
    }

    pub(crate) fn last_request(&self) -> Seen {
        self.requests().pop().expect("a request came")
    }

    /// The targets of the requests that came since the last call.
    pub(crate) fn news(&self) -> Vec<String> {
        let mut state = self.state();
        let seen = std::mem::take(&mut state.seen);
        seen.into_iter().map(|seen| seen.target).filter(|target| target != WHO).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let dashboard = self.clone();
            let service = service_fn(move |request| {
                let dashboard = dashboard.clone();
                async move { dashboard.answer(request).await }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
            // What goes wrong with a connection concerns whoever is at the other end.
            tokio::spawn(async move { drop(connection.await) });
        }
    }

    /// An error closes the connection without an answer, as whatever is done `?unanswered` does.
    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Body>, &'static str> {
        let upgrade = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| "the request broke off")?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let target = head.uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
        let seen = Seen { method: head.method.to_string(), target, fields: head.headers, body };
        self.state().seen.push(seen.clone());
        let mut response = match (seen.method.as_str(), head.uri.path()) {
            (_, WHO) => self.says_who(&seen).await?,
            ("POST", "/login" | "/api/login") => self.log_in(&seen),
            ("GET" | "HEAD", "/login") => page(StatusCode::OK, "Log in at Acme Insights", ""),
            (_, "/logout") => self.log_out(&seen),
            (_, "/forbidden") => page(StatusCode::FORBIDDEN, "Forbidden", ""),
            (_, "/events") => self.stream("text/event-stream", "data: hello\n\n"),
            (_, "/watch") => self.stream("application/x-ndjson", "{\"hello\":true}\n"),
            (_, "/log") => tail(),
            (_, "/ws") => shake_hands(&seen, upgrade.ok_or("no handshake")?),
            (_, "/slow") => {
                self.go_on.notified().await;
                page(StatusCode::OK, "Inside Acme Insights", "at last")
            }
            _ => page(StatusCode::OK, "Inside Acme Insights", &seen.target),
        };
        if head.uri.query() == Some("slowly") {
            self.go_on.notified().await;
        }
        if head.uri.query() == Some("unanswered") {
            return Err("it is done");
        }
        if let Some(cookie) = head.uri.query().and_then(|query| query.strip_prefix("set-cookie=")) {
            response.headers_mut().append(SET_COOKIE, cookie.parse().expect("a cookie"));
        }
        response.headers_mut().insert(MARK, "acme".parse().expect("a value"));
        Ok(response)
    }

    async fn says_who(&self, seen: &Seen) -> Result<Response<Body>, &'static str> {
        let mood = self.state().mood.clone();
        match mood {
            Mood::Sound => Ok(self.state().who(seen)),
            Mood::Says(status, kind, text) => Ok(answer(StatusCode::from_u16(status).expect("a status"), kind, text)),
            Mood::Redirects(to) => Ok(redirect(to)),
            Mood::HangsUp => Err("in no mood"),
            Mood::Hangs => std::future::pending().await,
            Mood::Floods => {
                let spaces = " ".repeat(10 << 20);
                let who = self.state().person(seen).map_or(json!(null), document);
                Ok(answer(StatusCode::OK, "application/json", format!("{spaces}{who}")))
            }
        }
    }

    fn log_in(&self, seen: &Seen) -> Response<Body> {
        let field = |name: &str| {
            let found = form_urlencoded::parse(seen.body.as_bytes()).find(|(field, _)| field == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let (login, password) = (field("user"), field("password"));
        let mut state = self.state();
        let known = state.people.iter().any(|person| person.login == login);
        if !known || password != password_of(&login) {
            return page(StatusCode::UNAUTHORIZED, "Log in at Acme Insights", "wrong");
        }
        let next = field("next");
        if let (true, Some(kept)) = (state.keeps_session_ids, credentials(seen).pop()) {
            state.logins.insert(kept, login);
            return redirect(if next.is_empty() { "/" } else { &next });
        }
        let secret = state.new_secret(&login);
        state.logins.insert(secret.clone(), login);
        let mut response = redirect(if next.is_empty() { "/" } else { &next });
        let cookie = format!("sid={secret}; Path=/; HttpOnly");
        response.headers_mut().insert(SET_COOKIE, cookie.parse().expect("a cookie"));
        response
    }

    fn log_out(&self, seen: &Seen) -> Response<Body> {
        for credential in credentials(seen) {
            self.state().logins.remove(&credential);
        }
        let mut response = redirect("/login");
        response.headers_mut().insert(SET_COOKIE, "sid=; Path=/; Max-Age=0".parse().expect("a cookie"));
        response
    }

    /// Begins with that, says no more, and goes on.
    fn stream(&self, kind: &'static str, hello: &'static str) -> Response<Body> {
        let (sender, receiver) = mpsc::channel(4);
        sender.try_send(Bytes::from(hello)).expect("there is room");
        self.state().streams.push(sender);
        let mut response = Response::new(Body::Stream(receiver));
        response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("a value"));
        response
    }
}

impl State {
    fn new_secret(&mut self, login: &str) -> String {
        self.count += 1;
        format!("login-{}-of-{login}-5ecret", self.count)
    }

    fn person(&self, seen: &Seen) -> Option<&Person> {
        let login = credentials(seen).into_iter().find_map(|credential| self.logins.get(&credential))?;
        self.people.iter().find(|person| person.login == *login)
    }

    fn who(&self, seen: &Seen) -> Response<Body> {
        match self.person(seen) {
            Some(person) => answer(StatusCode::OK, "application/json", document(person).to_string()),
            None => answer(StatusCode::UNAUTHORIZED, "application/json", "{}".to_owned()),
        }
    }
}

fn person(login: &str, name: &str, role: &str, company: &str) -> Person {
    Person {
        login: login.to_owned(),
        id: format!("id-{login}"),
        name: name.to_owned(),
        email: format!("{login}@{company}.example"),
        role: role.to_owned(),
        company: company.to_owned(),
    }
}

/// What somebody logs in with.
pub(crate) fn password_of(login: &str) -> String {
    format!("{login}-correct-horse")
}

fn document(person: &Person) -> serde_json::Value {
    let Person { id, name, email, role, company, .. } = person;
    json!({ "id": id, "name": name, "email": email, "role": role, "company": { "slug": company } })
}

/// The cookie of a login, and a token.
fn credentials(seen: &Seen) -> Vec<String> {
    let lines = seen.fields.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().strip_prefix("sid="));
    let tokens = seen.fields.get_all("authorization").iter().filter_map(|line| line.to_str().ok());
    let tokens = tokens.filter_map(|line| line.strip_prefix("Bearer "));
    cookies.chain(tokens).map(str::to_owned).collect()
}

/// Lines of a log, one after the other, for as long as somebody reads them.
fn tail() -> Response<Body> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        while sender.send(Bytes::from("a line\n")).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let mut response = Response::new(Body::Stream(receiver));
    response.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().expect("a value"));
    response
}

fn shake_hands(seen: &Seen, upgrade: hyper::upgrade::OnUpgrade) -> Response<Body> {
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", seen.field("sec-websocket-key"));
    let accept = BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()).as_ref());
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        drop(tokio::io::copy(&mut read, &mut write).await);
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header(UPGRADE, "websocket").header(CONNECTION, "Upgrade");
    response.header("sec-websocket-accept", accept).body(Body::Whole(None)).expect("a response")
}

fn page(status: StatusCode, heading: &str, text: &str) -> Response<Body> {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    answer(status, "text/html; charset=utf-8", format!("<!doctype html><h1>{heading}</h1><p>{text}</p>"))
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain", String::new());
    response.headers_mut().insert(LOCATION, to.parse().expect("an address"));
    response
}

fn answer(status: StatusCode, kind: &str, text: String) -> Response<Body> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, kind);
    response.body(Body::Whole(Some(text.into()))).expect("a response")
}

/// A text, or a stream that goes on.
enum Body {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Stream(receiver) => receiver.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(text)))),
        }
    }
}
