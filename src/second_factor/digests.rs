//! What recovery codes, tickets, bindings and the audit log are digested with: keys that stay the same for as long as the store
//! lives, whichever key seals.
//!
//! A digest can't be made anew under another key without what it was made of, which nobody keeps. So these keys are kept
//! in the store themselves, sealed: [`KeyCheck`](super::key_check::KeyCheck). That of the audit log is derived from the
//! one of recovery codes: what is sealed stays as gateways of the version before read it.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::account::AccountKey;
use super::sealing::{KEY_BYTES, derive};
use super::session::Binding;

/// SHA-256, for what needs no key: nobody can guess it, or it is digested with one afterwards.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// All parts in one, each with its length before it (64 bits, big-endian), so that no two lists of parts give the same bytes.
pub fn joined<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// The digest keys of a store.
#[derive(Clone)]
pub struct DigestKeys(Arc<Keys>);

struct Keys {
    bytes: Zeroizing<[u8; DIGEST_KEYS_BYTES]>,
    recovery: hmac::Key,
    binding: hmac::Key,
    audit: hmac::Key,
}

/// Bytes of all keys, one after the other.
pub(super) const DIGEST_KEYS_BYTES: usize = 2 * KEY_BYTES;

impl DigestKeys {
    /// Those of a key in the key file, for a store that begins with it.
    pub(super) fn derived(derive: impl Fn(&str) -> Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut bytes = Zeroizing::new([0; DIGEST_KEYS_BYTES]);
        for (place, purpose) in bytes.chunks_exact_mut(KEY_BYTES).zip(["recovery", "binding"]) {
            place.copy_from_slice(derive(purpose).as_slice());
        }
        Self::from_bytes(&bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8; DIGEST_KEYS_BYTES]) -> Self {
        let key = |bytes: &[u8; KEY_BYTES]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let ([recovery, binding], []) = bytes.as_chunks() else { unreachable!("these are two keys") };
        let audit = derive(recovery, "audit");
        let bytes = Zeroizing::new(*bytes);
        Self(Arc::new(Keys { bytes, recovery: key(recovery), binding: key(binding), audit: key(&audit) }))
    }

    pub(super) fn as_bytes(&self) -> &[u8; DIGEST_KEYS_BYTES] {
        &self.0.bytes
    }

    /// Keyed digest of a dashboard credential (a session cookie's value, a bearer token).
    pub fn binding(&self, credential: &[u8]) -> Binding {
        Binding(mac(&self.0.binding, &[credential]))
    }

    /// The link of an entry of the audit log, whose parts these are, to the one before it.
    pub fn link(&self, before: Link, parts: &[&[u8]]) -> Link {
        let all: Vec<&[u8]> = [before.0.as_slice()].into_iter().chain(parts.iter().copied()).collect();
        Link(mac(&self.0.audit, &all))
    }

    /// Vouches that the audit log up to this place of its chain, whose link this is, was deleted by whoever may.
    pub fn cut(&self, place: i64, link: Link) -> Link {
        Link(mac(&self.0.audit, &[b"cut", &place.to_be_bytes(), &link.0]))
    }

    /// With the key of recovery codes: a fifth part makes it another digest than theirs, whatever the bytes.
    pub(super) fn ticket_digest(&self, account: &AccountKey, ticket: &[u8]) -> [u8; 32] {
        let AccountKey { realm, organization, user } = account;
        let parts = [realm.as_bytes(), organization.as_bytes(), user.as_bytes(), ticket, b"enrollment ticket"];
        mac(&self.0.recovery, &parts)
    }

    pub(super) fn recovery_digest(&self, account: &AccountKey, code: &[u8]) -> [u8; 32] {
        let parts = [account.realm.as_bytes(), account.organization.as_bytes(), account.user.as_bytes(), code];
        mac(&self.0.recovery, &parts)
    }
}

/// Keyed digest of an entry of the audit log and all that came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link(pub [u8; 32]);

impl Link {
    /// What the first entry is linked to.
    pub const BEGINNING: Self = Self([0; 32]);

