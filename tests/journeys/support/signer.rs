//! Whoever signs tokens: with keys of every kind, and whatever one wants signed.

#![expect(clippy::disallowed_types, reason = "signing takes randomness, and no test depends on which")]

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

/// Somebody with a key.
pub(crate) struct Signer {
    algorithm: &'static str,
    id: String,
    key: Key,
}

enum Key {
    Curve(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    Secret(Vec<u8>),
}

impl Signer {
    /// With a new key of that id, for `ES256`, `ES384`, `ES512`, `EdDSA`, `RS256` or `PS256`.
    pub(crate) fn new(algorithm: &'static str, id: &str) -> Self {
        let key = match algorithm {
            "ES256" => Key::Curve(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")),
            "ES384" => Key::Curve(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key")),
            "ES512" => Key::Curve(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).expect("a key")),
            "EdDSA" => Key::Edwards(Ed25519KeyPair::generate().expect("a key")),
            "RS256" | "PS256" => Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
            other => panic!("no keys for {other}"),
        };
        Self { algorithm, id: id.to_owned(), key }
    }

    /// With a secret, for `HS256`.
    pub(crate) fn with_secret(secret: &[u8]) -> Self {
        Self { algorithm: "HS256", id: String::new(), key: Key::Secret(secret.to_vec()) }
    }

    /// The public key, as a member of a set.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            Key::Curve(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                // A number of 521 bits takes 66 bytes.
                let bits = (x.len() * 8).min(521);
                json!({ "kty": "EC", "crv": format!("P-{bits}"), "x": encoded(x), "y": encoded(y) })
            }
            Key::Edwards(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref()) })
            }
            // A modulus of 2048 bits stands behind 33 bytes that are always the same.
            Key::Rsa(_) => json!({ "kty": "RSA", "n": encoded(&self.der()[33..289]), "e": "AQAB" }),
            Key::Secret(secret) => json!({ "kty": "oct", "k": encoded(secret) }),
        };
        jwk["kid"] = json!(self.id);
        jwk
    }

    /// The public key in PEM.
    pub(crate) fn pem(&self) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&self.der()))
    }

    fn der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &self.key {
            Key::Curve(pair) => pair.public_key().as_der().expect("DER"),
            Key::Edwards(pair) => pair.public_key().as_der().expect("DER"),
            Key::Rsa(pair) => pair.public_key().as_der().expect("DER"),
            Key::Secret(_) => panic!("a secret is not public"),
        };
        der.as_ref().to_vec()
    }

    /// A token that says this.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.algorithm, "typ": "JWT", "kid": self.id }), claims)
    }

    /// A token with another header. It is signed as the key can sign, whatever the header says.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token of these very texts.
    pub(crate) fn token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        let signature = encoded(&self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Curve(pair) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Key::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
            Key::Rsa(pair) => {
                let padding = if self.algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).expect("signed");
                signature
            }
            Key::Secret(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec(),
        }
    }
}

/// A set of the public keys of these.
pub(crate) fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// In base64url without padding.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
