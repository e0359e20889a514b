//! Asking the dashboard who has logged in, with the request's own credentials.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST};
use http::{HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::answer::{Answer, Asked, LONGEST, Reader, Said, Unusable};
use super::cache::Answers;
pub use super::cache::LastAnswer;
use super::client::{Client, FORWARDED_HOST};
use super::complaint::Complaint;
use super::credentials::{Carries, Credentials, carried_fields, carried_query};
use super::{Identity, Unknown, Verdict};
use crate::body::Body;
use crate::clock::Clock;
use crate::config::{self, Site};
use crate::message::{Fields, Request, RequestHead, Value};
use crate::second_factor::Timestamp;
use crate::upstream::{Pool, UpstreamError};
use crate::via::{self, Loop};

/// How recent an answer has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As recent as the operator says.
    Cached,
    /// For this very request: the dashboard is asked, or a token checked anew, with keys as recent as can be.
    Fresh,
}

/// Who has logged in at one site, as its dashboard says. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Prober {
    asker: Arc<Asker>,
    answers: Arc<Answers>,
}

#[derive(Debug)]
struct Asker {
    site: Arc<Site>,
    probe: config::Probe,
    reader: Reader,
    complaint: Complaint,
}

impl Prober {
    /// For this site, with nothing known yet.
    ///
    /// # Panics
    /// If a CSS selector of the site does not parse; a checked configuration has none of these.
    pub(super) fn new(site: Arc<Site>, probe: config::Probe, clock: Clock) -> Self {
        let complaint = Complaint::new(&site.name, clock.clone());
        let answers = Arc::new(Answers::new(probe.cache, clock));
        let reader = Reader::new(&site.identity);
        Self { asker: Arc::new(Asker { site, probe, reader, complaint }), answers }
    }

    /// What the dashboard says of whoever sent this request.
    ///
    /// It is asked with the request's own credentials, byte for byte, at most as long as the site's `timeout`. Answers
    /// are used for requests with exactly these, and only positive ones after they came. A request without credentials
    /// is settled without asking. The log is told, now and then, of answers that can't be used.
    ///
    /// `credentials` and `client` are those of `head`.
    pub async fn identify(
        &self,
        credentials: &Credentials,
        head: &RequestHead,
        client: &Client,
        pool: &Pool,
        freshness: Freshness,
    ) -> Verdict {
        if let Some(verdict) = without_asking(credentials) {
            return verdict;
        }
        let ask = || {
            let question = Question::new(&self.asker, head, client);
            let (asker, pool) = (Arc::clone(&self.asker), pool.clone());
            // Boxed: most requests don't ask, and would carry the room for it along.
            Box::pin(async move { asker.ask(question, &pool).await })
        };
        match freshness {
            Freshness::Cached => self.answers.get(credentials.key(), ask).await,
            Freshness::Fresh => self.answers.ask_anew(credentials.key(), ask).await,
        }
    }

    /// Who it is, if the answer is at hand at this moment; not searched for where it is the last one.
    pub fn cached<'a>(
        &self,
        credentials: &Credentials,
        last: &'a mut LastAnswer,
        now: Timestamp,
    ) -> Option<&'a Arc<Identity>> {
        match credentials.carries() {
            Carries::Carried => self.answers.kept_still(credentials.key(), last, now),
            Carries::Nothing | Carries::NotCarried => None,
        }
    }

    /// What the dashboard said, and is being asked.
    pub(super) const fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }
}

fn without_asking(credentials: &Credentials) -> Option<Verdict> {
    match credentials.carries() {
        Carries::Carried => None,
        Carries::Nothing => Some(Verdict::Anonymous),
        Carries::NotCarried => Some(Verdict::NotCarried),
    }
}

/// The request that asks, and what its answer is read by.
struct Question {
    request: Result<Request<Body>, Failure>,
    path: String,
    hosts: [String; 2],
}

