use std::sync::atomic::Ordering;

use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::config::{Algorithm, Credential, Keys, Secret, Source, TokenPlace, Value as Place};
use crate::message::Fields;
use crate::site::sample;

#[path = "../../../tests/journeys/support/signer.rs"]
mod signer;

use signer::{Signer, encoded, key_set};

/// Seconds since 1970.
const NOW: i64 = 1_800_000_000;

fn rules(algorithms: &[Algorithm], keys: Keys) -> config::Token {
    config::Token {
        place: TokenPlace::Bearer,
        algorithms: algorithms.to_vec(),
        keys,
        issuer: Some("https://login.example".into()),
        audience: vec!["insights".into(), "reports".into()],
        leeway: Duration::from_secs(10),
    }
}

fn site(token: config::Token) -> Site {
    let identity = config::Identity {
        source: Source::Token(token),
        user: Place::Pointer("/sub".into()),
        organization: Place::Pointer("/org".into()),
        ..sample::identity()
    };
    Site { identity, credentials: vec![Credential::Header(http::header::AUTHORIZATION)], ..sample::site() }
}

fn tokens(algorithms: &[Algorithm], keys: Keys) -> Tokens {
    let rules = rules(algorithms, keys);
    Tokens::new(&site(rules.clone()), rules, Clock::from_fn(|| Timestamp::from_secs(NOW)))
}

fn with_set(algorithms: &[Algorithm], signers: &[&Signer]) -> Tokens {
    tokens(algorithms, Keys::Text(key_set(signers).into()))
}

fn good() -> Value {
    json!({ "sub": "u7", "org": "acme", "iss": "https://login.example", "aud": "insights", "exp": NOW + 60 })
}

/// The same with something else in it.
fn but(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

fn head(token: &str) -> RequestHead {
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).expect("a field value");
    RequestHead { headers: Fields::from_iter([(http::header::AUTHORIZATION, value)]), ..RequestHead::default() }
}

/// What is said of whoever shows the token, in a word.
async fn said(tokens: &Tokens, token: &str) -> String {
    match tokens.check(token.as_bytes(), Freshness::Cached).await {
        Ok(Said::Identified(checked)) => checked.identity.user.clone(),
        Ok(Said::Over) => "anonymous".into(),
        Err(refused) => refused.to_string(),
    }
}

#[tokio::test]
async fn a_token_of_every_kind_is_checked_with_the_key_of_its_id() {
    let kinds = [
        ("ES256", Algorithm::Es256),
        ("ES384", Algorithm::Es384),
        ("ES512", Algorithm::Es512),
        ("EdDSA", Algorithm::EdDsa),
        ("RS256", Algorithm::Rs256),
        ("PS256", Algorithm::Ps256),
    ];
    for (name, algorithm) in kinds {
        let (signer, other) = (Signer::new(name, "1"), Signer::new(name, "2"));
        let set = with_set(&[algorithm], &[&other, &signer]);
        assert_eq!(said(&set, &signer.token(&good())).await, "u7", "{name}");
        let forged = Signer::new(name, "1").token(&good());
        assert_eq!(said(&set, &forged).await, "the token's signature is bad", "{name}");
        let unknown = Signer::new(name, "3").token(&good());
        assert_eq!(said(&set, &unknown).await, "no key is known that can have signed the token", "{name}");

        let pem = tokens(&[algorithm], Keys::Text(signer.pem().into()));
        assert_eq!(said(&pem, &signer.token(&good())).await, "u7", "{name} in PEM");
        assert_eq!(said(&pem, &forged).await, "the token's signature is bad", "{name} in PEM");
    }
}

#[tokio::test]
async fn not_a_bit_of_a_token_can_be_changed() {
    let signer = Signer::new("ES256", "1");
    let tokens = with_set(&[Algorithm::Es256], &[&signer]);
    let token = signer.token(&good());
    let parts: Vec<_> = token.split('.').collect();
    let admin = encoded(but("sub", json!("u8")).to_string().as_bytes());
    assert_ne!(said(&tokens, &format!("{}.{admin}.{}", parts[0], parts[2])).await, "u8");
    for at in (0..token.len()).step_by(3) {
        for other in ['A', 'B', 'z', '-'] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, &other.to_string());
            if changed != token {
                assert!(!said(&tokens, &changed).await.starts_with('u'), "{changed}");
            }
        }
    }
}

