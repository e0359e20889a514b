//! A site: what it is called, where it is, what is open, and by what it recognizes its users.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use rustls::pki_types::ServerName;

use super::address::{self, Origin};
use super::finding::{Check, Checked, Form, Reported};
use super::identity::pointer;
use super::named_file::certificates;
use super::{duration, path};
use crate::config::file::Section;
use crate::config::problem::Wrong;
use crate::config::{
    Bind, Credential, Hosts, Identity, OrganizationPolicy, OuterLogin, PathPattern, Site, Source, TokenPlace, Upstream,
    UpstreamAddress, UpstreamHttp,
};
use crate::config::{default, file};
use crate::second_factor::account::Requirement;
use crate::site::query::could_name;
use crate::site::{Rule, rule};

const LONGEST_CONNECT: Duration = Duration::from_mins(1);
const LONGEST_ANSWER: Duration = Duration::from_hours(1);
const LONGEST_UNUSED: Duration = Duration::from_mins(10);

/// Fields that a request can't do without, or that have a meaning for the connection.
const NEVER_STRIPPED: [&str; 7] =
    ["host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te"];

impl Check<'_> {
    pub(super) fn site(&mut self, written: &Section<file::Site>, issuer: &str) -> Checked<Site> {
        let (span, site) = (written.span(), written.get_ref());
        let name = self
            .present("site.name", span.clone(), site.name.as_ref(), "name = \"insights\"")
            .and_then(|name| self.one("site.name", name, label));
        let realm = self.optional("site.realm", site.realm.as_ref(), label);
        let hosts = self.hosts(span.clone(), site);
        let upstream = self.upstream(span.clone(), site);
        let prefix = self.optional("site.prefix", site.prefix.as_ref(), path::prefix);
        let prefix = prefix.map(|prefix| prefix.unwrap_or_else(|| default::PREFIX.to_owned()));
        let own = prefix.as_deref().unwrap_or(default::PREFIX);
        let public = self.patterns("site.public", site.public.as_deref(), own);
        let until_login = self.patterns("site.public_until_login", site.public_until_login.as_deref(), own);
        let logout = self.patterns("site.logout", site.logout.as_deref(), own);
        let login = self.optional("site.login", site.login.as_ref(), |text| not_own(own, path::target_with_next(text)));
        let after_logout =
            self.optional("site.after_logout", site.after_logout.as_ref(), |text| not_own(own, path::target(text)));
        let identity = self.identity(span.clone(), site);
        let credentials = self.credentials(span, site, identity.as_ref().ok());
        let by_session = self.by_session(site, own, credentials.as_deref().unwrap_or_default());
        let bind = self.bind(site, credentials.as_deref().ok(), identity.as_ref().ok());
        let strip = self.strip(site, credentials.as_deref().unwrap_or_default());
        let strip_query = self.strip_query(site, credentials.as_deref().unwrap_or_default());
        let strip =
            strip.map(|strip| with_what_the_source_needs(strip, identity.as_ref().ok(), credentials.as_deref()));
        let organization = self.organization(&site.organization);
        let enrollment = self.enrollment(&site.enrollment);
        let look = self.look(site, issuer);
        let name = name?;
        let meant = Site {
            realm: realm?.unwrap_or_else(|| name.clone()),
            name,
            hosts: hosts?,
            upstream: upstream?,
            public: public?,
            public_until_login: until_login?,
            login: login?,
            logout: logout?,
            after_logout: after_logout?,
            prefix: prefix?,
            strip: strip?,
            strip_query: strip_query?,
            credentials: credentials?,
            by_session: by_session?,
            bind: bind?,
            identity: identity?,
            organization: organization?,
            enrollment: enrollment?,
            look: look?,
        };
        self.login_is_open(site, &meant)?;
        Ok(meant)
    }

    /// A login page that only those can open who have logged in would send everybody else there for ever.
    fn login_is_open(&mut self, written: &file::Site, site: &Site) -> Checked<()> {
        let (Some(written), Some(login)) = (&written.login, &site.login) else { return Ok(()) };
        if rule(site, &login.replace("{next}", "/")) != Rule::Protected {
            return Ok(());
        }
        let wrong = Wrong::new(
            "the login page is not open to everybody",
            "its path among those of `public` or `public_until_login`",
        );
        Err(self.report(written.span(), "site.login", wrong))
    }

    fn hosts(&mut self, table: Range<usize>, site: &file::Site) -> Checked<Hosts> {
        let example = "hosts = [\"insights.acme.example\"]";
        let written = self.present("site.hosts", table.clone(), site.hosts.as_ref(), example)?;
        let list = self.not_empty("site.hosts", table, written, "at least one host, or \"*\" for any")?;
        match list.iter().find(|host| host.get_ref() == "*") {
            None => {
                let hosts = self.list("site.hosts", list, address::host)?;
                Ok(Hosts::Named(hosts.iter().map(ToString::to_string).collect()))
            }
            Some(_) if list.len() == 1 => Ok(Hosts::Any),
            Some(any) => {
                let wrong = Wrong::new("\"*\" is any host, those beside it included", "\"*\" alone, or only names");
                Err(self.report(any.span(), "site.hosts", wrong))
            }
        }
    }

    fn upstream(&mut self, table: Range<usize>, site: &file::Site) -> Checked<Upstream> {
        let folder = self.folder;
        let origins = self.origins(table, site);
        let http = self.optional("site.upstream_http", site.upstream_http.as_ref(), upstream_http);
        let host = self.optional("site.upstream_host", site.upstream_host.as_ref(), host_value);
        let name = self.optional("site.upstream_name", site.upstream_name.as_ref(), certificate_name);
        let authorities = site.upstream_authorities.as_ref();
        let authorities = self.optional("site.upstream_authorities", authorities, |text| certificates(text, folder));
        let connect = duration::positive(LONGEST_CONNECT);
        let connect_timeout = self.optional("site.connect_timeout", site.connect_timeout.as_ref(), connect);
        let answer = duration::positive(LONGEST_ANSWER);
        let answer_timeout = self.optional("site.answer_timeout", site.answer_timeout.as_ref(), answer);
        let unused = duration::up_to(LONGEST_UNUSED);
        let idle_timeout = self.optional("site.idle_timeout", site.idle_timeout.as_ref(), unused);
        if let Some(Origin::Http(..) | Origin::Unix(_)) = origins.as_ref().ok().and_then(|origins| origins.first()) {
            self.needs_https("site.upstream_name", site.upstream_name.as_ref());
            self.needs_https("site.upstream_authorities", site.upstream_authorities.as_ref());
        }
        let (origins, name, authorities) = (origins?, name?, authorities?);
        let address = |origin| upstream_address(origin, name.clone(), authorities.clone());
        Ok(Upstream {
            addresses: origins.into_iter().map(address).collect(),
            http: http?.unwrap_or(UpstreamHttp::Http1),
            host: host?,
            connect_timeout: connect_timeout?.unwrap_or(default::CONNECT_TIMEOUT),
            answer_timeout: answer_timeout?.unwrap_or(default::ANSWER_TIMEOUT),
            idle_timeout: idle_timeout?.unwrap_or(default::IDLE_TIMEOUT),
        })
    }

    /// At least one, all of one scheme.
    fn origins(&mut self, table: Range<usize>, site: &file::Site) -> Checked<Vec<Origin>> {
        let (key, folder) = ("site.upstream", self.folder);
        let written = self.present(key, table, site.upstream.as_ref(), "upstream = \"http://127.0.0.1:3000\"")?;
        let each = file::OneOrMore::each(written);
        let origins = self.list(key, &each, |text| address::upstream(text, folder))?;
        let Some(first) = origins.first() else {
            let wrong = Wrong::new("\"upstream\" is empty", "at least one address, as \"http://127.0.0.1:3000\"");
            return Err(self.report(written.span(), key, wrong));
        };
        for (at, (origin, written)) in origins.iter().zip(&each).enumerate() {
            if origin.scheme() != first.scheme() {
                let right = format!("{:?} for all of them, as for the first", first.scheme());
                return Err(self.report(
                    written.span(),
                    key,
                    Wrong::new("the addresses have different schemes", right),
                ));
            }
            if origins[..at].contains(origin) {
                let wrong = Wrong::new("this address is named twice", "each address once");
                return Err(self.report(written.span(), key, wrong));
            }
        }
        Ok(origins)
    }

    fn needs_https(&mut self, key: &str, written: Option<&file::Text>) {
        if let Some(written) = written {
            let wrong = Wrong::new(
                "the upstream shows no certificate: it is not https",
                "leave it out, or an https:// upstream",
            );
            self.report(written.span(), key, wrong);
        }
    }

    fn patterns(&mut self, key: &str, written: Option<&[file::Text]>, prefix: &str) -> Checked<Vec<PathPattern>> {
        self.list(key, written.unwrap_or_default(), |text| {
            let pattern = path::pattern(text)?;
            if path::touches(&pattern, prefix) {
                let what = format!("{text:?} takes in the gateway's own pages, {prefix}");
                return Err(Wrong::new(what, "paths of the dashboard; or another prefix"));
            }
            Ok(pattern)
        })
    }

    fn credentials(
        &mut self,
        table: Range<usize>,
        site: &file::Site,
        identity: Option<&Identity>,
    ) -> Checked<Vec<Credential>> {
        let key = "site.credentials";
        if let Some(own) = identity.and_then(credentials_of_source) {
            if let Some(written) = &site.credentials {
                let wrong = Wrong::new(
                    "only a dashboard that is asked can tell whose other credentials are",
                    "leave it out; have the dashboard know its users by what [site.identity] names alone",
                );
                return Err(self.report(written.span(), key, wrong));
            }
            return Ok(own);
        }
        let Some(written) = &site.credentials else {
            return Ok(vec![Credential::Cookie, Credential::Header(AUTHORIZATION)]);
        };
        let list = self.not_empty(key, table, written, "at least one, as \"cookie\"")?;
        let credentials = self.list(key, list, credential)?;
        for (at, (credential, written)) in credentials.iter().zip(list).enumerate() {
            if credentials[..at].contains(credential) {
                self.report(written.span(), key, Wrong::new("this credential is named twice", "each once"));
            }
        }
        Ok(credentials)
    }

    fn by_session(&mut self, site: &file::Site, prefix: &str, credentials: &[Credential]) -> Checked<Vec<PathPattern>> {
        let (key, written) = ("site.by_session", site.by_session.as_deref());
        if let Some(first) = written.and_then(<[_]>::first).filter(|_| credentials.contains(&Credential::Cookie)) {
            let wrong = Wrong::new(
                "every request carries the dashboard's cookies: they tell whose it is",
                "leave it out, or credentials without \"cookie\"",
            );
            self.report(first.span(), key, wrong);
        }
        self.patterns(key, written, prefix)
    }

    /// Without the credentials, whether one is among them is not asked.
    fn bind(
        &mut self,
        site: &file::Site,
        credentials: Option<&[Credential]>,
        identity: Option<&Identity>,
    ) -> Checked<Option<Bind>> {
        self.optional("site.bind", site.bind.as_ref(), |text| {
            let bind = bind(text)?;
            let credential = match &bind {
                Bind::Cookie(_) | Bind::CookiesBeginning(_) => Credential::Cookie,
                Bind::Header(name) => Credential::Header(name.clone()),
                Bind::Claim(_) if identity.is_none_or(|identity| matches!(identity.source, Source::Token(_))) => {
                    return Ok(bind);
                }
                Bind::Claim(_) => {
                    return Err(Wrong::new("only a token has claims", "source = \"jwt\", or bind to a credential"));
                }
            };
            if credentials.is_some_and(|credentials| !credentials.contains(&credential)) {
                let what = format!("{text:?} is none of the site's credentials");
                return Err(Wrong::new(what, "add it to credentials, or bind to one of them"));
            }
            Ok(bind)
        })
    }

    fn strip(&mut self, site: &file::Site, credentials: &[Credential]) -> Checked<Vec<HeaderName>> {
        self.list("site.strip_headers", site.strip_headers.as_deref().unwrap_or_default(), |text| {
            let name = header_name(text)?;
            let is_credential = |credential: &Credential| match credential {
                Credential::Cookie => name == http::header::COOKIE,
                Credential::Header(header) => name == *header,
                Credential::Query(_) => false,
            };
            if credentials.iter().any(is_credential) {
                let what = format!("{text:?} is a credential: without it the dashboard recognizes nobody");
                return Err(Wrong::new(
                    what,
                    "a field that the dashboard can do without, or take it out of credentials",
                ));
            }
            if NEVER_STRIPPED.contains(&name.as_str()) {
                return Err(Wrong::new(format!("a request needs {text:?}"), "a field that it can do without"));
            }
            Ok(name)
        })
    }

    fn strip_query(&mut self, site: &file::Site, credentials: &[Credential]) -> Checked<Vec<String>> {
        self.list("site.strip_query", site.strip_query.as_deref().unwrap_or_default(), |text| {
            let name = parameter(text, "the name alone, as \"access_token\"")?;
            let is_credential =
                |credential: &Credential| matches!(credential, Credential::Query(query) if could_name(&name, query));
            if credentials.iter().any(is_credential) {
                let what = format!("{text:?} is a credential: without it the dashboard recognizes nobody");
                return Err(Wrong::new(what, "another parameter, or take it out of credentials"));
            }
            Ok(name)
        })
    }

    fn organization(&mut self, written: &file::Organization) -> Checked<OrganizationPolicy> {
        let key = "site.organization.requirement";
        let requirement = self.optional(key, written.requirement.as_ref(), |text| {
            let wrong = || Wrong::new(format!("{text:?} is no requirement"), "\"required\" or \"optional\"");
            Requirement::parse(text).ok_or_else(wrong)
        });
        let requirement = requirement?.unwrap_or(Requirement::Optional);
        Ok(match written.locked {
            Some(true) => OrganizationPolicy::Locked(requirement),
            Some(false) | None => OrganizationPolicy::StartsWith(requirement),
        })
    }
}