/// Why there is no verdict; for the log.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the question can't be put")]
    Question(#[source] http::Error),
    #[error("the question came by several times already")]
    Loop(#[source] Loop),
    #[error("the dashboard can't be asked")]
    Upstream(#[source] UpstreamError),
    #[error("the dashboard broke off its answer")]
    Broken(StatusCode, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the dashboard's answer can't be used")]
    Unusable(StatusCode, #[source] Unusable),
    #[error("reading the dashboard's answer failed")]
    Reading(#[source] tokio::task::JoinError),
    #[error("the dashboard did not answer in time")]
    TimedOut,
}

/// What came back, whole.
struct Reply {
    status: StatusCode,
    headers: Fields,
    body: Bytes,
}

impl Question {
    fn new(asker: &Asker, head: &RequestHead, client: &Client) -> Self {
        let host = own_host(head);
        let mut headers = headers(asker, head, client, &host);
        let counted = via::go_on(&mut headers, &head.headers).map_err(Failure::Loop);
        let names = [headers.get(HOST), headers.get(FORWARDED_HOST)];
        let hosts = names.map(|name| name.and_then(Value::to_str).unwrap_or_default().to_owned());
        let target = counted.and_then(|()| target(asker, head).map_err(Failure::Question));
        let request = target
            .map(|uri| Request::from_parts(RequestHead { uri, headers, ..RequestHead::default() }, Body::empty()));
        let path = asker.probe.url.split('?').next().unwrap_or_default().to_owned();
        Self { request, path, hosts }
    }
}

fn own_host(head: &RequestHead) -> HeaderValue {
    let named = head.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    head.headers.get(HOST).map(Value::to_owned).or(named).unwrap_or_else(|| HeaderValue::from_static(""))
}

fn headers(asker: &Asker, head: &RequestHead, client: &Client, host: &HeaderValue) -> Fields {
    let mut headers = Fields::new();
    headers.insert(HOST, host);
    for (name, value) in carried_fields(&asker.site, head, client).filter(|(name, _)| &**name != "host") {
        headers.append(name, value);
    }
    client.forward(&mut headers);
    if let Some(host) = &asker.site.upstream.host {
        headers.insert(HOST, host);
    }
    let accepted = if asker.reader.reads_html() { "text/html" } else { "application/json" };
    headers.insert(ACCEPT, HeaderValue::from_static(accepted));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

fn target(asker: &Asker, head: &RequestHead) -> Result<Uri, http::Error> {
    let mut target = asker.probe.url.clone();
    for part in carried_query(&asker.site, head) {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(part);
    }
    Ok(Uri::try_from(target)?)
}

impl Asker {
    async fn ask(self: Arc<Self>, question: Question, pool: &Pool) -> Verdict {
        let exchange = Arc::clone(&self).exchange(question, pool);
        let outcome = tokio::time::timeout(self.probe.timeout, exchange).await;
        match outcome.unwrap_or(Err(Failure::TimedOut)) {
            Ok(Said::Identified(identity)) => Verdict::Identified(Arc::new(identity)),
            Ok(Said::Anonymous) => Verdict::Anonymous,
            Err(failure) => {
                self.complaint.make_of_answer(failure.status(), &failure);
                Verdict::Unknown(failure.unknown())
            }
        }
    }

    async fn exchange(self: Arc<Self>, question: Question, pool: &Pool) -> Result<Said, Failure> {
        let request = question.request?;
        let (head, body) = pool.ask(request).await.map_err(Failure::Upstream)?.into_parts();
        let body =
            Limited::new(body, LONGEST).collect().await.map_err(|error| too_long_or_broken(head.status, error))?;
        let reply = Reply { status: head.status, headers: head.headers, body: body.to_bytes() };
        self.read(question.path, question.hosts, reply).await
    }

    async fn read(self: Arc<Self>, path: String, hosts: [String; 2], reply: Reply) -> Result<Said, Failure> {
        let is_page = self.reader.reads_html();
        let read = move || {
            let Reply { status, headers, body } = reply;
            let asked = Asked { path: &path, hosts: [&hosts[0], &hosts[1]] };
            let answer = Answer { status, headers: &headers, body: &body };
            self.reader.read(asked, answer).map_err(|reason| Failure::Unusable(status, reason))
        };
        // A page takes milliseconds to parse: too long for a thread that answers requests.
        if is_page { tokio::task::spawn_blocking(read).await.map_err(Failure::Reading)? } else { read() }
    }
}

fn too_long_or_broken(status: StatusCode, error: Box<dyn std::error::Error + Send + Sync>) -> Failure {
    if error.is::<LengthLimitError>() {
        Failure::Unusable(status, Unusable::TooLong)
    } else {
        Failure::Broken(status, error)
    }
}

impl Failure {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Broken(status, _) | Self::Unusable(status, _) => Some(status.as_u16()),
            Self::Question(_) | Self::Loop(_) | Self::Upstream(_) | Self::Reading(_) | Self::TimedOut => None,
        }
    }

    const fn unknown(&self) -> Unknown {
        match self {
            Self::TimedOut | Self::Upstream(UpstreamError::TimedOut { .. }) => Unknown::TimedOut,
            Self::Loop(_) | Self::Upstream(_) | Self::Broken(..) => Unknown::Unreachable,
            Self::Question(_) | Self::Unusable(..) | Self::Reading(_) => Unknown::Unusable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Credential, Probe, Source, Value};
    use crate::identity::client::{Peer, Scheme};
    use crate::site::sample;

    fn asker(site: Site) -> Arc<Asker> {
        prober(site).asker
    }

    fn prober(site: Site) -> Prober {
        let Source::Probe(probe) = site.identity.source.clone() else { panic!("the dashboard is asked") };
        Prober::new(Arc::new(site), probe, Clock::system())
    }

    fn client(trusted: bool) -> Client {
        let address = "192.0.2.9".parse().expect("an address");
        Client { address: Some(address), scheme: Scheme::Https, peer: Peer::Tcp(address), trusted, outer_login: false }
    }

    fn head(target: &str, fields: &[(&str, &str)]) -> RequestHead {
        let mut request = http::Request::builder().method("POST").uri(target);
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a field value"));
        }
        request.body(()).expect("a request").into_parts().0.into()
    }

    /// The head of the question, a line for each field.
    fn asked(site: Site, head: &RequestHead, trusted: bool) -> Vec<String> {
        let request = Question::new(&asker(site), head, &client(trusted)).request.expect("a question");
        let mut lines = vec![format!("{} {}", request.method(), request.uri())];
        lines.extend(
            request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))),
        );
        lines[1..].sort();
        lines
    }

    const BROWSER: [(&str, &str); 10] = [
        ("host", "Insights.example:8443"),
        ("cookie", "sid=1;  sid=\"2\"; b=\u{e9}"),
        ("cookie", "c=3"),
        ("authorization", "Bearer x"),
        ("user-agent", "Firefox"),
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-host", "outer.example"),
        ("content-length", "12"),
        ("if-none-match", "x"),
        ("accept", "image/png"),
    ];

    #[test]
    fn the_dashboard_is_asked_as_the_request_would_ask_it() {
        let expected = [
            "GET /api/me",
            "accept-encoding: identity",
            "accept: application/json",
            "authorization: Bearer x",
            "cookie: c=3",
            "cookie: sid=1;  sid=\"2\"; b=\u{e9}",
            "host: Insights.example:8443",
            "user-agent: Firefox",
            "via: 1.1 vestibule",
            "x-forwarded-for: 192.0.2.9",
            "x-forwarded-host: Insights.example:8443",
            "x-forwarded-proto: https",
        ];
        assert_eq!(asked(sample::site(), &head("/reports?sid=1", &BROWSER), false), expected);
    }

    #[test]
    fn a_trusted_peers_word_is_passed_on_and_the_dashboards_own_host_is_used() {
        let mut site = sample::site();
        site.upstream.host = Some(HeaderValue::from_static("internal.example"));
        site.identity.user = Value::Css { selector: "#user".into(), attribute: None };
        let expected = [
            "GET /api/me",
            "accept-encoding: identity",
            "accept: text/html",
            "authorization: Bearer x",
            "cookie: c=3",
            "cookie: sid=1;  sid=\"2\"; b=\u{e9}",
            "host: internal.example",
            "user-agent: Firefox",
            "via: 1.1 vestibule",
            "x-forwarded-for: 198.51.100.1, 192.0.2.9",
            "x-forwarded-host: outer.example",
            "x-forwarded-proto: https",
        ];
        assert_eq!(asked(site, &head("/", &BROWSER), true), expected);
    }

    #[test]
    fn credentials_in_the_query_follow_the_questions_own() {
        let rows = [
            ("/api/me", "/x?a=1&t=%20x&t=y", "/api/me?t=%20x&t=y"),
            ("/api/me?fields=*", "/x?t=x", "/api/me?fields=*&t=x"),
            ("/api/me?", "/x?t=x", "/api/me?&t=x"),
            ("/api/me?fields=*", "/x?a=1", "/api/me?fields=*"),
        ];
        for (url, target, expected) in rows {
            let source = Source::Probe(Probe { url: url.into(), ..sample::probe() });
            let identity = config::Identity { source, ..sample::identity() };
            let site = Site { credentials: vec![Credential::Query("t".into())], identity, ..sample::site() };
            assert_eq!(asked(site, &head(target, &[]), false)[0], format!("GET {expected}"), "{url} for {target}");
        }
    }

    #[test]
    fn a_request_without_credentials_is_settled_without_asking() {
        let settled = |credential, fields: &[(&str, &str)]| {
            let site = Site { credentials: vec![credential], ..sample::site() };
            let credentials = Credentials::of(&site, &head("/", fields), &client(false), "insights.example");
            let prober = prober(site);
            assert_eq!(prober.cached(&credentials, &mut LastAnswer::default(), Timestamp::from_millis(0)), None);
            without_asking(&credentials)
        };
        assert!(matches!(settled(Credential::Cookie, &[]), Some(Verdict::Anonymous)));
        assert!(settled(Credential::Cookie, &[("cookie", "a=1")]).is_none());
        let field = || Credential::Header(http::header::AUTHORIZATION);
        assert!(matches!(settled(field(), &[("cookie", "a=1")]), Some(Verdict::NotCarried)));
        assert!(settled(field(), &[("authorization", "x")]).is_none());
    }

    #[tokio::test]
    async fn json_and_pages_are_read_alike() {
        let page = Value::Css { selector: "#user".into(), attribute: None };
        let page = config::Identity { user: page, organization: Value::Fixed("acme".into()), ..sample::identity() };
        let page = config::Identity { email: None, name: None, ..page };
        let rows = [
            (sample::identity(), r#"{"id":7,"company":{"slug":"acme"}}"#, "7"),
            (page.clone(), "<p id=user>alice</p>", "alice"),
            (page, "<p>nobody</p>", "Unusable"),
            (sample::identity(), "<p id=user>alice</p>", "Unusable"),
        ];
        for (identity, body, expected) in rows {
            let asker = asker(Site { identity, ..sample::site() });
            let question = Question::new(&asker, &head("/", &BROWSER), &client(false));
            let reply = Reply { status: StatusCode::OK, headers: Fields::new(), body: Bytes::from(body) };
            let said = match asker.read(question.path, question.hosts, reply).await {
                Ok(Said::Identified(identity)) => identity.user,
                Ok(Said::Anonymous) => "anonymous".into(),
                Err(failure) => format!("{:?}", failure.unknown()),
            };
            assert_eq!(said, expected, "{body}");
        }
    }

    #[test]
    fn what_is_unknown_is_told_by_its_cause() {
        let refused = || UpstreamError::Unreachable(std::io::ErrorKind::ConnectionRefused.into());
        let rows = [
            (Failure::TimedOut, Unknown::TimedOut, None),
            (Failure::Upstream(UpstreamError::TimedOut { what: "answer" }), Unknown::TimedOut, None),
            (Failure::Upstream(refused()), Unknown::Unreachable, None),
            (too_long_or_broken(StatusCode::OK, "cut".into()), Unknown::Unreachable, Some(200)),
            (Failure::Unusable(StatusCode::BAD_GATEWAY, Unusable::Status), Unknown::Unusable, Some(502)),
        ];
        for (failure, unknown, status) in rows {
            assert_eq!((failure.unknown(), failure.status()), (unknown, status), "{failure}");
        }
    }
}
