//! A signed token: where it is, whether it is good, and whom it names.
//!
//! | the request | the verdict |
//! |---|---|
//! | has no token | anonymous; *not carried* where the token lives in a header field, which a page's navigation may not have |
//! | has two of them, or something else in their place; a cookie with another spelling of the name | unknown |
//! | has one that is no token (longer than 16 KiB, a doubled key, `crit`), of an algorithm that is not configured, of a key that is not known, or with a bad signature | unknown |
//! | has one without `exp`, with a time that is none, or not good yet | unknown |
//! | has one that says itself that it is over: no dashboard honors it, whoever signed it | anonymous |
//! | has a good one of another issuer or for another audience, or with values of a wrong type | unknown |
//! | has a good one while no keys can be had | unknown |
//! | has a good one that names a user | identified |
//!
//! A bad token is no proof that nobody is logged in: the dashboard may know a key that is not known here yet.

mod jws;
mod key_source;
pub(crate) mod keys;
pub(crate) mod place;

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use serde_json::Value;

use self::jws::{Jws, Malformed};
pub(crate) use self::key_source::try_out;
use self::key_source::{KeySource, KeysMissing, Need};
use self::keys::KeySet;
use self::place::{Carried, find};
use super::answer::{Reader, Unusable};
use super::complaint::Complaint;
use super::credentials::Carries;
use super::probe::Freshness;
use super::value::Document;
use super::{Identity, Unknown, Verdict};
use crate::clock::Clock;
use crate::config::{self, Bind, Site};
use crate::message::{Fields, RequestHead};
use crate::second_factor::Timestamp;
use crate::second_factor::digests::sha256;

/// How many checked tokens are remembered. Each takes about half a kilobyte.
const MOST_REMEMBERED: usize = 100_000;

/// How long at most; a token that is used more often than that is checked again as often.
const LONGEST_REMEMBERED: Duration = Duration::from_mins(10);

/// Reads the tokens of one site.
#[derive(Debug)]
pub struct Tokens {
    complaint: Complaint,
    rules: config::Token,
    /// The claim that sessions are bound to, if they are bound to one.
    login: Option<String>,
    reader: Reader,
    keys: KeySource,
    checked: Cache<[u8; 32], Checked>,
    clock: Clock,
}

/// A token that was found good, with these keys and until then.
#[derive(Debug, Clone)]
struct Checked {
    at: Timestamp,
    identity: Arc<Identity>,
    keys: Arc<KeySet>,
    times: Times,
}

/// What a good token says.
enum Said {
    Identified(Checked),
    Over,
}

/// Why a token is not believed; for the log, which it must not show up in.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there are several tokens, or something else is in the place of one")]
    NotOne,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Keys(#[from] KeysMissing),
    #[error("no key is known that can have signed the token")]
    UnknownKey,
    #[error("the token's signature is bad")]
    Signature,
    #[error("the token has no {0}, or it is no time")]
    Time(&'static str),
    #[error("the token is not good yet")]
    NotYet,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("what the token says can't be used")]
    Unusable(#[from] Unusable),
}

impl Tokens {
    pub(crate) fn new(site: &Site, rules: config::Token, clock: Clock) -> Self {
        let login = match &site.bind {
            Some(Bind::Claim(pointer)) => Some(pointer.clone()),
            Some(Bind::Cookie(_) | Bind::CookiesBeginning(_) | Bind::Header(_)) | None => None,
        };
        Self {
            complaint: Complaint::new(&site.name, clock.clone()),
            login,
            reader: Reader::new(&site.identity),
            keys: KeySource::new(&site.name, &rules, clock.clone()),
            checked: Cache::new(MOST_REMEMBERED),
            rules,
            clock,
        }
    }

    /// Whom the request's token names, if it was checked before, with the keys as they are now.
    pub(super) fn remembered(&self, head: &RequestHead, freshness: Freshness) -> Option<Arc<Identity>> {
        match (freshness, find(&self.rules.place, head)) {
            (Freshness::Cached, Carried::One(token)) => {
                let checked = self.checked.get(&sha256(token))?;
                let now = self.clock.now();
                let is_recent = checked.at <= now && now < checked.at.plus(LONGEST_REMEMBERED);
                let is_good = is_recent && checked.times.state(now, self.rules.leeway) == State::Good;
                let has_key = self.keys.at_hand().is_some_and(|keys| Arc::ptr_eq(&keys, &checked.keys));
                (is_good && has_key).then_some(checked.identity)
            }
            (Freshness::Fresh, _) | (Freshness::Cached, Carried::Nothing | Carried::NotOne) => None,
        }
    }

    /// Whom the request's token names. `carries` is what the request carries of the site's credentials.
    pub(crate) async fn identify(&self, carries: Carries, head: &RequestHead, freshness: Freshness) -> Verdict {
        let said = match find(&self.rules.place, head) {
            Carried::Nothing => return without_token(carries),
            Carried::NotOne => Err(Refused::NotOne),
            Carried::One(token) => self.check(token, freshness).await,
        };
        match said {
            Ok(Said::Identified(checked)) => Verdict::Identified(checked.identity),
            Ok(Said::Over) => Verdict::Anonymous,
            Err(refused) => {
                self.complaint.make(&refused);
                Verdict::Unknown(match refused {
                    Refused::Keys(_) => Unknown::Unreachable,
                    _ => Unknown::Unusable,
                })
            }
        }
    }

    async fn check(&self, token: &[u8], freshness: Freshness) -> Result<Said, Refused> {
        let jws = Jws::parse(token)?;
        let times = Times::of(jws.claims())?;
        let at = self.clock.now();
        let state = times.state(at, self.rules.leeway);
        if state == State::Over {
            return Ok(Said::Over);
        }
        let keys = self.keys_for(&jws, freshness).await?;
        if !jws.is_signed_by(&keys) {
            return Err(Refused::Signature);
        }
        if state == State::NotYet {
            return Err(Refused::NotYet);
        }
        let identity = Arc::new(self.read(jws.claims())?);
        let checked = Checked { at, identity, keys, times };
        self.checked.insert(sha256(token), checked.clone());
        Ok(Said::Identified(checked))
    }

    async fn keys_for(&self, jws: &Jws<'_>, freshness: Freshness) -> Result<Arc<KeySet>, Refused> {
        let need = match freshness {
            Freshness::Cached => Need::Kept,
            Freshness::Fresh => Need::Fresh,
        };
        let keys = self.keys.keys(need).await?;
        if jws.is_known_to(&keys) {
            return Ok(keys);
        }
        let keys = self.keys.keys(Need::Other(&keys)).await?;
        if jws.is_known_to(&keys) { Ok(keys) } else { Err(Refused::UnknownKey) }
    }

    /// Whom signed claims name, if they are meant for this site.
    fn read(&self, claims: &Value) -> Result<Identity, Refused> {
        if let Some(issuer) = &self.rules.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(Refused::Issuer);
        }
        if !is_for(claims.get("aud"), &self.rules.audience) {
            return Err(Refused::Audience);
        }
        if let Some(pointer) = &self.login
            && login(claims, pointer).is_none()
        {
            return Err(Unusable::Missing("claim that sessions are bound to").into());
        }
        let headers = Fields::new();
        let document = Document { headers: &headers, json: Some(claims.clone()), html: None };
        Ok(self.reader.person(&document)?.ok_or(Unusable::Missing("user"))?)
    }
}

