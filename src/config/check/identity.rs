//! Who has logged in: what the dashboard is asked, and where in its answer the values are.

use std::ops::Range;
use std::time::Duration;

use scraper::Selector;
use toml::Spanned;

use super::finding::{Check, Checked, Form, Reported};
use super::site::header_name;
use super::{duration, path};
use crate::config::file::Section;
use crate::config::problem::Wrong;
use crate::config::{AdminRule, AnonymousEvidence, Identity, Scalar, Value};
use crate::config::{default, file};

const LONGEST_CACHE: Duration = Duration::from_mins(1);
const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);
const PLACE: &str = "\"/pointer\", { css = \"selector\" }, { header = \"name\" } or { fixed = \"text\" }";

impl Check<'_> {
    pub(super) fn identity(&mut self, table: Range<usize>, site: &file::Site) -> Checked<Identity> {
        let example = "[site.identity] with url, user and organization";
        let written = self.present("site.identity", table, site.identity.as_ref(), example)?;
        let (span, identity) = (written.span(), written.get_ref());
        let source = self.optional("site.identity.source", identity.source.as_ref(), source);
        let url = self
            .present("site.identity.url", span.clone(), identity.url.as_ref(), "url = \"/api/me\"")
            .and_then(|url| self.one("site.identity.url", url, path::target));
        let user = self
            .present("site.identity.user", span.clone(), identity.user.as_ref(), "user = \"/id\"")
            .and_then(|user| self.personal("site.identity.user", user));
        let email = identity.email.as_ref().map(|email| self.personal("site.identity.email", email)).transpose();
        let name = identity.name.as_ref().map(|name| self.value("site.identity.name", name)).transpose();
        let (key, example) = ("site.identity.organization", "organization = \"/company\", or { fixed = \"acme\" }");
        let organization = self
            .present(key, span, identity.organization.as_ref(), example)
            .and_then(|organization| self.value(key, organization));
        let admin = identity.admin.as_ref().map(|admin| self.admin(admin)).transpose();
        let anonymous = self.anonymous(&identity.anonymous);
        let cache = duration::up_to(LONGEST_CACHE);
        let cache = self.optional("site.identity.cache", identity.cache.as_ref(), cache);
        let timeout = duration::positive(LONGEST_TIMEOUT);
        let timeout = self.optional("site.identity.timeout", identity.timeout.as_ref(), timeout);
        self.one_kind_of_answer(identity);
        source?;
        Ok(Identity {
            url: url?,
            user: user?,
            email: email?,
            name: name?,
            organization: organization?,
            admin: admin?.unwrap_or(AdminRule::Nobody),
            anonymous: anonymous?,
            cache: cache?.unwrap_or(default::IDENTITY_CACHE),
            timeout: timeout?.unwrap_or(default::IDENTITY_TIMEOUT),
        })
    }

    /// A value that differs from person to person.
    fn personal(&mut self, key: &str, written: &Spanned<file::Value>) -> Checked<Value> {
        match self.value(key, written)? {
            Value::Fixed(_) => {
                let wrong = Wrong::new("fixed is the same for everybody", "a place in the answer, as \"/id\"");
                Err(self.report(written.span(), key, wrong))
            }
            value => Ok(value),
        }
    }

    fn value(&mut self, key: &str, written: &Spanned<file::Value>) -> Checked<Value> {
        let span = written.span();
        let table = match written.get_ref() {
            file::Value::Pointer(text) => return self.at(span, key, pointer(text).map(Value::Pointer)),
            file::Value::Table(table) => table,
        };
        self.place(key, span, &Ways::of_value(table))
    }

    /// The one way in which a table says where a value is.
    fn place(&mut self, key: &str, table: Range<usize>, ways: &Ways<'_>) -> Checked<Value> {
        let Ways { pointer: to, css, attribute, header, fixed } = *ways;
        if ["pointer", "css", "header", "fixed"].iter().any(|name| self.is_excused(table.start, name)) {
            return Err(Reported);
        }
        if let (Some(attribute), None) = (attribute, css) {
            let wrong = Wrong::new("attribute is part of a css place", "css = \"selector\" beside it");
            return Err(self.report(attribute.span(), &format!("{key}.attribute"), wrong));
        }
        match (to, css, header, fixed) {
            (Some(to), None, None, None) => self.one(&format!("{key}.pointer"), to, pointer).map(Value::Pointer),
            (None, Some(css), None, None) => self.css(key, css, attribute),
            (None, None, Some(header), None) => {
                self.one(&format!("{key}.header"), header, header_name).map(Value::Header)
            }
            (None, None, None, Some(text)) => self.one(&format!("{key}.fixed"), text, fixed_text).map(Value::Fixed),
            (None, None, None, None) => Err(self.report(table, key, Wrong::new("this says no place", PLACE))),
            _ => Err(self.report(table, key, Wrong::new("this says several places", format!("one of {PLACE}")))),
        }
    }

    fn css(&mut self, key: &str, css: &file::Text, attribute: Option<&file::Text>) -> Checked<Value> {
        let selector = self.one(&format!("{key}.css"), css, selector);
        let attribute = self.optional(&format!("{key}.attribute"), attribute, attribute_name);
        Ok(Value::Css { selector: selector?, attribute: attribute? })
    }

    fn admin(&mut self, written: &Section<file::Admin>) -> Checked<AdminRule> {
        let (key, span, admin) = ("site.identity.admin", written.span(), written.get_ref());
        let ways = Ways::of_admin(admin);
        let Some(users) = &admin.users else {
            let value = self.place(key, span.clone(), &ways);
            let any = self
                .present("site.identity.admin.any", span.clone(), admin.any.as_ref(), "any = [\"admin\"]")
                .and_then(|any| {
                    self.not_empty("site.identity.admin.any", span, any, "what marks an admin, as \"admin\"")
                });
            let (value, any) = (value?, any?);
            return self.marks(&value, any).map(|any| AdminRule::Marked { value, any });
        };
        if !ways.are_none() || admin.any.is_some() {
            let wrong = Wrong::new("users and a place in the answer are two rules", "one of them");
            return Err(self.report(users.span(), "site.identity.admin.users", wrong));
        }
        let right = "at least one user id or e-mail address; or leave admin out";
        let users = self.not_empty("site.identity.admin.users", span, users, right)?;
        self.list("site.identity.admin.users", users, fixed_text).map(AdminRule::Users)
    }

    fn marks(&mut self, value: &Value, any: &[Spanned<file::Scalar>]) -> Checked<Vec<Scalar>> {
        let only_text = matches!(value, Value::Css { .. } | Value::Header(_));
        let mut marks = Ok(Vec::new());
        for written in any {
            let mark = match written.get_ref() {
                file::Scalar::Text(text) => Scalar::Text(text.clone()),
                file::Scalar::Number(number) => Scalar::Number(*number),
                file::Scalar::Bool(truth) => Scalar::Bool(*truth),
            };
            if only_text && !matches!(mark, Scalar::Text(_)) {
                let wrong = Wrong::new("pages and headers hold text only: this never matches", "text in quotes");
                marks = Err(self.report(written.span(), "site.identity.admin.any", wrong));
            } else if let Ok(marks) = &mut marks {
                marks.push(mark);
            }
        }
        marks
    }

    fn anonymous(&mut self, written: &file::Anonymous) -> Checked<AnonymousEvidence> {
        let statuses = match &written.status {
            Some(list) => {
                let key = "site.identity.anonymous.status";
                let checked: Vec<_> = list.iter().map(|one| self.at(one.span(), key, status(*one.get_ref()))).collect();
                checked.into_iter().collect()
            }
            None => Ok(default::ANONYMOUS_STATUSES.to_vec()),
        };
        let redirects = written.redirect.as_deref().unwrap_or_default();
        let redirects = self.list("site.identity.anonymous.redirect", redirects, redirect);
        let css = self.optional("site.identity.anonymous.css", written.css.as_ref(), selector);
        let without_user = written.without_user.unwrap_or(true);
        Ok(AnonymousEvidence { statuses: statuses?, redirects: redirects?, without_user, css: css? })
    }

    /// An answer is JSON or HTML: pointers into the one and selectors on the other can't both find something.
    fn one_kind_of_answer(&mut self, identity: &file::Identity) {
        let kinds = kinds(identity);
        let Some((first_key, _, first)) = kinds.first().cloned() else { return };
        for (key, span, _) in kinds.into_iter().filter(|(_, _, kind)| *kind != first) {
            let what = format!("an answer is JSON or HTML, not both, and {first_key} is read from {first}");
            let right = format!("every place in {first}; header and fixed go with it");
            self.report(span, key, Wrong::new(what, right));
        }
    }
}

