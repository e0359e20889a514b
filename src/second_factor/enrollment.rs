//! Enrollment: a new secret is shown, and becomes the account's key once one good code of it was given.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::Timestamp;
use super::account::{Account, AccountId};
use super::sealing::Sealed;
use super::session::TokenDigest;
use super::ticket::TicketDigest;
use super::totp::Secret;

/// How long a shown secret can be confirmed.
pub const ENROLLMENT_LIFETIME: Duration = Duration::from_mins(10);

/// A secret that was shown and not yet confirmed. It belongs to one session of one account and enables nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEnrollment {
    /// The session it was shown in: no other can confirm it.
    pub session: TokenDigest,
    /// The account it is for.
    pub account: AccountId,
    /// The secret.
    pub secret: Sealed,
    /// When it was first shown.
    pub started: Timestamp,
    /// The ticket it was started with, which must still be open when it is confirmed; `None` without one.
    pub ticket: Option<TicketDigest>,
}

impl PendingEnrollment {
    /// When it can no longer be confirmed.
    pub fn expires(&self) -> Timestamp {
        self.started.plus(ENROLLMENT_LIFETIME)
    }
}

/// Longest part of a label, in characters: a QR code has to stay easy to scan.
const LABEL_PART: usize = 64;

/// What the authenticator calls the account. Different accounts never share a label: behind what people read
/// (e-mail address, name or user id, then the organization) stands the user id, or a digest of the account's key
/// where that, or the organization, is long or could be taken for another part of the label.
pub fn label(account: &Account) -> String {
    let key = &account.key;
    let who = account.email.as_deref().or(account.name.as_deref()).unwrap_or(&key.user);
    let short = |text: &str| text.chars().count() <= LABEL_PART;
    // With one of these, another account's parts could be put together to the same.
    let plain = |text: &str| short(text) && ![", ", " (", RATIO].iter().any(|mark| text.contains(mark));
    let label = if who == key.user && plain(who) && plain(&key.organization) {
        format!("{who} ({})", key.organization)
    } else if short(who) && plain(&key.organization) && plain(&key.user) {
        format!("{who} ({}, {})", key.organization, key.user)
    } else {
        let cut = |text: &str| text.chars().take(LABEL_PART).collect::<String>();
        format!("{} ({}, {})", cut(who), cut(&key.organization), fingerprint(account))
    };
    without_colon(&label)
}

/// A colon parts the issuer from the label, so neither may contain one: the ratio sign looks the same.
pub fn without_colon(text: &str) -> String {
    text.replace(':', RATIO)
}

const RATIO: &str = "\u{2236}";

fn fingerprint(account: &Account) -> String {
    let key = &account.key;
    let mut named = String::new();
    for part in [&key.realm, &key.organization, &key.user] {
        let _ = write!(named, "{}:{part}", part.len());
    }
    HEXLOWER.encode(&digest(&SHA256, named.as_bytes()).as_ref()[..4])
}

/// What must be escaped in the parts of an `otpauth` address: all but the unreserved characters (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The `otpauth://` address that an authenticator app reads (Google Authenticator's key URI format).
///
/// The parameters that equal every app's defaults are written all the same: some apps want to see them.
pub fn otpauth_uri(secret: &Secret, issuer: &str, label: &str) -> Zeroizing<String> {
    let issuer = utf8_percent_encode(issuer, ESCAPED);
    let label = utf8_percent_encode(label, ESCAPED);
    let secret = secret.base32();
    let secret = secret.as_str();
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{label}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    ))
}

/// The secret in groups of four characters, for typing it in.
pub fn groups_of_four(secret: &Secret) -> Vec<String> {
    let text = secret.base32();
    text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::second_factor::account::{AccountKey, Factor, OrganizationId};

    fn account(organization: &str, user: &str, email: Option<&str>) -> Account {
        Account {
            id: AccountId(1),
            organization: OrganizationId(1),
            key: Arc::new(AccountKey { realm: "site".into(), organization: organization.into(), user: user.into() }),
            email: email.map(Into::into),
            name: None,
            factor: Factor::NotEnrolled,
        }
    }

    #[test]
    fn labels_of_different_accounts_differ_even_where_people_share_an_address() {
        let mail = Some("ann@example.com");
        let long = "x".repeat(1000);
        let labels: std::collections::HashSet<_> = [
            account("acme", "1", mail),
            account("acme", "2", mail),
            account("globex", "1", mail),
            account("acme", "ann@example.com", mail),
            account("acme", &format!("{long}1"), mail),
            account("acme", &format!("{long}2"), mail),
        ]
        .iter()
        .map(label)
        .collect();
        assert_eq!(labels.len(), 6);
        assert!(labels.iter().all(|l| l.len() < 200 && l.contains("ann@example.com")), "{labels:?}");
    }

    #[test]
    fn no_parts_of_another_account_make_the_same_label() {
        let pairs = [
            (account("acme", "q", Some("x (acme, p")), account("acme", "p (acme, q", Some("x"))),
            (account("o, u", "w", None), account("o", "u", Some("w"))),
            (account("b (c", "d", Some("a")), account("c", "d", Some("a (b"))),
            (account("acme", "a:b", None), account("acme", "a\u{2236}b", None)),
        ];
        for (one, other) in pairs {
            assert_ne!(label(&one), label(&other));
        }
    }

    #[test]
    fn nothing_in_a_name_changes_another_field_of_the_address() {
        let secret = Secret::new([7; 20]);
        let uri = otpauth_uri(&secret, "A&B?=#%", &label(&account("o:x", "a:b&secret=AAAA?#/\u{1f600}", None)));
        assert!(uri.starts_with("otpauth://totp/A%26B%3F%3D%23%25:a%E2%88%B6b%26secret%3DAAAA%3F%23%2F%F0%9F%98%80"));
        assert_eq!(uri.matches("&secret=").count() + uri.matches("?secret=").count(), 1);
        assert_eq!(uri.matches(':').count(), 2, "the scheme's and the issuer's");
        assert!(uri.ends_with("&issuer=A%26B%3F%3D%23%25&algorithm=SHA1&digits=6&period=30"));
    }

    #[test]
    fn the_secret_reads_in_eight_groups_of_four() {
        let groups = groups_of_four(&Secret::new([0xff; 20]));
        assert_eq!(groups, vec!["7777"; 8]);
    }

    /// 64 characters, as long as a part may be.
    const LONGEST: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

    #[test]
    fn a_label_is_as_short_as_it_can_be_without_being_anothers() {
        let rows = [
            (account("acme", "ann", None), "ann (acme)".to_owned()),
            (account("acme", "7", Some("ann@example.com")), "ann@example.com (acme, 7)".to_owned()),
            (account("acme", LONGEST, None), format!("{LONGEST} (acme)")),
            (account(LONGEST, "7", Some(LONGEST)), format!("{LONGEST} ({LONGEST}, 7)")),
            (account("acme", "7", Some(&format!("{LONGEST}y"))), format!("{LONGEST} (acme, fa55ed56)")),
            // SHA-256 of the parts of the key, each with its length before it: `4:site4:acme4:a, b`.
            (account("acme", "a, b", None), "a, b (acme, 9d5620ce)".to_owned()),
        ];
        for (account, expected) in rows {
            assert_eq!(label(&account), expected);
        }
    }
}