fn without_token(carries: Carries) -> Verdict {
    match carries {
        Carries::Carried | Carries::Nothing => Verdict::Anonymous,
        Carries::NotCarried => Verdict::NotCarried,
    }
}

/// RFC 7519, section 4.1.3: who is not named must refuse a token that names others.
fn is_for(audience: Option<&Value>, own: &[String]) -> bool {
    let is_ours = |name: &Value| own.iter().any(|own| name == own);
    match audience {
        None => own.is_empty(),
        Some(Value::Array(several)) => several.iter().all(Value::is_string) && several.iter().any(is_ours),
        Some(one) => is_ours(one),
    }
}

/// What the request's token says at a pointer, for sessions to be bound to; `None` if it says nothing there.
///
/// Nobody has vouched for it. It is of use only for a request whose verdict names somebody: then the token is good.
pub(super) fn claim(site: &Site, head: &RequestHead, pointer: &str) -> Option<String> {
    let config::Source::Token(rules) = &site.identity.source else { return None };
    let Carried::One(token) = find(&rules.place, head) else { return None };
    login(Jws::parse(token).ok()?.claims(), pointer)
}

fn login(claims: &Value, pointer: &str) -> Option<String> {
    match claims.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// From when and until when a token is good, by its own word.
#[derive(Debug, Clone, Copy)]
struct Times {
    not_before: Option<Timestamp>,
    expires: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotYet,
    Good,
    Over,
}

impl Times {
    fn of(claims: &Value) -> Result<Self, Refused> {
        let time = |name| claims.get(name).map(|value| numeric_date(value).ok_or(Refused::Time(name))).transpose();
        Ok(Self { not_before: time("nbf")?, expires: time("exp")?.ok_or(Refused::Time("exp"))? })
    }

    fn state(self, now: Timestamp, leeway: Duration) -> State {
        if now >= self.expires.plus(leeway) {
            State::Over
        } else if self.not_before.is_some_and(|begin| now < begin.minus(leeway)) {
            State::NotYet
        } else {
            State::Good
        }
    }
}

/// Seconds since 1970, with or without a fraction (RFC 7519, section 2). A fraction is dropped: it makes no difference.
fn numeric_date(value: &Value) -> Option<Timestamp> {
    let number = value.as_number()?;
    if let Some(seconds) = number.as_i64() {
        return Some(Timestamp::from_secs(seconds));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a time that is too far away is the farthest there is")]
    number.as_f64().filter(|seconds| seconds.is_finite()).map(|seconds| Timestamp::from_secs(seconds as i64))
}

#[cfg(test)]
mod tests;
