//! What the dashboard's answer says of a visitor: somebody, nobody, or nothing that can be used. Other sources' words are
//! read by the same places.

use std::borrow::Cow;

use http::StatusCode;
use http::header::{CONTENT_ENCODING, LOCATION};
use scraper::{Html, Selector};
use serde_json::Value;

use super::Identity;
use super::value::{Document, Found, NotOneText, Place, checked_selector, parse_json};
use crate::config::{self, AdminRule, AnonymousEvidence, Scalar, Source};
use crate::message::Fields;

/// Longest answer that is read, in bytes.
pub(super) const LONGEST: usize = 1 << 20;

/// Longest value, in characters.
const LONGEST_VALUE: usize = 256;

/// Reads the answers of one site, or what another source says there.
#[derive(Debug)]
pub(crate) struct Reader {
    user: Place,
    email: Option<Place>,
    name: Option<Place>,
    organization: Place,
    admin: Admin,
    anonymous: AnonymousEvidence,
    anonymous_element: Option<Selector>,
    needs: Needs,
}

#[derive(Debug)]
enum Admin {
    /// By name, or nobody: whatever the answer says.
    Listed(AdminRule),
    Marked {
        place: Place,
        any: Vec<Scalar>,
    },
    /// In a field that is a list (RFC 9110, section 5.6.1).
    InList {
        place: Place,
        any: Vec<Scalar>,
    },
}

/// As what the body has to be read.
#[derive(Debug, Clone, Copy, Default)]
struct Needs {
    json: bool,
    html: bool,
}

/// The request that is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Its path.
    pub(crate) path: &'a str,
    /// The names of the site, with or without port: in `Host` and `X-Forwarded-Host`.
    pub(crate) hosts: [&'a str; 2],
}

/// A whole answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a Fields,
    pub(crate) body: &'a [u8],
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Identified(Identity),
    Anonymous,
}

