//! The dashboard itself: what it answers to which request.
//!
//! It knows nothing of Vestibule, as real dashboards don't. What makes it one that Vestibule can stand in front of is
//! `/api/me`, which says who is logged in.

mod body;
mod pages;
mod people;
mod websocket;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cookie::Cookie;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use body::Body;
pub(crate) use people::PEOPLE;
use people::{Person, Sessions};

/// The cookie of the dashboard's own login.
const SESSION_COOKIE: &str = "dash_session";

/// No login form is longer than this many bytes.
const LONGEST_FORM: usize = 4096;

/// Serves the dashboard to whoever connects. Connections end when the future is dropped.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let sessions = Arc::new(Sessions::default());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let sessions = Arc::clone(&sessions);
        let service = service_fn(move |request| {
            let sessions = Arc::clone(&sessions);
            async move { Ok::<_, Infallible>(answer(request, &sessions).await) }
        });
        connections.spawn(async move {
            let io = TokioIo::new(stream);
            let http =
                hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service);
            // A client that goes away is none of the dashboard's business.
            let _ = http.with_upgrades().await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Every address of the dashboard.
async fn answer(request: Request<Incoming>, sessions: &Sessions) -> Response<Body> {
    let person = session_of(&request).and_then(|session| sessions.person(&session));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    match (&method, path.as_str()) {
        (&Method::GET | &Method::HEAD, "/login") => html(StatusCode::OK, pages::login(next_of(&request), None)),
        (&Method::POST, "/login") => log_in(request, sessions).await,
        (&Method::GET | &Method::POST, "/logout") => log_out(&request, sessions),
        (&Method::GET | &Method::HEAD, _) if path.starts_with("/static/") => asset(&path),
        (&Method::GET | &Method::HEAD, "/api/me") => me(person),
        _ => match person {
            Some(person) => answer_to(person, request, &path).await,
            None => ask_to_log_in(&request),
        },
    }
}

/// The addresses for people who are logged in.
async fn answer_to(person: &'static Person, request: Request<Incoming>, path: &str) -> Response<Body> {
    match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/") => html(StatusCode::OK, pages::overview(person, request.headers())),
        (&Method::GET | &Method::HEAD, "/reports") => {
            html(StatusCode::OK, pages::reports(person, request.uri().query()))
        }
        (&Method::GET, "/api/events") => events(),
        (&Method::GET, "/ws") => websocket::echo(request),
        (&Method::POST, "/upload") => count(request).await,
        _ => html(StatusCode::NOT_FOUND, pages::not_found()),
    }
}

fn session_of<B>(request: &Request<B>) -> Option<String> {
    let cookies = request.headers().get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = cookies.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == SESSION_COOKIE).map(|cookie| cookie.value().to_owned())
}

async fn log_in(request: Request<Incoming>, sessions: &Sessions) -> Response<Body> {
    let old = session_of(&request);
    let Ok(form) = Limited::new(request.into_body(), LONGEST_FORM).collect().await else {
        return html(StatusCode::BAD_REQUEST, pages::login(None, Some("That was no login form.")));
    };
    let form = form.to_bytes();
    let field = |name: &str| form_urlencoded::parse(&form).find(|(key, _)| key == name).map(|(_, value)| value);
    let next = field("next").filter(|next| is_own_path(next));
    let (user, password) = (field("user").unwrap_or_default(), field("password").unwrap_or_default());
    let Some(person) = people::with_password(&user, &password) else {
        return html(StatusCode::UNAUTHORIZED, pages::login(next, Some("Wrong user or password.")));
    };
    let session = sessions.open(person, old.as_deref());
    redirect(next.as_deref().unwrap_or("/"), Some(Cookie::build((SESSION_COOKIE, session))))
}

fn log_out<B>(request: &Request<B>, sessions: &Sessions) -> Response<Body> {
    if let Some(session) = session_of(request) {
        sessions.close(&session);
    }
    redirect("/login", Some(Cookie::build((SESSION_COOKIE, String::new())).removal()))
}

fn ask_to_log_in<B>(request: &Request<B>) -> Response<Body> {
    let accepts_html = request.headers().get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
    if accepts_html {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let next: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
        redirect(&format!("/login?next={next}"), None)
    } else {
        anonymous()
    }
}

fn next_of<B>(request: &Request<B>) -> Option<std::borrow::Cow<'_, str>> {
    let query = request.uri().query().unwrap_or_default();
    let next = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "next");
    next.map(|(_, next)| next).filter(|next| is_own_path(next))
}

/// Whether a browser that is sent there stays on this dashboard. Browsers read `//host` and `/\host` as another one.
fn is_own_path(target: &str) -> bool {
    target.starts_with('/')
        && !target[1..].starts_with(['/', '\\'])
        && target.bytes().all(|byte| byte.is_ascii_graphic())
}

fn me(person: Option<&Person>) -> Response<Body> {
    let Some(person) = person else { return anonymous() };
    json(
        StatusCode::OK,
        &json!({
            "id": person.id,
            "email": format!("{}@{}.example", person.login, person.company),
            "name": person.name,
            "role": person.role,
            "company": { "slug": person.company },
        }),
    )
}

fn anonymous() -> Response<Body> {
    json(StatusCode::UNAUTHORIZED, &json!({ "error": "nobody is logged in" }))
}

/// Server-sent events: one tick a second, until the client has enough.
fn events() -> Response<Body> {
    let (ticks, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        for tick in 0_u64.. {
            clock.tick().await;
            if ticks.send(Bytes::from(format!("id: {tick}\ndata: {{\"tick\":{tick}}}\n\n"))).await.is_err() {
                break;
            }
        }
    });
    with_type(StatusCode::OK, "text/event-stream", Body::Chunks(receiver))
}

/// Says how many bytes were sent, without keeping them.
async fn count(request: Request<Incoming>) -> Response<Body> {
    let mut body = request.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return json(StatusCode::BAD_REQUEST, &json!({ "error": "the body broke off" })) };
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    json(StatusCode::OK, &json!({ "bytes": bytes }))
}

fn asset(path: &str) -> Response<Body> {
    match pages::asset(path) {
        Some((content_type, text)) => with_type(StatusCode::OK, content_type, Body::from(text)),
        None => html(StatusCode::NOT_FOUND, pages::not_found()),
    }
}

fn html(status: StatusCode, page: String) -> Response<Body> {
    with_type(status, "text/html; charset=utf-8", Body::from(page))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    with_type(status, "application/json", Body::from(value.to_string()))
}

fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.header(CACHE_CONTROL, "no-store").body(body).expect("the parts are constants")
}

fn redirect(target: &str, cookie: Option<cookie::CookieBuilder<'_>>) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::SEE_OTHER).header(LOCATION, target);
    if let Some(cookie) = cookie {
        let cookie = cookie.path("/").http_only(true).same_site(cookie::SameSite::Lax);
        response = response.header(SET_COOKIE, cookie.to_string());
    }
    response.body(Body::default()).expect("targets are printable ASCII, and so is the cookie")
}
