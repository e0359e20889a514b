//! What signatures are checked with: the public keys of a set (RFC 7517) or of a PEM file, or a shared secret.
//!
//! Each key is made ready for the algorithms it fits and the operator allows, and for no others. A public key never
//! becomes the secret of an HMAC, and a secret in a key set is no key.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use aws_lc_rs::{hmac, rsa};
use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use crate::config::{Algorithm, Secret};
use crate::identity::value::parse_json;

/// How many keys a set may have. Issuers have a handful.
const MOST_KEYS: usize = 100;

/// How many keys of one set are tried on one token at most: ids should be unique.
const MOST_TRIED: usize = 4;

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// One for each algorithm that it may be used with; at least one.
    verifiers: Vec<(Algorithm, Verifier)>,
}

/// A key, ready for one algorithm.
#[derive(Debug)]
pub(super) enum Verifier {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

/// Why there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoKeys {
    /// It is something else.
    #[error("it is neither a JSON Web Key Set nor a public key in PEM")]
    Neither,
    /// More than anybody needs.
    #[error("it has more than 100 keys")]
    TooMany,
    /// There are keys, for something else.
    #[error("it has no public key for the algorithms")]
    Unusable,
}

impl KeySet {
    /// The keys in a text, a JSON Web Key Set or one key in PEM, that fit these algorithms. Others, and what is no key for
    /// signatures, are left out.
    pub(crate) fn parse(text: &str, algorithms: &[Algorithm]) -> Result<Self, NoKeys> {
        let keys = if text.contains("-----BEGIN ") {
            from_pem(text, algorithms)?
        } else {
            from_set(text.as_bytes(), algorithms)?
        };
        if keys.is_empty() { Err(NoKeys::Unusable) } else { Ok(Self(keys)) }
    }

    /// A secret that the issuer has, too.
    pub(crate) fn shared(secret: &Secret, algorithms: &[Algorithm]) -> Self {
        let verifier = |algorithm: &Algorithm| {
            let hash = match algorithm {
                Algorithm::Hs256 => hmac::HMAC_SHA256,
                Algorithm::Hs384 => hmac::HMAC_SHA384,
                Algorithm::Hs512 => hmac::HMAC_SHA512,
                _ => return None,
            };
            Some((*algorithm, Verifier::Secret(Box::new(hmac::Key::new(hash, secret.expose())))))
        };
        Self(vec![Key { id: None, verifiers: algorithms.iter().filter_map(verifier).collect() }])
    }

    /// The keys that a token of this algorithm and key id may be signed with.
    ///
    /// Those of that id. A token without an id, or a key without one, is told by the algorithm alone, if that leaves no
    /// choice.
    pub(super) fn fitting<'a>(
        &'a self,
        algorithm: Algorithm,
        id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Verifier> + 'a {
        let of_algorithm = move |key: &'a Key| Some((&key.id, key.verifier(algorithm)?));
        let named = move || {
            let is_named = move |key: &Option<String>| id.is_some() && key.as_deref() == id;
            self.0.iter().filter_map(of_algorithm).filter(move |(key, _)| is_named(key)).take(MOST_TRIED)
        };
        let nameless = move || {
            let candidates = self.0.iter().filter_map(of_algorithm);
            let mut candidates = candidates.filter(move |(key, _)| id.is_none() || key.is_none());
            candidates.next().filter(|_| candidates.next().is_none())
        };
        let only = if named().next().is_none() { nameless() } else { None };
        named().chain(only).map(|(_, verifier)| verifier)
    }
}

impl Key {
    fn new(id: Option<String>, algorithms: &[Algorithm], bytes: impl Fn(Algorithm) -> Option<Vec<u8>>) -> Option<Self> {
        let verifier = |algorithm: &Algorithm| {
            let key = ParsedPublicKey::new(checked_by(*algorithm)?, bytes(*algorithm)?).ok()?;
            Some((*algorithm, Verifier::Public(key)))
        };
        let verifiers: Vec<_> = algorithms.iter().filter_map(verifier).collect();
        (!verifiers.is_empty()).then_some(Self { id, verifiers })
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.verifiers.iter().find(|(of, _)| *of == algorithm).map(|(_, verifier)| verifier)
    }
}