/// By what a source recognizes users; `None` if the operator says so. A cookie of a login in front may come along.
fn credentials_of_source(identity: &Identity) -> Option<Vec<Credential>> {
    match &identity.source {
        Source::Probe(_) => None,
        Source::Header(login) => {
            let fields = login.fields.iter().cloned().map(Credential::Header);
            Some(std::iter::once(Credential::Cookie).chain(fields).collect())
        }
        Source::Token(token) => Some(vec![match &token.place {
            TokenPlace::Cookie(_) => Credential::Cookie,
            TokenPlace::Bearer => Credential::Header(AUTHORIZATION),
            TokenPlace::Header(name) => Credential::Header(name.clone()),
        }]),
    }
}

/// What the dashboard may not see either: the secret of a login in front, and credentials that nobody looked at.
fn with_what_the_source_needs(
    mut strip: Vec<HeaderName>,
    identity: Option<&Identity>,
    credentials: Result<&[Credential], &Reported>,
) -> Vec<HeaderName> {
    let Some(source) = identity.map(|identity| &identity.source) else { return strip };
    if let Source::Header(OuterLogin { secret: Some(secret), .. }) = source {
        strip.push(secret.field.clone());
    }
    let is_looked_at = |credentials: &[Credential]| credentials.contains(&Credential::Header(AUTHORIZATION));
    if !credentials.is_ok_and(is_looked_at) {
        strip.push(AUTHORIZATION);
    }
    strip
}