#[tokio::test]
async fn the_algorithm_is_the_operators_to_choose() {
    let rsa = Signer::new("RS256", "1");
    let unsigned = format!("{}.{}.", encoded(br#"{"alg":"none"}"#), encoded(good().to_string().as_bytes()));
    let set = with_set(&[Algorithm::Rs256], &[&rsa]);
    assert_eq!(said(&set, &rsa.token(&good())).await, "u7");
    assert!(!said(&set, &unsigned).await.starts_with('u'));
    assert!(!said(&set, &format!("{unsigned}AA")).await.starts_with('u'));
    let named = |algorithm: &str| rsa.token_with(&json!({ "alg": algorithm, "kid": "1" }), &good());
    for algorithm in ["none", "PS256", "RS384", "ES256", "HS256", "rs256"] {
        assert!(!said(&set, &named(algorithm)).await.starts_with('u'), "{algorithm}");
    }

    // What is public makes no secret, in whatever form somebody has it.
    let set = key_set(&[&rsa]);
    for secret in [rsa.pem(), rsa.pem().trim().to_owned(), set.clone(), rsa.jwk()["n"].to_string()] {
        let forged = Signer::with_secret(secret.as_bytes());
        for keys in [set.clone(), rsa.pem()] {
            let all: Vec<_> = Algorithm::ALL.to_vec();
            let tokens = tokens(&all, Keys::Text(keys.into()));
            assert_eq!(said(&tokens, &rsa.token(&good())).await, "u7");
            assert!(!said(&tokens, &forged.token(&good())).await.starts_with('u'));
        }
    }
}

#[tokio::test]
async fn a_shared_secret_is_for_the_algorithms_with_one_alone() {
    let secret = b"32 bytes that nobody else knows!";
    let tokens = tokens(&[Algorithm::Hs256], Keys::Secret(Secret::new(secret.to_vec())));
    assert_eq!(said(&tokens, &Signer::with_secret(secret).token(&good())).await, "u7");
    assert_eq!(said(&tokens, &Signer::with_secret(b"another").token(&good())).await, "the token's signature is bad");
    let other = Signer::new("ES256", "").token(&good());
    assert_eq!(said(&tokens, &other).await, "no key is known that can have signed the token");
}

#[test]
fn a_shared_secret_signs_with_the_hash_that_its_algorithm_names() {
    use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
    let secret = b"32 bytes that nobody else knows!";
    let hashes = [(Algorithm::Hs256, HMAC_SHA256), (Algorithm::Hs384, HMAC_SHA384), (Algorithm::Hs512, HMAC_SHA512)];
    let set = KeySet::shared(&Secret::new(secret.to_vec()), &Algorithm::ALL);
    for (algorithm, _) in hashes {
        for (signed_by, hash) in hashes {
            let signature = hmac::sign(&hmac::Key::new(hash, secret), b"signed");
            let mut keys = set.fitting(algorithm, None);
            let is_good = keys.any(|key| key.verifies(b"signed", signature.as_ref()));
            assert_eq!(is_good, algorithm == signed_by, "{signed_by:?} for {algorithm:?}");
        }
    }
    assert!(set.fitting(Algorithm::Es256, None).next().is_none(), "of the algorithms with a secret alone");
}

#[tokio::test]
async fn a_token_is_meant_for_this_site_and_for_now() {
    let signer = Signer::new("ES256", "1");
    let tokens = with_set(&[Algorithm::Es256], &[&signer]);
    let rows = [
        (good(), "u7"),
        (but("aud", json!(["other", "reports"])), "u7"),
        (but("aud", json!("other")), "the token is for another audience"),
        (but("aud", json!([])), "the token is for another audience"),
        (but("aud", json!(["insights", 7])), "the token is for another audience"),
        (but("aud", json!("INSIGHTS")), "the token is for another audience"),
        (without("aud"), "the token is for another audience"),
        (but("iss", json!("https://login.example/")), "the token is of another issuer"),
        (but("iss", json!(["https://login.example"])), "the token is of another issuer"),
        (without("iss"), "the token is of another issuer"),
        (but("exp", json!(NOW)), "u7"),
        (but("exp", json!(NOW - 9)), "u7"),
        (but("exp", json!(NOW - 10)), "anonymous"),
        (but("exp", json!(0)), "anonymous"),
        (but("exp", json!(-1)), "anonymous"),
        (but("exp", json!(1_800_000_000.5)), "u7"),
        (but("exp", json!(i64::MAX)), "u7"),
        (but("exp", json!(1e300)), "u7"),
        (without("exp"), "the token has no exp, or it is no time"),
        (but("exp", json!(null)), "the token has no exp, or it is no time"),
        (but("exp", json!("1900000000")), "the token has no exp, or it is no time"),
        (but("nbf", json!(NOW + 10)), "u7"),
        (but("nbf", json!(NOW + 11)), "the token is not good yet"),
        (but("nbf", json!(true)), "the token has no nbf, or it is no time"),
        (without("sub"), "what the token says can't be used"),
        (but("sub", json!("")), "what the token says can't be used"),
        (but("sub", json!(["u7"])), "what the token says can't be used"),
        (but("sub", json!("u\n7")), "what the token says can't be used"),
        (but("sub", json!(17)), "17"),
        (without("org"), "what the token says can't be used"),
        (but("org", json!("a".repeat(257))), "what the token says can't be used"),
    ];
    for (claims, expected) in rows {
        assert_eq!(said(&tokens, &signer.token(&claims)).await, expected, "{claims}");
    }
}

#[tokio::test]
async fn a_token_that_is_over_by_its_own_word_is_nobodys_whoever_signed_it() {
    let tokens = with_set(&[Algorithm::Es256], &[&Signer::new("ES256", "1")]);
    let gone = Signer::new("ES256", "gone");
    assert_eq!(said(&tokens, &gone.token(&but("exp", json!(NOW - 60)))).await, "anonymous");
    assert_eq!(said(&tokens, &gone.token(&good())).await, "no key is known that can have signed the token");
}

#[tokio::test]
async fn a_key_that_signs_for_one_application_needs_no_names() {
    let signer = Signer::new("EdDSA", "1");
    let rules = config::Token {
        issuer: None,
        audience: Vec::new(),
        ..rules(&[Algorithm::EdDsa], Keys::Text(signer.pem().into()))
    };
    let tokens = Tokens::new(&site(rules.clone()), rules, Clock::from_fn(|| Timestamp::from_secs(NOW)));
    assert_eq!(said(&tokens, &signer.token(&without("aud"))).await, "u7");
    assert_eq!(said(&tokens, &signer.token(&good())).await, "the token is for another audience");
}

#[tokio::test]
async fn a_token_without_a_key_id_is_told_by_its_algorithm_if_that_leaves_no_choice() {
    let (one, two, other) = (Signer::new("ES256", "1"), Signer::new("ES256", "2"), Signer::new("EdDSA", "3"));
    let token = one.token_with(&json!({ "alg": "ES256" }), &good());
    let both = [Algorithm::Es256, Algorithm::EdDsa];
    assert_eq!(said(&with_set(&both, &[&one, &other]), &token).await, "u7");
    assert_ne!(said(&with_set(&both, &[&one, &two]), &token).await, "u7", "one of two");
    let named = one.token_with(&json!({ "alg": "ES256", "kid": "9" }), &good());
    assert_ne!(said(&with_set(&both, &[&one]), &named).await, "u7", "of another id");
    let nameless = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": one.jwk()["x"], "y": one.jwk()["y"] }] });
    let nameless = tokens(&both, Keys::Text(nameless.to_string().into()));
    assert_eq!(said(&nameless, &named).await, "u7", "the only key, which has none");
}

#[test]
fn keys_that_are_for_something_else_are_left_out() {
    let signer = Signer::new("RS256", "1");
    let with = |name: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        json!({ "keys": [jwk] }).to_string()
    };
    let usable = |text: &str| KeySet::parse(text, &[Algorithm::Rs256]).map(drop);
    for good in [
        with("use", json!("sig")),
        with("alg", json!("RS256")),
        with("key_ops", json!(["verify"])),
        with("x5c", json!(["AA"])),
        json!({ "keys": [{}, 7, { "kty": "oct", "k": "AAAA" }, signer.jwk()], "more": 1 }).to_string(),
        // With the zero that ASN.1 has before such a number.
        with("n", json!(encoded(&[&[0], &decoded(&signer.jwk()["n"])[..]].concat()))),
    ] {
        assert_eq!(usable(&good), Ok(()), "{good}");
    }
    for bad in [
        with("use", json!("enc")),
        with("use", json!(null)),
        with("alg", json!("RS512")),
        with("alg", json!(7)),
        with("key_ops", json!(["sign"])),
        with("key_ops", json!("verify")),
        with("kty", json!("EC")),
        with("kid", json!(7)),
        with("n", json!("AQAB")),
        with("n", json!(encoded(&decoded(&signer.jwk()["n"])[..128]))),
        with("n", json!(encoded(&[&[0x7f], &decoded(&signer.jwk()["n"])[1..]].concat()))),
        with("n", json!(encoded(&[0; 256]))),
        with("e", json!("")),
        with("e", json!("AQ==")),
        r#"{"keys":[]}"#.to_owned(),
    ] {
        assert_eq!(usable(&bad), Err(keys::NoKeys::Unusable), "{bad}");
    }
    let doubled = with("use", json!("sig")).replacen("\"kty\"", "\"kty\":\"oct\",\"kty\"", 1);
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#, &doubled, "-----BEGIN PUBLIC KEY-----", &signer.pem().repeat(2)] {
        assert_eq!(usable(bad), Err(keys::NoKeys::Neither), "{bad}");
    }
    for (count, expected) in [(100, Ok(())), (101, Err(keys::NoKeys::TooMany))] {
        assert_eq!(usable(&json!({ "keys": vec![signer.jwk(); count] }).to_string()), expected, "{count}");
    }
    let curve = Signer::new("ES384", "1");
    assert_eq!(KeySet::parse(&curve.pem(), &[Algorithm::Es256]).map(drop), Err(keys::NoKeys::Unusable));
    assert_eq!(KeySet::parse(&signer.pem(), &[Algorithm::Es256]).map(drop), Err(keys::NoKeys::Unusable));
    assert_eq!(KeySet::parse(&signer.pem(), &[Algorithm::Hs256]).map(drop), Err(keys::NoKeys::Unusable));
}