impl Verifier {
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(signed, signature).is_ok(),
            Self::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
        }
    }
}

/// Which keys and signatures an algorithm has: RSA of 2048 bits or more; `None` for those with a secret.
fn checked_by(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
        Algorithm::EdDsa => &signature::ED25519,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
    })
}

fn from_pem(text: &str, algorithms: &[Algorithm]) -> Result<Vec<Key>, NoKeys> {
    let mut found = SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes());
    let (Some(Ok(key)), None) = (found.next(), found.next()) else { return Err(NoKeys::Neither) };
    Ok(Key::new(None, algorithms, |_| Some(key.to_vec())).into_iter().collect())
}

fn from_set(json: &[u8], algorithms: &[Algorithm]) -> Result<Vec<Key>, NoKeys> {
    let set = parse_json(json).map_err(|_| NoKeys::Neither)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(NoKeys::Neither)?;
    if keys.len() > MOST_KEYS {
        return Err(NoKeys::TooMany);
    }
    Ok(keys.iter().filter_map(|key| from_jwk(key, algorithms)).collect())
}

/// One key of a set, if it is one for signatures and fits an algorithm (RFC 7517, section 4, and RFC 7518, section 6).
fn from_jwk(key: &Value, algorithms: &[Algorithm]) -> Option<Key> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let is_for_signatures = key.get("use").is_none_or(|of| of == "sig")
        && key.get("key_ops").is_none_or(|of| of.as_array().is_some_and(|of| of.iter().any(|one| one == "verify")));
    let own = match key.get("alg") {
        None => algorithms.to_vec(),
        Some(own) => algorithms.iter().copied().filter(|algorithm| own == algorithm.as_str()).collect(),
    };
    let id = match key.get("kid") {
        None => None,
        Some(id) => Some(id.as_str()?.to_owned()),
    };
    let number = |name: &str| BASE64URL_NOPAD.decode(text(name)?.as_bytes()).ok();
    let bytes = |algorithm| match algorithm {
        Algorithm::Es256 => point((text("kty")?, text("crv")?), ("P-256", 32), [number("x")?, number("y")?]),
        Algorithm::Es384 => point((text("kty")?, text("crv")?), ("P-384", 48), [number("x")?, number("y")?]),
        Algorithm::Es512 => point((text("kty")?, text("crv")?), ("P-521", 66), [number("x")?, number("y")?]),
        Algorithm::EdDsa if (text("kty"), text("crv")) == (Some("OKP"), Some("Ed25519")) => {
            number("x").filter(|x| x.len() == 32)
        }
        Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
            if text("kty") == Some("RSA") =>
        {
            modulus(&number("n")?, &number("e")?)
        }
        _ => None,
    };
    if is_for_signatures { Key::new(id, &own, bytes) } else { None }
}

/// An uncompressed point of a curve (SEC 1, section 2.3.3).
fn point((kind, of): (&str, &str), (curve, length): (&str, usize), [x, y]: [Vec<u8>; 2]) -> Option<Vec<u8>> {
    let fits = kind == "EC" && of == curve && x.len() == length && y.len() == length;
    fits.then(|| [&[4][..], &x, &y].concat())
}

/// An RSA key in DER. Some issuers put a zero before a number, as ASN.1 has it. Shorter ones than 2048 bits are refused
/// when a signature is checked; here already, so that they count as none.
fn modulus(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    let [n, e] = [n, e].map(|number| &number[number.iter().take_while(|byte| **byte == 0).count()..]);
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    if bits < 2048 {
        return None;
    }
    let key: rsa::PublicKeyComponents<&[u8]> = RsaPublicKeyComponents { n, e };
    key.as_der().ok().map(|der| der.as_ref().to_vec())
}