/// What operators call a site or a realm.
fn label(text: &str) -> Form<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    let right = "1 to 64 letters, digits, \"-\", \"_\" and \".\", as \"insights\"";
    Err(Wrong::new(format!("{text:?} is no name for logs and commands"), right))
}

/// A target that is not one of the gateway's own pages, where a browser would go round in a circle.
fn not_own(prefix: &str, target: Form<String>) -> Form<String> {
    let target = target?;
    if path::is_own(&target, prefix) {
        return Err(Wrong::new(format!("{target:?} is one of the gateway's own pages"), "a page of the dashboard"));
    }
    Ok(target)
}

pub(super) fn upstream_address(origin: Origin, name: Option<String>, authorities: Option<PathBuf>) -> UpstreamAddress {
    match origin {
        Origin::Http(host, port) => UpstreamAddress::Http { host: host.bare(), port },
        Origin::Https(host, port) => UpstreamAddress::Https { host: host.bare(), port, name, authorities },
        Origin::Unix(path) => UpstreamAddress::Unix(path),
    }
}

fn upstream_http(text: &str) -> Form<UpstreamHttp> {
    match text {
        "1.1" => Ok(UpstreamHttp::Http1),
        "2" => Ok(UpstreamHttp::Http2),
        _ => Err(Wrong::new(
            format!("{text:?} is no version of HTTP that upstreams are spoken to in"),
            "\"1.1\" or \"2\"",
        )),
    }
}