/// What a table says of where a value is.
struct Ways<'a> {
    pointer: Option<&'a file::Text>,
    css: Option<&'a file::Text>,
    attribute: Option<&'a file::Text>,
    header: Option<&'a file::Text>,
    fixed: Option<&'a file::Text>,
}

impl<'a> Ways<'a> {
    fn of_value(table: &'a file::ValueTable) -> Self {
        Self {
            pointer: table.pointer.as_ref(),
            css: table.css.as_ref(),
            attribute: table.attribute.as_ref(),
            header: table.header.as_ref(),
            fixed: table.fixed.as_ref(),
        }
    }

    fn of_admin(admin: &'a file::Admin) -> Self {
        Self {
            pointer: admin.pointer.as_ref(),
            css: admin.css.as_ref(),
            attribute: admin.attribute.as_ref(),
            header: admin.header.as_ref(),
            fixed: None,
        }
    }

    fn are_none(&self) -> bool {
        let Self { pointer, css, attribute, header, fixed } = self;
        [pointer, css, attribute, header, fixed].into_iter().all(Option::is_none)
    }

    /// What the answer's body must be, if it matters; several ways at once are reported as such.
    fn kind(&self) -> Option<&'static str> {
        match (self.pointer, self.css, self.header, self.fixed) {
            (Some(_), None, None, None) => Some("JSON"),
            (None, Some(_), None, None) => Some("HTML"),
            _ => None,
        }
    }
}