#[test]
fn a_point_belongs_to_the_curve_of_its_algorithm() {
    let kinds = [
        ("ES256", Algorithm::Es256, "P-256"),
        ("ES384", Algorithm::Es384, "P-384"),
        ("ES512", Algorithm::Es512, "P-521"),
        ("EdDSA", Algorithm::EdDsa, "Ed25519"),
    ];
    for (name, algorithm, curve) in kinds {
        let jwk = Signer::new(name, "1").jwk();
        let with = |name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            KeySet::parse(&json!({ "keys": [jwk] }).to_string(), &[algorithm]).map(drop)
        };
        assert_eq!((with("use", json!("sig")), &jwk["crv"]), (Ok(()), &json!(curve)));
        let longer = |name: &str| json!(encoded(&[&[0], &decoded(&jwk[name])[..]].concat()));
        let mut bad =
            vec![("kty", json!("RSA")), ("crv", json!("secp256k1")), ("crv", json!(null)), ("x", longer("x"))];
        if name != "EdDSA" {
            bad.extend([("y", longer("y")), ("y", json!(null)), ("kty", json!("OKP"))]);
        }
        for (name, value) in bad {
            assert_eq!(with(name, value.clone()), Err(keys::NoKeys::Unusable), "{curve} with {name} {value}");
        }
        let others = kinds.iter().filter(|(other, ..)| *other != name).map(|(_, other, _)| *other).collect::<Vec<_>>();
        let as_another = KeySet::parse(&json!({ "keys": [jwk] }).to_string(), &others);
        assert_eq!(as_another.map(drop), Err(keys::NoKeys::Unusable), "{curve}");
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    data_encoding::BASE64URL_NOPAD.decode(value.as_str().expect("text").as_bytes()).expect("base64url")
}