    /// The link that stands in these bytes. What is no link is one that belongs to no entry.
    pub fn of_kept(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(Self::BEGINNING, Self)
    }
}

impl std::fmt::Debug for DigestKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKeys([secret])")
    }
}

/// HMAC-SHA-256 over the parts as they are [joined], without a copy of the secrets among them.
fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_has_another_digest_in_each_account() {
        let keys = DigestKeys::from_bytes(&[1; DIGEST_KEYS_BYTES]);
        let account = |organization: &str, user: &str| AccountKey {
            realm: "site".into(),
            organization: organization.into(),
            user: user.into(),
        };
        let of = |account: &AccountKey| keys.recovery_digest(account, b"code");
        assert_ne!(of(&account("acme", "7")), of(&account("acme", "8")));
        assert_ne!(of(&account("ab", "c")), of(&account("a", "bc")));
    }

    #[test]
    fn neither_a_link_nor_a_cut_can_be_taken_for_the_other_or_for_a_recovery_code() {
        let keys = DigestKeys::from_bytes(&[1; DIGEST_KEYS_BYTES]);
        let link = keys.link(Link::BEGINNING, &[&1_i64.to_be_bytes()]);
        assert_ne!(link, keys.link(link, &[&1_i64.to_be_bytes()]));
        assert_ne!(keys.cut(1, link), keys.cut(2, link));
        assert_ne!(keys.cut(1, link), keys.cut(1, Link::BEGINNING));
        let same = [b"cut".as_slice(), &1_i64.to_be_bytes(), &link.0];
        assert_eq!(keys.cut(1, link), Link(mac(&keys.0.audit, &same)));
        assert_ne!(mac(&keys.0.audit, &same), mac(&keys.0.recovery, &same));
        let other = DigestKeys::from_bytes(&[2; DIGEST_KEYS_BYTES]);
        assert_ne!(keys.cut(1, link), other.cut(1, link));
    }

    #[test]
    fn what_is_kept_is_what_gateways_of_the_version_before_read() {
        assert_eq!(DIGEST_KEYS_BYTES, 64);
    }

    #[test]
    fn a_ticket_has_another_digest_in_each_account_and_never_that_of_a_recovery_code() {
        let keys = DigestKeys::from_bytes(&[1; DIGEST_KEYS_BYTES]);
        let account = |user: &str| AccountKey { realm: "site".into(), organization: "acme".into(), user: user.into() };
        let of = |user| keys.ticket_digest(&account(user), b"ticket");
        assert_ne!(of("7"), of("8"));
        assert_ne!(of("7"), keys.recovery_digest(&account("7"), b"ticket"));
    }

    #[test]
    fn keys_read_back_as_they_were_written() {
        let mut bytes = [0; DIGEST_KEYS_BYTES];
        for (at, byte) in (0..).zip(&mut bytes) {
            *byte = at;
        }
        assert_eq!(DigestKeys::from_bytes(&bytes).as_bytes(), &bytes);
    }

    #[test]
    fn recovery_codes_and_bindings_have_a_key_each() {
        let half = |recovery: u8, binding: u8| {
            let mut bytes = [recovery; DIGEST_KEYS_BYTES];
            bytes[KEY_BYTES..].fill(binding);
            DigestKeys::from_bytes(&bytes)
        };
        let account = AccountKey { realm: "site".into(), organization: "acme".into(), user: "7".into() };
        let of = |keys: DigestKeys| (keys.recovery_digest(&account, b"x"), keys.binding(b"x"));
        let (recovery, binding) = of(half(1, 2));
        let (other_recovery, same_binding) = of(half(3, 2));
        let (same_recovery, other_binding) = of(half(1, 3));
        assert_eq!((recovery, binding), (same_recovery, same_binding));
        assert!(recovery != other_recovery && binding != other_binding);
    }

    #[test]
    fn the_keys_are_not_shown() {
        let shown = format!("{:?}", DigestKeys::from_bytes(&[0xa7; DIGEST_KEYS_BYTES]));
        assert_eq!(shown, "DigestKeys([secret])");
    }
}
