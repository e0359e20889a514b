//! What recovery codes and bindings are digested with: keys that stay the same for as long as the store
//! lives, whichever key seals.
//!
//! A digest can't be made anew under another key without what it was made of, which nobody keeps. So these keys are kept
//! in the store themselves, sealed: [`KeyCheck`](super::key_check::KeyCheck).

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::account::AccountKey;
use super::sealing::KEY_BYTES;
use super::session::Binding;

/// The digest keys of a store.
#[derive(Clone)]
pub struct DigestKeys {
    bytes: Zeroizing<[u8; DIGEST_KEYS_BYTES]>,
    recovery: hmac::Key,
    binding: hmac::Key,
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
        let key = |number: usize| hmac::Key::new(hmac::HMAC_SHA256, &bytes[number * KEY_BYTES..][..KEY_BYTES]);
        Self { bytes: Zeroizing::new(*bytes), recovery: key(0), binding: key(1) }
    }

    pub(super) fn as_bytes(&self) -> &[u8; DIGEST_KEYS_BYTES] {
        &self.bytes
    }

    /// Keyed digest of a dashboard credential (a session cookie's value, a bearer token).
    pub fn binding(&self, credential: &[u8]) -> Binding {
        Binding(mac(&self.binding, &[credential]))
    }

    pub(super) fn recovery_digest(&self, account: &AccountKey, code: &[u8]) -> [u8; 32] {
        let parts = [account.realm.as_bytes(), account.organization.as_bytes(), account.user.as_bytes(), code];
        mac(&self.recovery, &parts)
    }
}

impl std::fmt::Debug for DigestKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKeys([secret])")
    }
}

/// HMAC-SHA-256 over the parts, each with its length before it, so that no two lists of parts give the same bytes.
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
    fn keys_read_back_as_they_were_written() {
        let mut bytes = [0; DIGEST_KEYS_BYTES];
        for (at, byte) in (0..).zip(&mut bytes) {
            *byte = at;
        }
        assert_eq!(DigestKeys::from_bytes(&bytes).as_bytes(), &bytes);
    }
}