/// Why an answer can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("its status is neither a success nor proof that nobody is logged in")]
    Status,
    #[error("it redirects to where nothing is proven")]
    Redirect,
    #[error("it is longer than 1 MiB")]
    TooLong,
    #[error("it is compressed, though that was not accepted")]
    Compressed,
    #[error("it is no JSON, or a key stands twice in one object")]
    NoJson,
    #[error("it is no HTML in UTF-8")]
    NoHtml,
    #[error("it names nobody, and does not prove that nobody is logged in")]
    NoUser,
    #[error("it names a user and proves that nobody is logged in")]
    Contradiction,
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("its {0} is of the wrong type")]
    WrongType(&'static str),
    #[error("its {0} is blank, too long or has control characters")]
    BadText(&'static str),
}

impl Reader {
    pub(crate) fn new(identity: &config::Identity) -> Self {
        let admin = match &identity.admin {
            AdminRule::Nobody | AdminRule::Users(_) => Admin::Listed(identity.admin.clone()),
            AdminRule::Marked { value, any } => {
                let (place, any) = (Place::new(value), any.clone());
                match identity.source {
                    Source::Header(_) => Admin::InList { place, any },
                    Source::Probe(_) | Source::Token(_) => Admin::Marked { place, any },
                }
            }
        };
        let anonymous = match &identity.source {
            Source::Probe(probe) => probe.anonymous.clone(),
            Source::Header(_) | Source::Token(_) => AnonymousEvidence::default(),
        };
        let mut reader = Self {
            user: Place::new(&identity.user),
            email: identity.email.as_ref().map(Place::new),
            name: identity.name.as_ref().map(Place::new),
            organization: Place::new(&identity.organization),
            admin,
            anonymous_element: anonymous.css.as_deref().map(checked_selector),
            anonymous,
            needs: Needs::default(),
        };
        reader.needs = reader.needs();
        reader
    }

    /// Whether it reads HTML, which takes long enough to do it elsewhere.
    pub(super) const fn reads_html(&self) -> bool {
        self.needs.html
    }

    pub(crate) fn read(&self, asked: Asked<'_>, answer: Answer<'_>) -> Result<Said, Unusable> {
        if answer.body.len() > LONGEST {
            return Err(Unusable::TooLong);
        }
        if self.anonymous.statuses.contains(&answer.status.as_u16()) {
            return Ok(Said::Anonymous);
        }
        if answer.status.is_redirection() {
            return self.read_redirect(asked, answer.headers);
        }
        if !answer.status.is_success() {
            return Err(Unusable::Status);
        }
        self.read_document(&self.document(answer)?)
    }

    fn needs(&self) -> Needs {
        let marked = match &self.admin {
            Admin::Marked { place, .. } | Admin::InList { place, .. } => Some(place),
            Admin::Listed(_) => None,
        };
        let places = [Some(&self.user), self.email.as_ref(), self.name.as_ref(), Some(&self.organization), marked];
        let any = |is: fn(&Place) -> bool| places.into_iter().flatten().any(is);
        Needs {
            json: any(|place| matches!(place, Place::Pointer(_))),
            html: any(|place| matches!(place, Place::Css { .. })) || self.anonymous_element.is_some(),
        }
    }

    fn read_redirect(&self, asked: Asked<'_>, headers: &Fields) -> Result<Said, Unusable> {
        let Ok(Some(location)) = headers.only(LOCATION) else { return Err(Unusable::Redirect) };
        // Browsers take the one for a slash, and pass over the other: `/\\elsewhere/../login` leads elsewhere.
        let location = location.to_str().filter(|location| !location.contains(['\\', '\t']));
        let path = location.and_then(|location| path_on_site(location, asked));
        let proves = path.is_some_and(|path| self.anonymous.redirects.contains(&path));
        if proves { Ok(Said::Anonymous) } else { Err(Unusable::Redirect) }
    }

    fn document<'a>(&self, answer: Answer<'a>) -> Result<Document<'a>, Unusable> {
        if answer.headers.get_all(CONTENT_ENCODING).any(|coding| coding != "identity") {
            return Err(Unusable::Compressed);
        }
        let mut document = Document { headers: answer.headers, json: None, html: None };
        if self.needs.json {
            document.json = Some(parse_json(answer.body).map_err(|_| Unusable::NoJson)?);
        }
        if self.needs.html {
            let text = std::str::from_utf8(answer.body).map_err(|_| Unusable::NoHtml)?;
            document.html = Some(Html::parse_document(text));
        }
        Ok(document)
    }

    fn read_document(&self, document: &Document<'_>) -> Result<Said, Unusable> {
        let nobody = self.anonymous_element.as_ref().is_some_and(|selector| document.has(selector));
        match self.person(document)? {
            Some(_) if nobody => Err(Unusable::Contradiction),
            Some(identity) => Ok(Said::Identified(identity)),
            None if nobody || (self.anonymous.without_user && matches!(self.user, Place::Pointer(_))) => {
                Ok(Said::Anonymous)
            }
            None => Err(Unusable::NoUser),
        }
    }

    /// Whom a document names, by the places of the site; `None` if it has no user.
    pub(super) fn person(&self, document: &Document<'_>) -> Result<Option<Identity>, Unusable> {
        let Some(user) = text(document, &self.user, "user", Numbers::Written)? else { return Ok(None) };
        let organization = text(document, &self.organization, "organization", Numbers::Written)?;
        let organization = organization.ok_or(Unusable::Missing("organization"))?;
        // What people are called decides nothing, and many choose it themselves: an odd one is left out.
        let optional = |place: &Option<Place>, what| match place {
            Some(place) => match text(document, place, what, Numbers::Refused) {
                Err(Unusable::BadText(_)) => Ok(None),
                said => said,
            },
            None => Ok(None),
        };
        let email = optional(&self.email, "email")?;
        let name = optional(&self.name, "name")?;
        let admin = self.admin.marks(document, &user, email.as_deref())?;
        Ok(Some(Identity { user, email, name, organization, admin }))
    }
}

/// Whether a number is good for a text.
#[derive(Clone, Copy)]
enum Numbers {
    /// A whole one is, as it is written: ids are often numbers.
    Written,
    /// None is.
    Refused,
}

