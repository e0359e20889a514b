//! A signed token in compact form (RFC 7515, section 7.1): taken apart without a second reading, and checked with a key.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::keys::KeySet;
use crate::config::Algorithm;
use crate::identity::value::parse_json;

/// Longest token, in bytes. Browsers send cookies of 4 KiB at most; fields may be longer.
const LONGEST: usize = 16 << 10;

/// A token that is well formed. Whether it is signed by anybody is another question.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Value,
}

/// Why a token has no reading, or none that is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the token is longer than 16 KiB")]
    TooLong,
    #[error("the token is not three parts in base64url")]
    Parts,
    #[error("the token's header is no JSON object, or a key stands twice in it")]
    Header,
    #[error("the token's claims are no JSON object, or a key stands twice in it")]
    Claims,
    #[error("the token is signed by no algorithm that is known here")]
    Algorithm,
    #[error("the token's header asks for what is not understood here")]
    Critical,
    #[error("the token's header has a key id that is no text")]
    KeyId,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a [u8]) -> Result<Self, Malformed> {
        if token.len() > LONGEST {
            return Err(Malformed::TooLong);
        }
        let token = std::str::from_utf8(token).map_err(|_| Malformed::Parts)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed::Parts)?;
        let (header, claims, signature) = (decoded(header)?, decoded(claims)?, decoded(signature)?);
        let header = object(&header).ok_or(Malformed::Header)?;
        let (algorithm, key_id) = read_header(&header)?;
        let claims = Value::Object(object(&claims).ok_or(Malformed::Claims)?);
        Ok(Self { algorithm, key_id, signed, signature, claims })
    }

    /// What the token says. Nobody vouches for it until [`is_signed_by`](Self::is_signed_by) is true.
    pub(super) const fn claims(&self) -> &Value {
        &self.claims
    }

    /// Whether the set has a key that may have signed it.
    pub(super) fn is_known_to(&self, keys: &KeySet) -> bool {
        keys.fitting(self.algorithm, self.key_id.as_deref()).next().is_some()
    }

    /// Whether a key of the set has signed it.
    pub(super) fn is_signed_by(&self, keys: &KeySet) -> bool {
        let mut fitting = keys.fitting(self.algorithm, self.key_id.as_deref());
        fitting.any(|key| key.verifies(self.signed.as_bytes(), &self.signature))
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Malformed> {
    BASE64URL_NOPAD.decode(part.as_bytes()).ok().filter(|bytes| !bytes.is_empty()).ok_or(Malformed::Parts)
}

fn object(json: &[u8]) -> Option<Map<String, Value>> {
    match parse_json(json) {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    }
}

/// The algorithm and the key's id. Keys that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) are not looked
/// at: whoever makes a token could choose them.
fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), Malformed> {
    // RFC 7515, section 4.1.11: what is critical and not understood makes a token invalid, and here nothing is
    // understood. `b64` (RFC 7797) would have to be critical.
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(Malformed::Critical);
    }
    let name = header.get("alg").and_then(Value::as_str).ok_or(Malformed::Algorithm)?;
    let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
    let key_id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(_) => return Err(Malformed::KeyId),
    };
    Ok((algorithm.ok_or(Malformed::Algorithm)?, key_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str, claims: &str) -> Result<(Algorithm, Option<String>), Malformed> {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let token = format!("{}.{}.{}", part(header), part(claims), part("signature"));
        Jws::parse(token.as_bytes()).map(|jws| (jws.algorithm, jws.key_id))
    }

    #[test]
    fn a_header_has_one_reading_or_the_token_has_none() {
        type Read<'a> = Result<(Algorithm, Option<&'a str>), Malformed>;
        let rows: &[(&str, Read<'_>)] = &[
            (r#"{"alg":"ES256"}"#, Ok((Algorithm::Es256, None))),
            (r#"{"alg":"EdDSA","typ":"JWT","kid":"../../k"}"#, Ok((Algorithm::EdDsa, Some("../../k")))),
            (r#"{"alg":"RS256","kid":"","jku":"https://evil.example","jwk":{}}"#, Ok((Algorithm::Rs256, Some("")))),
            (r#"{"alg":"none"}"#, Err(Malformed::Algorithm)),
            (r#"{"alg":"None"}"#, Err(Malformed::Algorithm)),
            (r#"{"alg":"es256"}"#, Err(Malformed::Algorithm)),
            (r#"{"alg":""}"#, Err(Malformed::Algorithm)),
            (r#"{"alg":["ES256"]}"#, Err(Malformed::Algorithm)),
            (r#"{"alg":null}"#, Err(Malformed::Algorithm)),
            (r#"{"typ":"JWT"}"#, Err(Malformed::Algorithm)),
            (r#"{"alg":"ES256","alg":"none"}"#, Err(Malformed::Header)),
            (r#"{"alg":"none","\u0061lg":"ES256"}"#, Err(Malformed::Header)),
            (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, Err(Malformed::Critical)),
            (r#"{"alg":"ES256","crit":[]}"#, Err(Malformed::Critical)),
            (r#"{"alg":"ES256","b64":false}"#, Err(Malformed::Critical)),
            (r#"{"alg":"ES256","kid":7}"#, Err(Malformed::KeyId)),
            (r#"{"alg":"ES256","kid":null}"#, Err(Malformed::KeyId)),
            (r#"["ES256"]"#, Err(Malformed::Header)),
            ("alg=ES256", Err(Malformed::Header)),
            (r#"{"alg":"ES256"}{}"#, Err(Malformed::Header)),
        ];
        for (header, expected) in rows {
            let expected = expected.map(|(algorithm, id)| (algorithm, id.map(str::to_owned)));
            assert_eq!(parsed(header, "{}"), expected, "{header}");
        }
        for claims in ["null", "[]", "\"a\"", r#"{"sub":"a","sub":"b"}"#, r#"{"a":{"b":1,"b":2}}"#, "{} {}"] {
            assert_eq!(parsed(r#"{"alg":"ES256"}"#, claims), Err(Malformed::Claims), "{claims}");
        }
    }

    #[test]
    fn a_token_is_three_parts_of_base64url_and_nothing_else() {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let (header, claims, signature) = (part(r#"{"alg":"ES256"}"#), part("{}"), part("ab"));
        let good = format!("{header}.{claims}.{signature}");
        assert!(Jws::parse(good.as_bytes()).is_ok());
        let bad = [
            String::new(),
            "..".to_owned(),
            header.clone(),
            format!("{header}.{claims}"),
            format!("{header}.{claims}."),
            format!("{header}..{signature}"),
            format!(".{claims}.{signature}"),
            format!("{good}."),
            format!("{good}.{signature}"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good} "),
            format!("\"{good}\""),
            good.replace('.', ". "),
            good.replace(&signature, "YWK"),
            good.replace(&signature, "+/8"),
            format!("{header}.{claims}.{signature}\u{e9}"),
        ];
        for token in bad {
            assert_eq!(Jws::parse(token.as_bytes()).err(), Some(Malformed::Parts), "{token}");
        }
        assert_eq!(Jws::parse(b"\xff.\xff.\xff").err(), Some(Malformed::Parts));
        let filled = |length: usize| {
            let unsigned = format!("{header}.{claims}.");
            format!("{unsigned}{}", "A".repeat(length - unsigned.len()))
        };
        assert_eq!(Jws::parse(filled(LONGEST).as_bytes()).err(), None);
        assert_eq!(Jws::parse(filled(LONGEST + 1).as_bytes()).err(), Some(Malformed::TooLong));
    }
}
