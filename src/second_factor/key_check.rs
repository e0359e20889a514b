//! The value by which a store recognizes its key file: sealed by the key that the store is at, it holds the digest keys,
//! and names the keys that something in the store may still be sealed with.

use zeroize::Zeroizing;

use super::account::AccountKey;
use super::digests::{DIGEST_KEYS_BYTES, DigestKeys};
use super::sealing::{KeyMark, Keyring, MARK_BYTES, NONCE_BYTES, Purpose, Sealed, Unsealable};

/// What a store's key check says.
#[derive(Debug, Clone)]
pub struct KeyCheck {
    /// The digest keys of the store.
    pub digests: DigestKeys,
    /// The key that seals from now on.
    pub current: KeyMark,
    /// Other keys that something may still be sealed with.
    pub retiring: Vec<KeyMark>,
}

/// What stores had in this place that were made before there was a rotation. Their digest keys are those of the key.
const FIRST: &[u8] = b"vestibule";

impl KeyCheck {
    /// That of a new store.
    pub fn new(keyring: &Keyring) -> Self {
        Self { digests: keyring.own_digests(), current: keyring.seals_with(), retiring: Vec::new() }
    }

    /// Reads it. An error if the keys are not those of the store, or one of them is missing that may still be needed.
    pub fn open(keyring: &Keyring, sealed: &Sealed) -> Result<Self, Unsealable> {
        let plain = keyring.open(Purpose::KeyCheck, &nobody(), sealed)?;
        let current = sealed.mark().ok_or(Unsealable::Damaged)?;
        if plain.as_slice() == FIRST {
            let digests = keyring.digests_of(current).ok_or(Unsealable::AnotherKey)?;
            return Ok(Self { digests, current, retiring: Vec::new() });
        }
        let (digests, retiring) = plain.split_first_chunk::<DIGEST_KEYS_BYTES>().ok_or(Unsealable::Damaged)?;
        let (retiring, []) = retiring.as_chunks::<MARK_BYTES>() else { return Err(Unsealable::Damaged) };
        let retiring: Vec<_> = retiring.iter().copied().map(KeyMark).collect();
        let known = keyring.marks();
        if !retiring.iter().all(|mark| known.contains(mark)) {
            return Err(Unsealable::AnotherKey);
        }
        Ok(Self { digests: DigestKeys::from_bytes(digests), current, retiring })
    }

    /// Seals it with the key that is the current one by then; `None` if the keyring seals with another.
    pub fn seal(&self, keyring: &Keyring, nonce: [u8; NONCE_BYTES]) -> Option<Sealed> {
        if keyring.seals_with() != self.current {
            return None;
        }
        let mut plain = Zeroizing::new(self.digests.as_bytes().to_vec());
        plain.extend(self.retiring.iter().flat_map(|mark| mark.0));
        Some(keyring.seal(Purpose::KeyCheck, &nobody(), &plain, nonce))
    }
}

/// The check belongs to no account.
fn nobody() -> AccountKey {
    AccountKey { realm: String::new(), organization: String::new(), user: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_BYTES] = [9; NONCE_BYTES];

    fn keyring(newest_first: &[u8]) -> Keyring {
        let files: Vec<_> = newest_first.iter().map(|byte| Keyring::new_file(&[*byte; 32]).to_string()).collect();
        Keyring::parse(&files.concat()).expect("keys")
    }

    #[test]
    fn the_digest_keys_stay_when_another_key_seals() {
        let first = KeyCheck::new(&keyring(&[1]));
        let both = keyring(&[2, 1]);
        let next = KeyCheck { current: both.seals_with(), retiring: vec![first.current], ..first.clone() };
        let sealed = next.seal(&both, NONCE).expect("it is the one that seals");
        let read = KeyCheck::open(&both, &sealed).expect("opens");
        assert_eq!(read.digests.as_bytes(), first.digests.as_bytes());
        assert_eq!((read.current, read.retiring), (both.seals_with(), vec![first.current]));
    }

    #[test]
    fn a_key_that_may_still_be_needed_has_to_be_there() {
        let both = keyring(&[2, 1]);
        let retiring = vec![keyring(&[1]).seals_with()];
        let check = KeyCheck { retiring, ..KeyCheck::new(&both) };
        let sealed = check.seal(&both, NONCE).expect("sealed");
        assert_eq!(KeyCheck::open(&keyring(&[2]), &sealed).unwrap_err(), Unsealable::AnotherKey);
        assert_eq!(KeyCheck::open(&keyring(&[1]), &sealed).unwrap_err(), Unsealable::AnotherKey);
        assert!(KeyCheck::open(&keyring(&[1, 2]), &sealed).is_ok());
    }

    #[test]
    fn a_store_from_before_there_was_a_rotation_has_the_digest_keys_of_its_key() {
        let ring = keyring(&[1]);
        let sealed = ring.seal(Purpose::KeyCheck, &nobody(), FIRST, NONCE);
        let read = KeyCheck::open(&keyring(&[2, 1]), &sealed).expect("opens");
        assert_eq!(read.digests.as_bytes(), KeyCheck::new(&ring).digests.as_bytes());
        assert_eq!(read.current, ring.seals_with());
    }
}
