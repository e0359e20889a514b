//! How random bytes are written down for people to type.

use data_encoding::{Encoding, Specification};
use zeroize::Zeroizing;

/// Crockford's alphabet: no I, L, O or U to be mistaken for 1, 0 and V.
const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Bytes as they are shown: eight characters for five of them, in groups of four.
pub(super) fn spell(bytes: &[u8]) -> String {
    let plain = Zeroizing::new(encoding().encode(bytes));
    let groups: Vec<&str> = (0..plain.len()).step_by(4).map(|at| &plain[at..plain.len().min(at + 4)]).collect();
    groups.join("-")
}

/// Reads what was typed, whatever its case, spaces and dashes; O is read as 0, I and L as 1. `None` for anything that
/// does not stand for exactly so many bytes.
pub(super) fn read<const BYTES: usize>(typed: &str) -> Option<Zeroizing<[u8; BYTES]>> {
    let significant: Zeroizing<Vec<u8>> =
        Zeroizing::new(typed.bytes().filter(|b| !matches!(b, b' ' | b'-')).map(forgive).collect());
    let mut bytes = Zeroizing::new([0; BYTES]);
    if encoding().decode_len(significant.len()).ok()? != BYTES {
        return None;
    }
    encoding().decode_mut(&significant, bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

fn forgive(byte: u8) -> u8 {
    match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    }
}

fn encoding() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str(ALPHABET);
        specification.encoding().expect("32 distinct symbols make a base32 encoding")
    });
    &ENCODING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back_however_they_are_typed() {
        let bytes: [u8; 15] = [0, 1, 2, 3, 4, 5, 246, 247, 248, 249, 250, 251, 252, 253, 254];
        let shown = spell(&bytes);
        assert_eq!((shown.len(), shown.matches('-').count()), (29, 5));
        let sloppy = shown.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for typed in [shown.as_str(), sloppy.as_str(), &shown.replace('-', "")] {
            assert_eq!(*read::<15>(typed).expect("readable"), bytes, "{typed}");
        }
        assert!(read::<10>(&shown).is_none(), "it stands for more than ten");
    }
}