fn host_value(text: &str) -> Form<HeaderValue> {
    let authority = text.parse::<Authority>().ok().filter(|_| !text.contains('@'));
    authority.and_then(|_| HeaderValue::from_str(text).ok()).ok_or_else(|| {
        Wrong::new(
            format!("{text:?} is no value for \"Host\""),
            "a host, with a port if need be, as \"dashboard:3000\"",
        )
    })
}

fn certificate_name(text: &str) -> Form<String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err(Wrong::new(format!("{text:?} is no name in a certificate"), "a host name, as \"dashboard.internal\""))
        }
    }
}

/// A header field's name.
pub(super) fn header_name(text: &str) -> Form<HeaderName> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Wrong::new(format!("{text:?} is no header name"), "letters, digits and \"-\", as \"x-user\""))
}

fn credential(text: &str) -> Form<Credential> {
    if let Some(name) = text.strip_prefix("header:") {
        return credential_header(name).map(Credential::Header);
    }
    if let Some(name) = text.strip_prefix("query:") {
        return parameter(name, "the name alone, as \"query:access_token\"").map(Credential::Query);
    }
    match text {
        "cookie" => Ok(Credential::Cookie),
        "authorization" => Ok(Credential::Header(AUTHORIZATION)),
        _ => {
            let right = "\"cookie\", \"authorization\", \"header:NAME\" or \"query:NAME\"";
            Err(Wrong::new(format!("{text:?} is no credential"), right))
        }
    }
}

