//! A signed token: where it is, what it has to be like, and which keys check it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::probe::LONGEST_TIMEOUT;
use crate::config::check::address::{self, Origin};
use crate::config::check::finding::{Check, Checked, Form, Reported};
use crate::config::check::named_file::{certificates, contents, file_path, secret};
use crate::config::check::site::{cookie_name, credential_header, upstream_address};
use crate::config::check::{duration, path};
use crate::config::problem::Wrong;
use crate::config::{Algorithm, Keys, KeysAddress, Token, TokenPlace, default, file};
use crate::identity::token::keys::KeySet;

const LONGEST_REFRESH: Duration = Duration::from_hours(24);
const LONGEST_LEEWAY: Duration = Duration::from_mins(2);

impl Check<'_> {
    pub(super) fn token(&mut self, table: Range<usize>, identity: &file::Identity) -> Checked<Token> {
        let place = self
            .present("site.identity.token", table.clone(), identity.token.as_ref(), "token = \"cookie:NAME\"")
            .and_then(|text| self.one("site.identity.token", text, place));
        let algorithms = self.algorithms(table.clone(), identity);
        let keys = self.keys(table.clone(), identity, algorithms.as_deref().ok());
        let issuer = self.optional("site.identity.issuer", identity.issuer.as_ref(), name);
        let audience = match &identity.audience {
            Some(written) => self.list("site.identity.audience", &file::OneOrMore::each(written), name),
            None => Ok(Vec::new()),
        };
        if identity.keys.is_some() || identity.keys_file.is_some() {
            self.is_meant_for_us(table, identity);
        }
        let leeway = duration::up_to(LONGEST_LEEWAY);
        let leeway = self.optional("site.identity.leeway", identity.leeway.as_ref(), leeway);
        Ok(Token {
            place: place?,
            algorithms: algorithms?,
            keys: keys?,
            issuer: issuer?,
            audience: audience?,
            leeway: leeway?.unwrap_or(default::TOKEN_LEEWAY),
        })
    }

    /// An issuer signs for many. A token for another application must not be good here.
    fn is_meant_for_us(&mut self, table: Range<usize>, identity: &file::Identity) {
        let issuer = identity.issuer.as_ref();
        let _ = self.present("site.identity.issuer", table.clone(), issuer, "issuer = \"https://login.example\"");
        let audience = identity.audience.as_ref();
        let _ = self.present("site.identity.audience", table, audience, "audience = \"insights\"");
    }

    fn algorithms(&mut self, table: Range<usize>, identity: &file::Identity) -> Checked<Vec<Algorithm>> {
        let (key, example) = ("site.identity.algorithms", "algorithms = [\"ES256\"]");
        let written = self.present(key, table.clone(), identity.algorithms.as_ref(), example)?;
        let list = self.not_empty(key, table, written, "what tokens are signed with, as \"ES256\"")?;
        let has_secret = identity.secret_file.is_some();
        self.list(key, list, |text| {
            let algorithm = algorithm(text)?;
            match (algorithm.is_symmetric(), has_secret) {
                (true, false) => Err(Wrong::new(
                    format!("{text:?} is signed with a secret, and there is none"),
                    "secret_file, or an algorithm with public keys, as \"ES256\"",
                )),
                (false, true) => Err(Wrong::new(
                    format!("{text:?} is checked with a public key, and secret_file is none"),
                    "\"HS256\", \"HS384\" or \"HS512\"; or keys or keys_file instead of secret_file",
                )),
                (true, true) | (false, false) => Ok(algorithm),
            }
        })
    }

    /// One of the three ways to say them.
    fn keys(
        &mut self,
        table: Range<usize>,
        identity: &file::Identity,
        algorithms: Option<&[Algorithm]>,
    ) -> Checked<Keys> {
        let folder = self.folder;
        if identity.keys.is_none() {
            self.needs_address("site.identity.keys_authorities", identity.keys_authorities.as_ref().map(Spanned::span));
            self.needs_address("site.identity.refresh", identity.refresh.as_ref().map(Spanned::span));
            self.needs_address("site.identity.timeout", identity.timeout.as_ref().map(Spanned::span));
        }
        match (&identity.keys, &identity.keys_file, &identity.secret_file) {
            (Some(address), None, None) => self.keys_address(address, identity).map(Keys::Address),
            (None, Some(file), None) => {
                self.one("site.identity.keys_file", file, |text| key_file(text, folder, algorithms)).map(Keys::Text)
            }
            (None, None, Some(file)) => {
                self.one("site.identity.secret_file", file, |text| secret(text, folder)).map(Keys::Secret)
            }
            (None, None, None) => {
                if !["keys", "keys_file", "secret_file"].iter().any(|name| self.is_excused(table.start, name)) {
                    let right = "add keys = \"https://login.example/jwks.json\", keys_file or secret_file";
                    self.report(table, "site.identity.keys", Wrong::new("missing key \"keys\"", right));
                }
                Err(Reported)
            }
            _ => {
                let wrong = Wrong::new("keys are named in several ways", "one of keys, keys_file and secret_file");
                Err(self.report(table, "site.identity.keys", wrong))
            }
        }
    }

    fn needs_address(&mut self, key: &str, written: Option<Range<usize>>) {
        if let Some(span) = written {
            let wrong = Wrong::new("no keys are fetched", "leave it out, or keys = \"https://…\"");
            self.report(span, key, wrong);
        }
    }

    fn keys_address(&mut self, written: &file::Text, identity: &file::Identity) -> Checked<KeysAddress> {
        let folder = self.folder;
        let address = self.one("site.identity.keys", written, |text| keys_address(text, folder));
        let authorities = identity.keys_authorities.as_ref();
        let authorities =
            self.optional("site.identity.keys_authorities", authorities, |text| certificates(text, folder));
        let refresh = duration::positive(LONGEST_REFRESH);
        let refresh = self.optional("site.identity.refresh", identity.refresh.as_ref(), refresh);
        let timeout = duration::positive(LONGEST_TIMEOUT);
        let timeout = self.optional("site.identity.timeout", identity.timeout.as_ref(), timeout);
        let ((origin, host, target), authorities) = (address?, authorities?);
        if let (Some(written), Origin::Http(..) | Origin::Unix(_)) = (&identity.keys_authorities, &origin) {
            let wrong = Wrong::new("no certificate is shown: the address is not https", "leave it out");
            return Err(self.report(written.span(), "site.identity.keys_authorities", wrong));
        }
        Ok(KeysAddress {
            server: upstream_address(origin, None, authorities),
            host,
            target,
            refresh: refresh?.unwrap_or(default::KEYS_REFRESH),
            timeout: timeout?.unwrap_or(default::IDENTITY_TIMEOUT),
        })
    }
}

