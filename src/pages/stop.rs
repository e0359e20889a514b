//! What somebody gets who is stopped on the way to the dashboard: a redirect for people, a problem for programs.

use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::audience::Audience;
use crate::body::Body;
use crate::failure::Failure;
use crate::message::Response;
use crate::respond;
use crate::visit::{Visit, Visitor};

/// Sends somebody to log in at the dashboard.
pub fn log_in(visit: &Visit<'_>) -> Result<Response<Body>, Failure> {
    match (Audience::of(&visit.head.method, &visit.head.headers), &visit.dashboard.site.login) {
        (Audience::Person, Some(login)) => {
            let destination = visit.destination();
            // Browsers read `//host` as an address elsewhere, and the dashboard may hand it on to them as it is.
            let next = if destination.starts_with("//") { "/" } else { &destination };
            Ok(respond::see_other(&login.replace("{next}", &in_query(next))))
        }
        (Audience::Person, None) => Err(Failure::LoginNeeded),
        (Audience::Program, _) => Ok(login_required()),
    }
}

/// Tells a program that nobody is logged in.
pub fn login_required() -> Response<Body> {
    let detail = "Nobody is logged in at the dashboard with these credentials.";
    respond::problem(StatusCode::UNAUTHORIZED, "login_required", "Login required", detail).respond()
}

/// Asks for a code.
pub async fn challenge(visit: &Visit<'_>, visitor: &Visitor) -> Result<Response<Body>, Failure> {
    let stop = Stop {
        page: "verify",
        reason: "second_factor_required",
        title: "Second factor required",
        detail: "Open verify_url in a browser that holds this answer's cookie, and give a code of the authenticator app.",
    };
    stop.respond(visit, visitor).await
}

/// Has an authenticator enrolled.
pub async fn enroll(visit: &Visit<'_>, visitor: &Visitor) -> Result<Response<Body>, Failure> {
    let stop = Stop {
        page: "enroll",
        reason: "enrollment_required",
        title: "Enrollment required",
        detail: "Open verify_url in a browser that holds this answer's cookie, and set up an authenticator app.",
    };
    stop.respond(visit, visitor).await
}

struct Stop {
    page: &'static str,
    reason: &'static str,
    title: &'static str,
    detail: &'static str,
}

impl Stop {
    async fn respond(self, visit: &Visit<'_>, visitor: &Visitor) -> Result<Response<Body>, Failure> {
        let waiting = visit.wait(visitor).await?;
        let page = format!("{}/{}", visit.dashboard.site.prefix, self.page);
        let mut response = match Audience::of(&visit.head.method, &visit.head.headers) {
            Audience::Person => respond::see_other(&with_next(&page, &visit.destination())),
            Audience::Program => respond::problem(StatusCode::UNAUTHORIZED, self.reason, self.title, self.detail)
                .verify_url(page)
                .respond(),
        };
        respond::set_cookie(&mut response, waiting.cookie);
        Ok(response)
    }
}

/// The address of one of our pages that leads on to `next`.
pub fn with_next(page: &str, next: &str) -> String {
    if next == "/" { page.to_owned() } else { format!("{page}?next={}", in_query(next)) }
}

/// What must be escaped in the value of a query parameter: what ends it, what `form-urlencoded` reads otherwise, and
/// what may not stand in an address.
const IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'=')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b';');

fn in_query(target: &str) -> String {
    utf8_percent_encode(target, IN_QUERY).to_string()
}