/// Each place that is in an answer's body: its key, where it is written, and what the body must be.
fn kinds(identity: &file::Identity) -> Vec<(&'static str, Range<usize>, &'static str)> {
    let values = [
        ("site.identity.user", &identity.user),
        ("site.identity.email", &identity.email),
        ("site.identity.name", &identity.name),
        ("site.identity.organization", &identity.organization),
    ];
    let values = values.into_iter().filter_map(|(key, value)| {
        let value = value.as_ref()?;
        let kind = match value.get_ref() {
            file::Value::Pointer(_) => "JSON",
            file::Value::Table(table) => Ways::of_value(table).kind()?,
        };
        Some((key, value.span(), kind))
    });
    let admin = identity.admin.iter().filter_map(|admin| {
        let kind = Ways::of_admin(admin.get_ref()).kind()?;
        Some(("site.identity.admin", admin.span(), kind))
    });
    let anonymous = identity.anonymous.css.iter().map(|css| ("site.identity.anonymous.css", css.span(), "HTML"));
    values.chain(admin).chain(anonymous).collect()
}

fn source(text: &str) -> Form<()> {
    match text {
        "probe" => Ok(()),
        "header" | "jwt" => Err(Wrong::new(format!("this version has no {text:?} source yet"), "\"probe\"")),
        _ => Err(Wrong::new(format!("{text:?} is no identity source"), "\"probe\"")),
    }
}

/// RFC 6901: nothing, or "/" before each step; "~" only as "~0" and "~1".
fn pointer(text: &str) -> Form<String> {
    if !text.is_empty() && !text.starts_with('/') {
        let what = format!("{text:?} is no JSON pointer: it does not begin with \"/\"");
        return Err(Wrong::new(what, format!("\"/{}\", or a table as {{ fixed = \"text\" }}", text.replace('.', "/"))));
    }
    if text.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        let what = format!("{text:?} is no JSON pointer: it has a \"~\" that is no escape");
        return Err(Wrong::new(what, "\"~0\" for \"~\" and \"~1\" for \"/\""));
    }
    Ok(text.to_owned())
}

fn selector(text: &str) -> Form<String> {
    match Selector::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let what = format!("{text:?} is no CSS selector: {}", error.to_string().to_lowercase());
            Err(Wrong::new(what, "a selector, as \"#user-tools strong\""))
        }
    }
}

fn attribute_name(text: &str) -> Form<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte);
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(Wrong::new(format!("{text:?} is no attribute"), "its name alone, as \"data-user-id\""));
    }
    // HTML has no upper case in attribute names.
    Ok(text.to_ascii_lowercase())
}

fn fixed_text(text: &str) -> Form<String> {
    if text.trim().is_empty() || text.chars().count() > 256 || text.chars().any(char::is_control) {
        return Err(Wrong::new(format!("{text:?} names nobody"), "1 to 256 characters, as \"acme\""));
    }
    Ok(text.to_owned())
}

fn status(number: i64) -> Form<u16> {
    let right = "a status from 300 to 499, or 204; for a page or JSON use css or without_user";
    let wrong = || Wrong::new(format!("{number} does not prove that nobody is logged in"), right);
    u16::try_from(number).ok().filter(|status| matches!(status, 204 | 300..=499)).ok_or_else(wrong)
}

/// A path that the dashboard sends those to who are not logged in.
fn redirect(text: &str) -> Form<String> {
    let target = path::target(text)?;
    if target.contains('?') {
        return Err(Wrong::new(format!("{text:?} has a query"), "the path alone: the query is not looked at"));
    }
    Ok(target)
}