/// The text at a place; `None` if there is nothing, `null` or empty text.
fn text(
    document: &Document<'_>,
    place: &Place,
    what: &'static str,
    numbers: Numbers,
) -> Result<Option<String>, Unusable> {
    let text = match document.find(place).map_err(|NotOneText| Unusable::WrongType(what))? {
        Found::Nothing | Found::Json(Value::Null) => return Ok(None),
        Found::Text(text) => text.into_owned(),
        Found::Json(Value::String(text)) => text.clone(),
        Found::Json(Value::Number(number)) => match numbers {
            Numbers::Written if !number.is_f64() => number.to_string(),
            Numbers::Written | Numbers::Refused => return Err(Unusable::WrongType(what)),
        },
        Found::Json(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return Err(Unusable::WrongType(what)),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let blank = text.trim().is_empty();
    if blank || text.chars().any(char::is_control) || text.chars().count() > LONGEST_VALUE {
        return Err(Unusable::BadText(what));
    }
    Ok(Some(text))
}

impl Admin {
    fn marks(&self, document: &Document<'_>, user: &str, email: Option<&str>) -> Result<bool, Unusable> {
        match self {
            Self::Listed(rule) => Ok(rule.names(user, email)),
            Self::Marked { place, any } => {
                let found = document.find(place).map_err(|NotOneText| Unusable::WrongType("admin mark"))?;
                Ok(any.iter().any(|wanted| contains(&found, wanted)))
            }
            Self::InList { place, any } => {
                let found = document.find(place).map_err(|NotOneText| Unusable::WrongType("admin mark"))?;
                let Found::Text(list) = found else { return Ok(false) };
                let is_wanted =
                    |member: &str| any.iter().any(|wanted| matches!(wanted, Scalar::Text(w) if w == member));
                Ok(list.split(',').map(str::trim_ascii).any(is_wanted))
            }
        }
    }
}

/// Whether the value is the wanted one, is an array with it, or an object with such a key. Types have to agree: the text
/// `true` is not true.
fn contains(found: &Found<'_>, wanted: &Scalar) -> bool {
    match found {
        Found::Nothing => false,
        Found::Text(text) => matches!(wanted, Scalar::Text(wanted) if wanted == text),
        Found::Json(Value::Array(items)) => items.iter().any(|item| is(item, wanted)),
        Found::Json(Value::Object(entries)) => matches!(wanted, Scalar::Text(key) if entries.contains_key(key)),
        Found::Json(value) => is(value, wanted),
    }
}

fn is(value: &Value, wanted: &Scalar) -> bool {
    match (value, wanted) {
        (Value::String(text), Scalar::Text(wanted)) => text == wanted,
        (Value::Number(number), Scalar::Number(wanted)) => number.as_i64() == Some(*wanted),
        (Value::Bool(value), Scalar::Bool(wanted)) => value == wanted,
        _ => false,
    }
}

/// The path that a `Location` leads to, if it is on the site (RFC 3986, section 5.2). The port and the scheme are left
/// out of account: dashboards behind a proxy often don't know them.
fn path_on_site(location: &str, asked: Asked<'_>) -> Option<String> {
    let reference = location.split(['?', '#']).next().unwrap_or_default();
    let path = match after_scheme(reference) {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = without_port(authority);
            asked.hosts.iter().any(|own| without_port(own).eq_ignore_ascii_case(host)).then_some(())?;
            Cow::Borrowed(if path.is_empty() { "/" } else { path })
        }
        None if reference.starts_with('/') => Cow::Borrowed(reference),
        None if reference.is_empty() => Cow::Borrowed(asked.path),
        None if reference.contains(':') => return None,
        None => {
            let folder = asked.path.rfind('/').map_or("/", |end| &asked.path[..=end]);
            Cow::Owned(format!("{folder}{reference}"))
        }
    };
    Some(without_dots(&path))
}

fn after_scheme(reference: &str) -> Option<&str> {
    let start = reference.find("//")?;
    let scheme = &reference[..start];
    let is_http = scheme.is_empty() || scheme.eq_ignore_ascii_case("http:") || scheme.eq_ignore_ascii_case("https:");
    is_http.then(|| &reference[start + 2..])
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
        // A step at the end leads to a folder.
        if matches!(segment, "." | "..") && segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