#[tokio::test]
async fn a_checked_token_is_remembered_until_it_is_over() {
    let (clock, now) = Clock::by_hand(Timestamp::from_secs(NOW));
    let signer = Signer::new("ES256", "1");
    let rules = rules(&[Algorithm::Es256], Keys::Text(key_set(&[&signer]).into()));
    let tokens = Tokens::new(&site(rules.clone()), rules, clock);
    let head = head(&signer.token(&good()));
    let remembered = |freshness| tokens.remembered(&head, freshness).is_some();
    assert!(!remembered(Freshness::Cached));
    let verdict = tokens.identify(Carries::Carried, &head, Freshness::Cached).await;
    assert!(matches!(verdict, Verdict::Identified(identity) if identity.user == "u7"));
    assert!(remembered(Freshness::Cached) && !remembered(Freshness::Fresh));
    let other = self::head(&signer.token(&but("sub", json!("u8"))));
    assert!(tokens.remembered(&other, Freshness::Cached).is_none(), "it is another one");
    now.store((NOW + 69) * 1000, Ordering::SeqCst);
    assert!(remembered(Freshness::Cached));
    now.store((NOW + 70) * 1000, Ordering::SeqCst);
    assert!(!remembered(Freshness::Cached));
    assert!(matches!(tokens.identify(Carries::Carried, &head, Freshness::Cached).await, Verdict::Anonymous));
}

