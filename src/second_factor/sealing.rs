//! What keeps secrets at rest: a key file beside the database, and in it one key, or several while the store goes over
//! from one to another.
//!
//! Secrets are sealed with XChaCha20-Poly1305. The associated data name the purpose and the account, so that a
//! sealed value moved to another row does not open.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::account::AccountKey;
use super::digests::{DigestKeys, joined};

/// Bytes in a key, and in the random nonce of each sealed value.
pub const KEY_BYTES: usize = 32;
/// Bytes in the random nonce of each sealed value.
pub const NONCE_BYTES: usize = 24;

const KEY_ID_BYTES: usize = 4;
const FORMAT: u8 = 1;

/// Bytes in a [`KeyMark`].
pub const MARK_BYTES: usize = 1 + KEY_ID_BYTES;

/// A sealed value: format (1 byte), key id (4), nonce (24), ciphertext with tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// What every value that one key sealed begins with: format and key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyMark(pub [u8; MARK_BYTES]);

impl Sealed {
    /// Which key sealed it; `None` if it is no sealed value at all.
    pub fn mark(&self) -> Option<KeyMark> {
        self.0.first_chunk().copied().map(KeyMark)
    }
}

impl std::fmt::Display for KeyMark {
    /// The public name of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0[1..]))
    }
}

/// What a sealed value is for. A value sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The secret of an enrolled authenticator.
    TotpSecret,
    /// The secret of an enrollment that is not confirmed yet.
    PendingSecret,
    /// The value by which a store recognizes its key.
    KeyCheck,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TotpSecret => "totp-secret",
            Self::PendingSecret => "pending-secret",
            Self::KeyCheck => "key-check",
        }
    }
}

/// Why a sealed value did not open. Never taken for "nothing enrolled".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// It was sealed with a key that the key file does not have.
    #[error("sealed with another key: the key file does not have the one it needs")]
    AnotherKey,
    /// It was changed, moved from another row, or is no sealed value at all.
    #[error("changed or moved: it does not open for the account it stands at")]
    Damaged,
}

/// Why a key file can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeyFile {
    /// There is no key in it.
    #[error("there is no key in it")]
    Empty,
    /// A line is not a key.
    #[error("line {0} is not a key: expected `vestibule-key-1` and 32 bytes in base64")]
    Line(usize),
}

/// The keys of a key file, the newest first: one seals, all of them open.
pub struct Keyring {
    keys: Vec<Key>,
    sealing: usize,
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID_BYTES],
    seal: XChaCha20Poly1305,
    digests: DigestKeys,
}

const LINE_PREFIX: &str = "vestibule-key-1 ";

impl Keyring {
    /// The text of a new key file.
    pub fn new_file(random: &[u8; KEY_BYTES]) -> Zeroizing<String> {
        Zeroizing::new(format!("{LINE_PREFIX}{}\n", BASE64.encode(random)))
    }

