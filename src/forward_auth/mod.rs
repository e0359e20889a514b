//! Forward-auth: an outer server asks for leave before it sends a request on itself. One file for each such server.
//!
//! Here is found out what is asked, and said how the answer has to look. The question then is the original request, and
//! goes the journey of every request ([`gateway`](crate::gateway)): there is no other decision for it.

mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod original;
mod traefik;

use http::header::CONNECTION;
use http::{HeaderName, StatusCode};

use crate::body::Body;
use crate::config::OuterServer;
use crate::message::{Fields, Response};
pub use original::{Denied, Original};

/// The part of an address below a site's prefix where outer servers ask.
const ENDPOINT: &str = "/auth/";

/// How one outer server passes the original request, and what it makes of an answer.
struct Adapter {
    /// Its name is the part of the address by which it asks.
    server: OuterServer,
    method: Source,
    /// Path and query, as the client sent them.
    target: Source,
    host: Source,
    /// What it adds beside to a question, or replaces in it, that nobody else may: names, or beginnings that end in a dash.
    adds: &'static [&'static str],
    refusal: Refusal,
}

/// Where a part of the original request stands.
enum Source {
    /// In this field, which is there exactly once.
    Field(HeaderName),
    /// Where it stands in every request; of the target, what follows the address of the endpoint.
    Question,
}

/// What an outer server does when it gets no leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It hands the whole answer to the client.
    PassedOn,
    /// It looks at the status alone, and asks a second time for the answer that the client gets.
    AskedFor,
}

static ADAPTERS: [&Adapter; 5] =
    [&nginx::ADAPTER, &traefik::ADAPTER, &caddy::ADAPTER, &haproxy::ADAPTER, &envoy::ADAPTER];

/// What an outer server wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether it may send the request on.
    Leave,
    /// What to tell the client, whose request may not be sent on.
    Answer,
}

/// A question of an outer server, of which only the address is known.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    adapter: &'static Adapter,
    question: Question,
    /// Of the site's own pages, in the address by which it asks.
    prefix: &'a str,
}

impl<'a> Asked<'a> {
    /// The question that a request with this path is, if it is one that the operator wants to have answered: `servers` are
    /// those who may ask. `prefixes` are those of all sites: which site the original request is for is not known yet.
    pub fn by(path: &str, prefixes: &'a [String], servers: &[OuterServer]) -> Option<Self> {
        prefixes.iter().find_map(|prefix| {
            let name = path.strip_prefix(prefix.as_str())?.strip_prefix(ENDPOINT)?;
            let adapter = ADAPTERS.into_iter().find(|adapter| name.starts_with(adapter.server.name()))?;
            let question = adapter.question(&name[adapter.server.name().len()..])?;
            if !servers.contains(&adapter.server) {
                return None;
            }
            Some(Self { adapter, question, prefix })
        })
    }

    /// The answer to this question in place of one for a client that does not pass, and never a leave. A connection that
    /// was to end ends.
    pub fn refuse(&self, answer: Response<Body>) -> Response<Body> {
        if !self.is_silent() {
            return answer;
        }
        let mut refusal = refusal();
        if let Some(connection) = answer.headers().get(CONNECTION) {
            refusal.headers_mut().insert(CONNECTION, connection);
        }
        refusal
    }

    /// Whether a refusal is all that is said to it: the client's answer is asked for by another question.
    const fn is_silent(&self) -> bool {
        matches!((self.adapter.refusal, self.question), (Refusal::AskedFor, Question::Leave))
    }

    /// What the target of the question begins with.
    fn address(&self) -> [&str; 3] {
        [self.prefix, ENDPOINT, self.adapter.server.name()]
    }
}

impl Adapter {
    /// What is asked at that rest of the address.
    fn question(&self, rest: &str) -> Option<Question> {
        match (rest, self.refusal, &self.target) {
            ("/answer", Refusal::AskedFor, _) => Some(Question::Answer),
            // Where a target follows, whatever does: no answer of the dashboard may ever be taken for leave.
            ("", ..) | (_, _, Source::Question) => Some(Question::Leave),
            _ => None,
        }
    }
}

/// Leave to send the request on, with these fields: exactly 200, without a body.
pub fn leave(fields: Fields) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = fields;
    response
}

/// No leave, and nothing about it.
pub fn refusal() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

#[cfg(test)]
mod tests;
