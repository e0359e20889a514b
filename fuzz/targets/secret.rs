//! Codes that people type, addresses that authenticators read, and keys.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, AccountKey, Factor, OrganizationId};
use crate::second_factor::digests::DigestKeys;
use crate::second_factor::enrollment::{label, otpauth_uri, without_colon};
use crate::second_factor::key_check::KeyCheck;
use crate::second_factor::recovery::RecoveryCode;
use crate::second_factor::sealing::{BadKeyFile, Keyring, NONCE_BYTES, Purpose, Sealed};
use crate::second_factor::ticket::Ticket;
use crate::second_factor::totp::{Code, Secret, Step};

/// What somebody typed. The other reading: without spaces and dashes it is six ASCII digits, or it is nothing; and
/// however a good code is spaced, it is good.
pub(super) fn code(bytes: &[u8]) {
    let Ok(typed) = str::from_utf8(bytes) else { return };
    let digits = typed.replace([' ', '-'], "");
    assert_eq!(Code::parse(typed).is_some(), digits.len() == 6 && digits.chars().all(|c| c.is_ascii_digit()));

    // RFC 6238, appendix B.
    let (secret, now) = (Secret::new(*b"12345678901234567890"), Timestamp::from_secs(1_234_567_890));
    let mut spaced = String::new();
    for (digit, space) in "005924".chars().zip(bytes.iter().chain(&[0; 6])) {
        spaced.push(digit);
        spaced.push_str(["", " ", "-", " - "][usize::from(*space & 3)]);
    }
    let code = Code::parse(&spaced).expect("six digits");
    assert_eq!(secret.matching_step(&code, now, None), Some(Step::at(now)), "{spaced:?}");
    if let Some(code) = Code::parse(typed) {
        let matches = secret.matching_step(&code, now, None) == Some(Step::at(now));
        assert_eq!(matches, digits == "005924");
    }
}

/// What somebody typed. The other reading: sixteen characters of Crockford's alphabet, or nothing; every spelling of a
/// code is the same code, and no other is.
pub(super) fn recovery_code(bytes: &[u8]) {
    let digest = |code: RecoveryCode, keys: &DigestKeys| code.digest(keys, &key("acme", "7"));
    typed(bytes, 16, RecoveryCode::parse, RecoveryCode::text, digest);
}

/// The same of a ticket, which has twenty-four.
pub(super) fn ticket(bytes: &[u8]) {
    let digest = |ticket: Ticket, keys: &DigestKeys| ticket.digest(keys, &key("acme", "7"));
    typed(bytes, 24, Ticket::parse, Ticket::text, digest);
}

/// Something of so many characters that somebody typed: how it is read, shown, and kept.
fn typed<T, D: PartialEq + Debug>(
    bytes: &[u8],
    characters: usize,
    parse: fn(&str) -> Option<T>,
    text: fn(&T) -> String,
    digest: fn(T, &DigestKeys) -> D,
) {
    let Ok(typed) = str::from_utf8(bytes) else { return };
    let read = parse(typed);
    assert_eq!(read.as_ref().map(|read| text(read).replace('-', "")), spelled(typed, characters));
    if let Some(read) = read {
        let keys = KeyCheck::new(&keyring()).digests;
        let again = parse(&text(&read).to_lowercase()).expect("as it is shown");
        assert_eq!(digest(read, &keys), digest(again, &keys));
    }
}

/// The one spelling of what somebody typed, if that is so many characters of Crockford's alphabet.
fn spelled(typed: &str, characters: usize) -> Option<String> {
    let significant = typed.chars().filter(|c| !matches!(c, ' ' | '-'));
    let spelled: String = significant
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let possible = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && c != 'U');
    (spelled.chars().count() == characters && spelled.chars().all(possible)).then_some(spelled)
}

fn key(organization: &str, user: &str) -> AccountKey {
    AccountKey { realm: "insights".into(), organization: organization.into(), user: user.into() }
}

fn keyring() -> Keyring {
    Keyring::parse(&Keyring::new_file(&[7; 32])).expect("a key file")
}

/// Two accounts, each with organization, user id and e-mail address on a line.
///
/// The other reading: the address as its parts are decoded again (the `url` crate). Two accounts never share a label.
pub(super) fn otpauth(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut account = || {
        let (organization, user) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let email = lines.next().filter(|email| !email.is_empty());
        Account {
            id: AccountId(1),
            organization: OrganizationId(1),
            key: Arc::new(key(organization, user)),
            email: email.map(str::to_owned),
            name: None,
            factor: Factor::NotEnrolled,
        }
    };
    let (one, other) = (account(), account());
    let shown = label(&one);
    assert!(one.key == other.key || shown != label(&other), "both are {shown:?}");

    let issuer = without_colon(&other.key.user);
    let uri = otpauth_uri(&Secret::new(*b"12345678901234567890"), &issuer, &shown);
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
    let url = Url::parse(&uri).expect("an address");
    assert_eq!((url.scheme(), url.host_str(), url.fragment()), ("otpauth", Some("totp"), None));
    let path = percent_decode_str(&url.path()[1..]).decode_utf8().expect("text");
    assert_eq!(path.split_once(':'), Some((issuer.as_str(), shown.as_str())));
    assert_eq!(path.matches(':').count(), 1);
    let parameters: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let expected = [
        ("secret", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        ("issuer", &issuer),
        ("algorithm", "SHA1"),
        ("digits", "6"),
        ("period", "30"),
    ];
    assert_eq!(url.query_pairs().count(), expected.len());
    for (name, value) in expected {
        assert_eq!(parameters.get(name).map(String::as_str), Some(value), "{name}");
    }
}

/// A key file. The other reading: each line that says something is the prefix and 32 bytes in the one way to write
/// them; and what one reading of a file sealed, another opens.
pub(super) fn key_file(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match Keyring::parse(text) {
        Ok(keyring) => {
            assert_eq!(keyring.marks().len(), lines().count());
            for line in lines() {
                let key = line.strip_prefix("vestibule-key-1 ").expect("a key").trim();
                let decoded = BASE64.decode(key.as_bytes()).expect("base64");
                assert_eq!((decoded.len(), BASE64.encode(&decoded).as_str()), (32, key));
            }
            let sealed = keyring.seal(Purpose::TotpSecret, &key("acme", "7"), b"secret", [1; NONCE_BYTES]);
            let again = Keyring::parse(text).expect("as before");
            assert_eq!(*again.open(Purpose::TotpSecret, &key("acme", "7"), &sealed).expect("opens"), b"secret");
        }
        Err(BadKeyFile::Empty) => assert_eq!(lines().count(), 0),
        Err(BadKeyFile::Line(number)) => {
            assert!(text.lines().nth(number - 1).is_some_and(|line| !line.trim().is_empty()));
        }
    }
}

/// What a store has for a sealed value. The other reading: of everything but what was sealed, nothing opens.
pub(super) fn sealed(bytes: &[u8]) {
    let (keyring, account) = (keyring(), key("acme", "7"));
    let sealed = keyring.seal(Purpose::TotpSecret, &account, b"12345678901234567890", [1; NONCE_BYTES]);
    let changed: Vec<u8> =
        sealed.0.iter().zip(bytes.iter().chain(std::iter::repeat(&0))).map(|(one, other)| one ^ other).collect();
    for value in [bytes.to_vec(), changed, [&sealed.0[..], bytes].concat()] {
        let value = Sealed(value);
        let opened = keyring.open(Purpose::TotpSecret, &account, &value);
        assert_eq!(opened.is_ok(), value == sealed);
    }
}
