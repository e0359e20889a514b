//! Who has logged in: whose word it is, and where in it the values are.

mod header;
mod probe;
mod token;
mod value;

use std::ops::Range;

use toml::Spanned;

use super::finding::{Check, Checked, Form};
use crate::config::file;
use crate::config::problem::Wrong;
use crate::config::{AdminRule, Identity, Source};

pub(super) use self::value::pointer;

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Probe,
    Header,
    Token,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Probe, Self::Header, Self::Token];

    /// What it is called in the file.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Header => "header",
            Self::Token => "jwt",
        }
    }
}

impl Check<'_> {
    pub(super) fn identity(&mut self, table: Range<usize>, site: &file::Site) -> Checked<Identity> {
        let example = "[site.identity] with url, user and organization";
        let written = self.present("site.identity", table, site.identity.as_ref(), example)?;
        let (span, identity) = (written.span(), written.get_ref());
        let kind = self.optional("site.identity.source", identity.source.as_ref(), kind)?.unwrap_or(Kind::Probe);
        self.keys_of_other_sources(kind, identity);
        let source = match kind {
            Kind::Probe => self.probe(span.clone(), identity).map(Source::Probe),
            Kind::Header => self.outer_login(span.clone(), identity).map(Source::Header),
            Kind::Token => self.token(span.clone(), identity).map(Source::Token),
        };
        let example = format!("user = {}", kind.user());
        let user = self
            .present("site.identity.user", span.clone(), identity.user.as_ref(), &example)
            .and_then(|user| self.personal(kind, "site.identity.user", user));
        let email = identity.email.as_ref().map(|email| self.personal(kind, "site.identity.email", email)).transpose();
        let name = identity.name.as_ref().map(|name| self.value(kind, "site.identity.name", name)).transpose();
        let (key, example) = ("site.identity.organization", "organization = \"/company\", or { fixed = \"acme\" }");
        let organization = self
            .present(key, span, identity.organization.as_ref(), example)
            .and_then(|organization| self.value(kind, key, organization));
        let admin = identity.admin.as_ref().map(|admin| self.admin(kind, admin)).transpose();
        if kind == Kind::Probe {
            self.one_kind_of_answer(identity);
        }
        let mut meant = Identity {
            source: source?,
            user: user?,
            email: email?,
            name: name?,
            organization: organization?,
            admin: admin?.unwrap_or(AdminRule::Nobody),
        };
        header::add_fields_of_values(&mut meant);
        self.secret_is_one(&meant, identity)?;
        Ok(meant)
    }

    /// A key that does nothing would be a promise that is not kept.
    fn keys_of_other_sources(&mut self, kind: Kind, identity: &file::Identity) {
        for (key, span, of) in own_keys(identity) {
            if let Some(span) = span.filter(|_| !of.contains(&kind)) {
                let of: Vec<_> = of.iter().map(|of| format!("{:?}", of.as_str())).collect();
                let what = format!("{key} says nothing with source = {:?}", kind.as_str());
                let right = format!("leave it out, or source = {}", of.join(" or "));
                self.report(span, &format!("site.identity.{key}"), Wrong::new(what, right));
            }
        }
    }
}

/// A key that not all sources have: where it is written, and which have it.
type OwnKey = (&'static str, Option<Range<usize>>, &'static [Kind]);

fn own_keys(identity: &file::Identity) -> Vec<OwnKey> {
    fn at<T>(written: Option<&Spanned<T>>) -> Option<Range<usize>> {
        written.map(Spanned::span)
    }
    const PROBE: &[Kind] = &[Kind::Probe];
    const HEADER: &[Kind] = &[Kind::Header];
    const TOKEN: &[Kind] = &[Kind::Token];
    vec![
        ("url", at(identity.url.as_ref()), PROBE),
        (
            "anonymous",
            identity.anonymous.as_ref().filter(|table| !table.get_ref().is_empty()).map(Spanned::span),
            PROBE,
        ),
        ("cache", at(identity.cache.as_ref()), PROBE),
        ("timeout", at(identity.timeout.as_ref()), &[Kind::Probe, Kind::Token]),
        ("secret_header", at(identity.secret_header.as_ref()), HEADER),
        ("secret_file", at(identity.secret_file.as_ref()), &[Kind::Header, Kind::Token]),
        ("pass_headers", at(identity.pass_headers.as_ref()), HEADER),
        ("token", at(identity.token.as_ref()), TOKEN),
        ("algorithms", at(identity.algorithms.as_ref()), TOKEN),
        ("keys", at(identity.keys.as_ref()), TOKEN),
        ("keys_file", at(identity.keys_file.as_ref()), TOKEN),
        ("keys_authorities", at(identity.keys_authorities.as_ref()), TOKEN),
        ("refresh", at(identity.refresh.as_ref()), TOKEN),
        ("issuer", at(identity.issuer.as_ref()), TOKEN),
        ("audience", at(identity.audience.as_ref()), TOKEN),
        ("leeway", at(identity.leeway.as_ref()), TOKEN),
    ]
}

fn kind(text: &str) -> Form<Kind> {
    let wrong = || Wrong::new(format!("{text:?} is no identity source"), "\"probe\", \"header\" or \"jwt\"");
    Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(wrong)
}