fn place(text: &str) -> Form<TokenPlace> {
    if text == "authorization" {
        return Ok(TokenPlace::Bearer);
    }
    if let Some(name) = text.strip_prefix("cookie:") {
        return cookie_name(name).map(TokenPlace::Cookie);
    }
    let right = "\"cookie:NAME\", \"authorization\" or \"header:NAME\"";
    let Some(name) = text.strip_prefix("header:") else {
        return Err(Wrong::new(format!("{text:?} is no place for a token"), right));
    };
    let name = credential_header(name)?;
    match name.as_str() {
        "authorization" => Err(Wrong::new(format!("{text:?} has a word of its own"), "\"authorization\"")),
        spelled if ["x-forwarded-", "x-original-", "x-envoy-"].iter().any(|start| spelled.starts_with(start)) => {
            Err(Wrong::new(format!("{text:?} never comes by: the gateway strips it"), "a field with another name"))
        }
        _ => Ok(TokenPlace::Header(name)),
    }
}

fn algorithm(text: &str) -> Form<Algorithm> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or_else(|| {
        let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
        Wrong::new(format!("{text:?} is no algorithm that tokens can be trusted with"), names.join(", "))
    })
}

/// An issuer or an audience: compared byte for byte.
fn name(text: &str) -> Form<String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Wrong::new(format!("{text:?} names nobody"), "what the token says, to the letter"));
    }
    Ok(text.to_owned())
}

fn key_file(text: &str, folder: &Path, algorithms: Option<&[Algorithm]>) -> Form<Arc<str>> {
    let path = file_path(text, folder)?;
    let right = "a JSON Web Key Set, or one public key in PEM (BEGIN PUBLIC KEY), for one of the algorithms";
    let wrong = |what: &str| Wrong::new(format!("{} can't be used: {what}", path.display()), right);
    let keys = String::from_utf8(contents(&path)?).map_err(|_| wrong("it is no text"))?;
    if let Some(algorithms) = algorithms {
        KeySet::parse(&keys, algorithms).map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(keys.into())
}

/// `https://host[:port]/path`, the same with `http` on this machine, or `unix:/socket:/path`.
fn keys_address(text: &str, folder: &Path) -> Form<(Origin, String, String)> {
    let right = "\"https://host/path\", \"http://127.0.0.1:port/path\" or \"unix:/socket:/path\"";
    let wrong = |what: String| Wrong::new(what, right);
    let no_address = || wrong(format!("{text:?} is no address of keys"));
    let (server, target) = if let Some((scheme, rest)) = text.split_once("://") {
        let end = rest.find('/').ok_or_else(no_address)?;
        text.split_at(scheme.len() + "://".len() + end)
    } else {
        let at = text.rfind(":/").filter(|at| *at > "unix:".len()).ok_or_else(no_address)?;
        (&text[..at], &text[at + 1..])
    };
    let target = path::target(target)?;
    let origin = address::upstream(server, folder).map_err(|found| wrong(found.what))?;
    let host = match &origin {
        Origin::Http(host, _) if !host.is_on_this_machine() => {
            return Err(wrong("over plain HTTP, whoever is on the way could exchange the keys".to_owned()));
        }
        Origin::Http(..) | Origin::Https(..) => {
            server.split_once("://").map_or("", |(_, authority)| authority).to_owned()
        }
        Origin::Unix(_) => "localhost".to_owned(),
    };
    Ok((origin, host, target))
}
