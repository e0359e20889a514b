//! What is made at random, looked at in numbers; and what is said of it.

use std::collections::HashSet;

use data_encoding::BASE32_NOPAD;

use crate::house::House;
use crate::support::{Sight, required};

/// Fails if these bytes are not as even as random ones: each of the eight bits is set in half of them, within five
/// standard deviations.
#[track_caller]
fn is_even(bytes: &[u8]) {
    let count = u32::try_from(bytes.len()).expect("some thousands");
    for bit in 0..8 {
        let set = bytes.iter().filter(|byte| *byte >> bit & 1 == 1).count();
        let off = (f64::from(u32::try_from(set).expect("fewer")) - f64::from(count) / 2.0).abs();
        assert!(off < 5.0 * f64::from(count).sqrt() / 2.0, "bit {bit} is set in {set} of {count}");
    }
}

/// OTP-02, SES-01: keys and sessions of many people are long enough, even, and never the same, after a restart either;
/// and the store has no session as it is.
#[tokio::test]
async fn keys_and_sessions_of_many_people_are_all_different() {
    let mut house = House::open(required()).await;
    let (mut keys, mut sessions) = (HashSet::new(), HashSet::new());
    for number in 0..120 {
        if number == 60 {
            house = house.killed_and_started().await;
        }
        let mut person = house.visitor(&format!("person{number}"), 1);
        person.opens("/_2fa/enroll").await.shows(Sight::Enrollment);
        keys.insert(BASE32_NOPAD.decode(person.page().secret().as_bytes()).expect("base32"));
        sessions.insert(person.session().expect("a session"));
    }
    assert_eq!((keys.len(), sessions.len()), (120, 120), "no two are alike");
    assert!(keys.iter().all(|key| key.len() == 20), "160 bits");
    is_even(&keys.iter().flatten().copied().collect::<Vec<_>>());
    let decoded =
        |session: &String| data_encoding::BASE64URL_NOPAD.decode(&session.as_bytes()[1..]).expect("base64url");
    let tokens: Vec<Vec<u8>> = sessions.iter().map(decoded).collect();
    assert!(tokens.iter().all(|token| token.len() == 32), "256 bits");
    is_even(&tokens.concat());
    let stored = ["vestibule.db", "vestibule.db-wal"]
        .map(|name| std::fs::read(house.installation.file(name)).unwrap_or_default());
    let stored = stored.concat();
    for secret in tokens.iter().chain(&keys).map(Vec::as_slice).chain(sessions.iter().map(String::as_bytes)) {
        assert!(crate::origin::find(&stored, secret).is_none(), "as it is, in the store");
    }
}

/// REC-01, REC-02: 80 bits in an alphabet without lookalikes, none twice, none in the store.
#[tokio::test]
async fn recovery_codes_of_many_people_are_all_different() {
    let house = House::open(required()).await;
    let mut codes = HashSet::new();
    for number in 0..12 {
        codes.extend(house.enrolled(&format!("person{number}")).await.recovery_codes);
    }
    assert_eq!(codes.len(), 120);
    let letters: String = codes.iter().flat_map(|code| code.chars().filter(|letter| *letter != '-')).collect();
    assert_eq!(letters.len(), 120 * 16, "16 letters of 32 are 80 bits");
    let different: HashSet<char> = letters.chars().collect();
    assert_eq!(different.len(), 32, "{different:?}");
    assert!(['I', 'L', 'O', 'U'].iter().all(|lookalike| !different.contains(lookalike)), "{different:?}");
    for letter in different {
        let count = letters.matches(letter).count();
        assert!((20..=110).contains(&count), "{letter} stands there {count} times, where 60 are expected");
    }
    let stored = ["vestibule.db", "vestibule.db-wal"]
        .map(|name| std::fs::read(house.installation.file(name)).unwrap_or_default());
    let stored = stored.concat();
    for code in &codes {
        for text in [code.clone(), code.replace('-', "")] {
            assert!(crate::origin::find(&stored, text.as_bytes()).is_none(), "{text} in the store");
        }
    }
}

/// OTP-12: what codes can't do is said, and no level is claimed that asks for it.
#[test]
fn codes_are_not_said_to_hold_against_phishing() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let security = std::fs::read_to_string(root.join("SECURITY.md")).expect("the document");
    let limits = security.split("## What it can't do").nth(1).expect("its last chapter");
    assert!(limits.contains("**Phishing as it happens.**"), "{limits}");
    for document in ["README.md", "SECURITY.md", "ARCHITECTURE.md", "CHANGELOG.md", "config/reference.toml"] {
        let text = std::fs::read_to_string(root.join(document)).expect("a document").to_lowercase();
        for claim in ["aal2", "aal3", "phishing-resistant", "phishing resistant", "unphishable"] {
            assert!(!text.contains(claim), "{document} says {claim}");
        }
    }
}
