//! A login in front of the gateway: its fields, and what it proves itself by.

use std::ops::Range;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};

use crate::config::check::finding::{Check, Checked, Form};
use crate::config::check::named_file::secret;
use crate::config::file::{self, Section};
use crate::config::problem::Wrong;
use crate::config::{AdminRule, Identity, OuterLogin, Server, SharedSecret, Source, Value};

/// Fields that a login in front can't speak in: they have a meaning of their own, or are the gateway's to set.
const TAKEN: [HeaderName; 14] = [
    http::header::HOST,
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::CONTENT_TYPE,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
    http::header::TE,
    http::header::TRAILER,
    http::header::EXPECT,
    http::header::VIA,
    COOKIE,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
];

impl Check<'_> {
    pub(super) fn outer_login(&mut self, table: Range<usize>, identity: &file::Identity) -> Checked<OuterLogin> {
        let passed = identity.pass_headers.as_ref().map_or(&[][..], |list| list.get_ref().as_slice());
        let fields = self.list("site.identity.pass_headers", passed, login_field);
        let secret = self.shared_secret(table, identity);
        let (fields, secret) = (fields?, secret?);
        Ok(OuterLogin { fields, secret })
    }

    fn shared_secret(&mut self, table: Range<usize>, identity: &file::Identity) -> Checked<Option<SharedSecret>> {
        let (field, file) = (identity.secret_header.as_ref(), identity.secret_file.as_ref());
        if field.is_none() && file.is_none() {
            return Ok(None);
        }
        let folder = self.folder;
        let field = self
            .present("site.identity.secret_header", table.clone(), field, "secret_header = \"X-Login-Secret\"")
            .and_then(|name| self.one("site.identity.secret_header", name, secret_field));
        let value = self
            .present("site.identity.secret_file", table, file, "secret_file = \"login.secret\"")
            .and_then(|file| self.one("site.identity.secret_file", file, |text| secret(text, folder)));
        Ok(Some(SharedSecret { field: field?, value: value? }))
    }

    /// What the dashboard gets to see is no secret.
    pub(super) fn secret_is_one(&mut self, meant: &Identity, identity: &file::Identity) -> Checked<()> {
        let Source::Header(OuterLogin { fields, secret: Some(secret) }) = &meant.source else { return Ok(()) };
        let Some(written) = identity.secret_header.as_ref().filter(|_| fields.contains(&secret.field)) else {
            return Ok(());
        };
        let wrong = Wrong::new("this field is passed on to the dashboard", "a field of its own for the secret");
        Err(self.report(written.span(), "site.identity.secret_header", wrong))
    }

    /// Whether anybody can be believed to be the login in front of that site.
    pub(in crate::config::check) fn nobody_vouches(
        &mut self,
        written: &Section<file::Site>,
        identity: &Identity,
        server: &Server,
    ) {
        let Source::Header(login) = &identity.source else { return };
        let table = written.get_ref().identity.as_ref();
        let Some(source) = table.and_then(|table| table.get_ref().source.as_ref()) else { return };
        let proxies = &server.trusted_proxies;
        let wrong = if proxies.networks.is_empty() && !proxies.unix {
            Wrong::new("nobody is trusted to say who has logged in", "the login in front in server.trusted_proxies")
        } else if login.secret.is_some() {
            return;
        } else if server.proxy_protocol {
            Wrong::new(
                "with server.proxy_protocol, where a request comes from is what a balancer says",
                "a secret that the login in front shows: secret_header and secret_file",
            )
        } else if !proxies.unix && !proxies.networks.iter().any(|network| network.addr().is_loopback()) {
            Wrong::new(
                "none of server.trusted_proxies is on this machine, and none on another is believed without a secret",
                "a secret that the login in front shows: secret_header and secret_file",
            )
        } else {
            return;
        };
        self.report(source.span(), "site.identity.source", wrong);
    }
}

/// The values are in fields that the login in front alone may set.
pub(super) fn add_fields_of_values(identity: &mut Identity) {
    let Source::Header(login) = &mut identity.source else { return };
    let marks = match &identity.admin {
        AdminRule::Marked { value, .. } => Some(value),
        AdminRule::Nobody | AdminRule::Users(_) => None,
    };
    let values = [Some(&identity.user), identity.email.as_ref(), identity.name.as_ref(), Some(&identity.organization)];
    for value in values.into_iter().chain([marks]).flatten() {
        if let Value::Header(field) = value
            && !login.fields.contains(field)
        {
            login.fields.push(field.clone());
        }
    }
}

/// A field that the login in front sets, and that nobody else may.
pub(super) fn login_field(text: &str) -> Form<HeaderName> {
    let name = secret_field(text)?;
    if name == AUTHORIZATION {
        let right = "the field in which the login in front names the user, as \"X-Forwarded-User\"";
        return Err(Wrong::new(format!("{text:?} holds a password or a token, no name"), right));
    }
    Ok(name)
}

fn secret_field(text: &str) -> Form<HeaderName> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let name = HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| text.bytes().all(plain)).ok_or_else(|| {
        let right = "letters, digits and \"-\", as \"X-Forwarded-User\": fields with other names are dropped";
        Wrong::new(format!("{text:?} is no name of a field"), right)
    })?;
    if TAKEN.contains(&name) || name.as_str().starts_with("x-vestibule") {
        let right = "a field that the login in front alone sets, as \"X-Forwarded-User\"";
        return Err(Wrong::new(format!("{text:?} means something else"), right));
    }
    Ok(name)
}
