//! Where the values are that say who somebody is: in an answer, in fields of the request, or in a token.

use std::ops::Range;

use http::HeaderName;
use scraper::Selector;
use toml::Spanned;

use super::Kind;
use super::header::login_field;
use crate::config::check::finding::{Check, Checked, Form, Reported};
use crate::config::check::site::header_name;
use crate::config::file::{self, Section};
use crate::config::problem::Wrong;
use crate::config::{AdminRule, Scalar, Value};

impl Kind {
    /// How a place is written.
    const fn places(self) -> &'static str {
        match self {
            Self::Probe => "\"/pointer\", { css = \"selector\" }, { header = \"name\" } or { fixed = \"text\" }",
            Self::Header => "\"X-Field-Of-The-Login\", or { fixed = \"text\" }",
            Self::Token => "\"/pointer\" into the claims, or { fixed = \"text\" }",
        }
    }

    /// How the user id could be written.
    pub(super) const fn user(self) -> &'static str {
        match self {
            Self::Probe => "\"/id\"",
            Self::Header => "\"X-Forwarded-User\"",
            Self::Token => "\"/sub\"",
        }
    }
}

impl Check<'_> {
    /// A value that differs from person to person.
    pub(super) fn personal(&mut self, kind: Kind, key: &str, written: &Spanned<file::Value>) -> Checked<Value> {
        match self.value(kind, key, written)? {
            Value::Fixed(_) => {
                let right = format!("where it is to be found, as {}", kind.user());
                let wrong = Wrong::new("fixed is the same for everybody", right);
                Err(self.report(written.span(), key, wrong))
            }
            value => Ok(value),
        }
    }

    pub(super) fn value(&mut self, kind: Kind, key: &str, written: &Spanned<file::Value>) -> Checked<Value> {
        let span = written.span();
        let table = match written.get_ref() {
            file::Value::Text(text) => return self.at(span, key, in_one_word(kind, text)),
            file::Value::Table(table) => table,
        };
        let value = self.place(kind, key, span.clone(), &Ways::of_value(table))?;
        self.at(span, key, possible(kind, value))
    }

    /// The one way in which a table says where a value is.
    fn place(&mut self, kind: Kind, key: &str, table: Range<usize>, ways: &Ways<'_>) -> Checked<Value> {
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
                self.one(&format!("{key}.header"), header, |text| field(kind, text)).map(Value::Header)
            }
            (None, None, None, Some(text)) => self.one(&format!("{key}.fixed"), text, fixed_text).map(Value::Fixed),
            (None, None, None, None) => Err(self.report(table, key, Wrong::new("this says no place", kind.places()))),
            _ => Err(self.report(
                table,
                key,
                Wrong::new("this says several places", format!("one of {}", kind.places())),
            )),
        }
    }

    fn css(&mut self, key: &str, css: &file::Text, attribute: Option<&file::Text>) -> Checked<Value> {
        let selector = self.one(&format!("{key}.css"), css, selector);
        let attribute = self.optional(&format!("{key}.attribute"), attribute, attribute_name);
        Ok(Value::Css { selector: selector?, attribute: attribute? })
    }

    pub(super) fn admin(&mut self, kind: Kind, written: &Section<file::Admin>) -> Checked<AdminRule> {
        let (key, span, admin) = ("site.identity.admin", written.span(), written.get_ref());
        let ways = Ways::of_admin(admin);
        let Some(users) = &admin.users else {
            let value = self.place(kind, key, span.clone(), &ways);
            let value = value.and_then(|value| self.at(span.clone(), key, possible(kind, value)));
            let any = self
                .present("site.identity.admin.any", span.clone(), admin.any.as_ref(), "any = [\"admin\"]")
                .and_then(|any| {
                    self.not_empty("site.identity.admin.any", span, any, "what marks an admin, as \"admin\"")
                });
            let (value, any) = (value?, any?);
            return self.marks(&value, any).map(|any| AdminRule::Marked { value, any });
        };
        if !ways.are_none() || admin.any.is_some() {
            let wrong = Wrong::new("users and a place are two rules", "one of them");
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

    /// An answer is JSON or HTML: pointers into the one and selectors on the other can't both find something.
    pub(super) fn one_kind_of_answer(&mut self, identity: &file::Identity) {
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
            file::Value::Text(_) => "JSON",
            file::Value::Table(table) => Ways::of_value(table).kind()?,
        };
        Some((key, value.span(), kind))
    });
    let admin = identity.admin.iter().filter_map(|admin| {
        let kind = Ways::of_admin(admin.get_ref()).kind()?;
        Some(("site.identity.admin", admin.span(), kind))
    });
    let anonymous = identity.anonymous.iter().filter_map(|table| table.get_ref().css.as_ref());
    let anonymous = anonymous.map(|css| ("site.identity.anonymous.css", css.span(), "HTML"));
    values.chain(admin).chain(anonymous).collect()
}

/// A place that is written without a table.
fn in_one_word(kind: Kind, text: &str) -> Form<Value> {
    match kind {
        Kind::Probe | Kind::Token => pointer(text).map(Value::Pointer),
        Kind::Header => field(kind, text).map(Value::Header),
    }
}

/// Whether there is such a place, by the source.
fn possible(kind: Kind, value: Value) -> Form<Value> {
    let is_possible = match (kind, &value) {
        (Kind::Probe, _)
        | (Kind::Header, Value::Header(_))
        | (Kind::Token, Value::Pointer(_))
        | (Kind::Header | Kind::Token, Value::Fixed(_)) => true,
        (Kind::Header | Kind::Token, _) => false,
    };
    let source = kind.as_str();
    let wrong = || Wrong::new(format!("with source = {source:?} there is no such place"), kind.places());
    if is_possible { Ok(value) } else { Err(wrong()) }
}

fn field(kind: Kind, text: &str) -> Form<HeaderName> {
    match kind {
        Kind::Probe | Kind::Token => header_name(text),
        Kind::Header => login_field(text),
    }
}

/// RFC 6901: nothing, or "/" before each step; "~" only as "~0" and "~1".
pub(in crate::config::check) fn pointer(text: &str) -> Form<String> {
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

pub(super) fn selector(text: &str) -> Form<String> {
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