/// The name of a parameter in a query.
fn parameter(name: &str, right: &str) -> Form<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~[]".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(Wrong::new(format!("{name:?} is no name of a parameter"), right));
    }
    Ok(name.to_owned())
}

pub(super) fn credential_header(text: &str) -> Form<HeaderName> {
    let name = header_name(text)?;
    let wrong = |what: &str, right: &str| Err(Wrong::new(format!("{text:?} {what}"), right));
    match name.as_str() {
        "cookie" => wrong("has a word of its own", "\"cookie\""),
        "host" | "connection" | "content-length" | "transfer-encoding" => {
            wrong("says nothing of who asks", "a field by which the dashboard recognizes its users")
        }
        own if own.starts_with("x-vestibule-") => wrong(
            "never comes from a client: the gateway strips it",
            "a field by which the dashboard recognizes its users",
        ),
        _ => Ok(name),
    }
}

fn bind(text: &str) -> Form<Bind> {
    if text == "authorization" {
        return Ok(Bind::Header(AUTHORIZATION));
    }
    if let Some(name) = text.strip_prefix("header:") {
        return credential_header(name).map(Bind::Header);
    }
    if let Some(claim) = text.strip_prefix("claim:") {
        return pointer(claim).map(Bind::Claim);
    }
    let right = "\"cookie:NAME\", \"cookie:BEGINNING*\", \"authorization\", \"header:NAME\" or \"claim:/POINTER\"";
    let Some(cookie) = text.strip_prefix("cookie:") else {
        return Err(Wrong::new(format!("{text:?} is nothing to bind to"), right));
    };
    let (name, bind): (_, fn(String) -> Bind) = match cookie.strip_suffix('*') {
        Some(beginning) => (beginning, Bind::CookiesBeginning),
        None => (cookie, Bind::Cookie),
    };
    cookie_name(name).map(bind)
}

/// The name of one of the dashboard's cookies.
pub(super) fn cookie_name(name: &str) -> Form<String> {
    // It is a token, as a header field's is.
    if HeaderName::from_bytes(name.as_bytes()).is_err() || name.contains('*') {
        return Err(Wrong::new(format!("{name:?} is no cookie name"), "the name alone, as \"cookie:NAME\""));
    }
    if name == "vestibule" || name == "__Host-vestibule" {
        return Err(Wrong::new(format!("{name:?} is the gateway's own cookie"), "the dashboard's session cookie"));
    }
    Ok(name.to_owned())
}
