//! Recovery codes: ten single-use stand-ins for a lost authenticator.

use zeroize::Zeroizing;

use super::account::AccountKey;
use super::digests::DigestKeys;
use super::spelling;

/// How many codes a batch has.
pub const CODES: usize = 10;
/// Random bytes in a code: 80 bits, 16 characters.
pub const CODE_BYTES: usize = 10;

/// One recovery code. Never logged, never kept: the store has its [`CodeDigest`].
pub struct RecoveryCode(Zeroizing<[u8; CODE_BYTES]>);

/// Keyed digest of a recovery code of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodeDigest(pub [u8; 32]);

impl RecoveryCode {
    /// A code made of 80 fresh random bits.
    pub fn new(random: [u8; CODE_BYTES]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// Reads what was typed, whatever its case, spaces and dashes; O is read as 0, I and L as 1.
    /// `None` is a failed try like any other.
    pub fn parse(typed: &str) -> Option<Self> {
        spelling::read(typed).map(Self)
    }

    /// The code as it is shown: four groups of four characters.
    pub fn text(&self) -> String {
        spelling::spell(self.0.as_slice())
    }

    /// What the store keeps: the same code gives another digest for another account, or of another store.
    pub fn digest(&self, keys: &DigestKeys, account: &AccountKey) -> CodeDigest {
        CodeDigest(keys.recovery_digest(account, self.0.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let code = RecoveryCode::new([0, 1, 2, 3, 250, 251, 252, 253, 254, 255]);
        let shown = code.text();
        assert_eq!((shown.len(), shown.matches('-').count()), (19, 3));
        let sloppy = shown.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for typed in [shown.as_str(), sloppy.as_str(), &shown.replace('-', "")] {
            assert_eq!(RecoveryCode::parse(typed).expect("readable").0, code.0, "{typed}");
        }
    }

    #[test]
    fn anything_but_sixteen_characters_of_the_alphabet_is_no_code() {
        for typed in
            ["", "0", "0000-0000-0000-000", "0000-0000-0000-00000", "UUUU-0000-0000-0000", "0000\u{a0}000000000000"]
        {
            assert!(RecoveryCode::parse(typed).is_none(), "{typed:?}");
        }
    }
}