#[tokio::test]
async fn a_token_is_checked_again_after_ten_minutes_whatever_it_says() {
    let (clock, now) = Clock::by_hand(Timestamp::from_secs(NOW));
    let signer = Signer::new("ES256", "1");
    let rules = rules(&[Algorithm::Es256], Keys::Text(key_set(&[&signer]).into()));
    let tokens = Tokens::new(&site(rules.clone()), rules, clock);
    let head = head(&signer.token(&but("exp", json!(NOW + 86_400))));
    tokens.identify(Carries::Carried, &head, Freshness::Cached).await;
    for (after, expected) in [(-1, false), (0, true), (599, true), (600, false)] {
        now.store((NOW + after) * 1000, Ordering::SeqCst);
        assert_eq!(tokens.remembered(&head, Freshness::Cached).is_some(), expected, "after {after} seconds");
    }
}

#[tokio::test]
async fn without_keys_it_is_the_issuer_who_can_not_be_reached() {
    let nobody = config::UpstreamAddress::Http { host: "127.0.0.1".into(), port: 1 };
    let (refresh, timeout) = (Duration::from_mins(5), Duration::from_secs(30));
    let address =
        config::KeysAddress { server: nobody, host: "login.example".into(), target: "/keys".into(), refresh, timeout };
    let tokens = tokens(&[Algorithm::Es256], Keys::Address(address));
    let verdict = async |token: &str| tokens.identify(Carries::Carried, &head(token), Freshness::Cached).await;
    let good = Signer::new("ES256", "1").token(&good());
    assert!(matches!(verdict(&good).await, Verdict::Unknown(Unknown::Unreachable)));
    assert!(matches!(verdict("x").await, Verdict::Unknown(Unknown::Unusable)));
}

#[test]
fn the_claim_that_sessions_are_bound_to_is_text_or_a_number() {
    let signer = Signer::new("ES256", "1");
    let site = site(rules(&[Algorithm::Es256], Keys::Text(key_set(&[&signer]).into())));
    let claim = |value: Value| claim(&site, &head(&signer.token(&but("sid", value))), "/sid");
    assert_eq!(claim(json!("s1")).as_deref(), Some("s1"));
    assert_eq!(claim(json!(7)).as_deref(), Some("7"));
    for nothing in [json!(null), json!(""), json!([]), json!({ "a": 1 }), json!(true)] {
        assert_eq!(claim(nothing), None);
    }
}