    /// The text of a key file with this new key on top of the others.
    pub fn add_to_file(file: &str, random: &[u8; KEY_BYTES]) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{file}", *Self::new_file(random)))
    }

    /// The text of a key file in which only the newest key is left. Comments stay.
    pub fn newest_of_file(file: &str) -> Zeroizing<String> {
        let mut keys = 0;
        let mut text = Zeroizing::new(String::with_capacity(file.len()));
        for line in file.lines() {
            keys += usize::from(line.trim().starts_with(LINE_PREFIX));
            if keys <= 1 || !line.trim().starts_with(LINE_PREFIX) {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// Reads a key file: one key a line, the newest first; empty lines and `#` comments are passed over. The newest seals
    /// unless [`seal_with`](Self::seal_with) says otherwise.
    pub fn parse(file: &str) -> Result<Self, BadKeyFile> {
        let mut keys = Vec::new();
        for (number, line) in file.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            keys.push(Key::parse(line).ok_or(BadKeyFile::Line(number + 1))?);
        }
        if keys.is_empty() { Err(BadKeyFile::Empty) } else { Ok(Self { keys, sealing: 0 }) }
    }

    /// Has another of the keys seal. `None` if that key is not among them.
    #[must_use]
    pub fn seal_with(mut self, mark: KeyMark) -> Option<Self> {
        self.sealing = self.keys.iter().position(|key| key.mark() == mark)?;
        Some(self)
    }

    /// These keys, and below them the others that are not among them.
    #[must_use]
    pub fn above(mut self, others: &Self) -> Self {
        let (known, others) = (self.marks(), others.keys.iter());
        self.keys.extend(others.filter(|key| !known.contains(&key.mark())).cloned());
        self
    }

    /// Which key seals.
    pub fn seals_with(&self) -> KeyMark {
        self.sealing_key().mark()
    }

    /// All keys, the newest first.
    pub fn marks(&self) -> Vec<KeyMark> {
        self.keys.iter().map(Key::mark).collect()
    }

    /// Seals `plain` for one purpose of one account.
    ///
    /// # Panics
    /// If `plain` is longer than the cipher's limit of 256 GiB.
    pub fn seal(&self, purpose: Purpose, account: &AccountKey, plain: &[u8], nonce: [u8; NONCE_BYTES]) -> Sealed {
        let key = self.sealing_key();
        let aad = associated_data(purpose, account);
        let ciphertext = key
            .seal
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .expect("a secret is far below the cipher's length limit");
        let mut sealed = Vec::with_capacity(1 + KEY_ID_BYTES + NONCE_BYTES + ciphertext.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Sealed(sealed)
    }

    /// Opens what was sealed for this purpose of this account.
    pub fn open(
        &self,
        purpose: Purpose,
        account: &AccountKey,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (&format, rest) = sealed.0.split_first().ok_or(Unsealable::Damaged)?;
        let (id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(Unsealable::Damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Unsealable::Damaged)?;
        if format != FORMAT {
            return Err(Unsealable::Damaged);
        }
        let key = self.keys.iter().find(|key| key.id == *id).ok_or(Unsealable::AnotherKey)?;
        let aad = associated_data(purpose, account);
        let plain = key.seal.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &aad });
        plain.map(Zeroizing::new).map_err(|_| Unsealable::Damaged)
    }

    /// The digest keys of a store that begins with the key that seals.
    pub(super) fn own_digests(&self) -> DigestKeys {
        self.sealing_key().digests.clone()
    }

    /// The digest keys of a store that began with this key.
    pub(super) fn digests_of(&self, mark: KeyMark) -> Option<DigestKeys> {
        self.keys.iter().find(|key| key.mark() == mark).map(|key| key.digests.clone())
    }

    fn sealing_key(&self) -> &Key {
        &self.keys[self.sealing]
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring([secret]; {})", self.keys.len())
    }
}

impl Key {
    fn parse(line: &str) -> Option<Self> {
        let text = line.strip_prefix(LINE_PREFIX)?.trim();
        // Padding is at the end: the library also takes one encoding after the other for one.
        if text.strip_suffix('=')?.contains('=') {
            return None;
        }
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
        let master: &[u8; KEY_BYTES] = bytes.as_slice().try_into().ok()?;
        let id = derive(master, "id");
        Some(Self {
            id: *id.first_chunk()?,
            seal: XChaCha20Poly1305::new(derive(master, "seal").as_slice().try_into().ok()?),
            digests: DigestKeys::derived(|purpose| derive(master, purpose)),
        })
    }

    fn mark(&self) -> KeyMark {
        let mut mark = [FORMAT; MARK_BYTES];
        mark[1..].copy_from_slice(&self.id);
        KeyMark(mark)
    }
}

struct DerivedKey;

impl KeyType for DerivedKey {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// A key for one purpose, by HKDF-SHA-256 (RFC 5869).
pub(super) fn derive(master: &[u8; KEY_BYTES], purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
    let salt = Salt::new(HKDF_SHA256, b"vestibule");
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    salt.extract(master)
        .expand(&[purpose.as_bytes()], DerivedKey)
        .and_then(|key| key.fill(out.as_mut_slice()))
        .expect("32 bytes are within HKDF's limit");
    out
}

fn associated_data(purpose: Purpose, account: &AccountKey) -> Vec<u8> {
    joined([purpose.as_str(), &account.realm, &account.organization, &account.user].map(str::as_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(user: &str) -> AccountKey {
        AccountKey { realm: "site".into(), organization: "acme".into(), user: user.into() }
    }

    fn keyring(byte: u8) -> Keyring {
        Keyring::parse(&Keyring::new_file(&[byte; 32])).expect("a new key file is good")
    }

    #[test]
    fn a_sealed_value_opens_for_its_account_and_purpose_alone() {
        let ring = keyring(1);
        let sealed = ring.seal(Purpose::TotpSecret, &account("7"), b"secret", [9; NONCE_BYTES]);
        let open = |purpose, user: &str| ring.open(purpose, &account(user), &sealed);
        assert_eq!(open(Purpose::TotpSecret, "7").expect("opens").as_slice(), b"secret");
        assert_eq!(open(Purpose::TotpSecret, "8").unwrap_err(), Unsealable::Damaged);
        assert_eq!(open(Purpose::PendingSecret, "7").unwrap_err(), Unsealable::Damaged);
        assert_eq!(keyring(2).open(Purpose::TotpSecret, &account("7"), &sealed).unwrap_err(), Unsealable::AnotherKey);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let ring = keyring(1);
        let sealed = ring.seal(Purpose::TotpSecret, &account("7"), b"secret", [9; NONCE_BYTES]);
        for at in 0..sealed.0.len() {
            let mut bytes = sealed.0.clone();
            bytes[at] ^= 1;
            assert!(ring.open(Purpose::TotpSecret, &account("7"), &Sealed(bytes)).is_err(), "byte {at}");
        }
        for length in 0..sealed.0.len() {
            let cut = Sealed(sealed.0[..length].to_vec());
            assert!(ring.open(Purpose::TotpSecret, &account("7"), &cut).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn an_older_key_in_the_file_still_opens() {
        let old = keyring(1).seal(Purpose::TotpSecret, &account("7"), b"secret", [9; NONCE_BYTES]);
        let both = format!("# rotated\n{}\n{}", *Keyring::new_file(&[2; 32]), *Keyring::new_file(&[1; 32]));
        let ring = Keyring::parse(&both).expect("two keys");
        assert!(ring.open(Purpose::TotpSecret, &account("7"), &old).is_ok());
        assert_eq!(ring.seals_with(), keyring(2).seals_with());
        assert_eq!(ring.marks(), [keyring(2).seals_with(), keyring(1).seals_with()]);
        let back = ring.seal_with(keyring(1).seals_with()).expect("it is there");
        let sealed = back.seal(Purpose::TotpSecret, &account("7"), b"secret", [9; NONCE_BYTES]);
        assert_eq!(sealed.mark(), old.mark());
        assert!(keyring(2).seal_with(keyring(1).seals_with()).is_none(), "it has no such key");
    }

    #[test]
    fn a_key_file_grows_at_the_top_and_loses_all_but_the_newest_key() {
        let grown = Keyring::add_to_file(&format!("# ours\n{}", *Keyring::new_file(&[1; 32])), &[2; 32]);
        let ring = Keyring::parse(&grown).expect("two keys");
        assert_eq!(ring.marks(), [keyring(2).seals_with(), keyring(1).seals_with()]);
        let newest = Keyring::newest_of_file(&grown);
        assert_eq!(Keyring::parse(&newest).expect("one key").marks(), [keyring(2).seals_with()]);
        assert!(newest.contains("# ours"), "comments stay");
    }

    #[test]
    fn a_bad_key_file_is_told_by_its_line() {
        assert_eq!(Keyring::parse("").unwrap_err(), BadKeyFile::Empty);
        assert_eq!(Keyring::parse("\nvestibule-key-1 AAAA\n").unwrap_err(), BadKeyFile::Line(2));
        assert_eq!(Keyring::parse("hello").unwrap_err(), BadKeyFile::Line(1));
        let two_in_one = "vestibule-key-1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=CAgICAgICAue";
        assert_eq!(Keyring::parse(two_in_one).unwrap_err(), BadKeyFile::Line(1));
    }

    #[test]
    fn keys_below_others_come_after_them_and_once_each() {
        let of = |byte: u8| keyring(byte).seals_with();
        let two = Keyring::parse(&format!("{}\n{}", *Keyring::new_file(&[2; 32]), *Keyring::new_file(&[1; 32])));
        let all = keyring(1).above(&two.expect("two keys"));
        assert_eq!(all.marks(), [of(1), of(2)]);
        assert_eq!(all.seals_with(), of(1));
    }

    #[test]
    fn a_key_has_a_public_name_and_is_not_shown_otherwise() {
        let name = keyring(1).seals_with().to_string();
        assert_eq!(name.len(), 2 * KEY_ID_BYTES);
        assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()) && name != keyring(2).seals_with().to_string());
        assert_eq!(format!("{:?}", keyring(1)), "Keyring([secret]; 1)");
    }
}
