//! Time-based one-time passwords (RFC 6238) with the defaults every authenticator app understands:
//! SHA-1, 6 digits, steps of 30 seconds, a secret of 160 bits.

use data_encoding::BASE32_NOPAD;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::Timestamp;

/// Seconds in a step.
pub const STEP_SECONDS: u64 = 30;
/// Digits in a code.
pub const DIGITS: usize = 6;
/// Bytes in a secret.
pub const SECRET_BYTES: usize = 20;

/// The number of a 30-second step since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(pub i64);

impl Step {
    /// The step that `now` lies in.
    pub fn at(now: Timestamp) -> Self {
        Self(i64::try_from(now.as_secs() / STEP_SECONDS).unwrap_or(i64::MAX))
    }

    /// The latest step whose code may have been accepted by `now`: the one after the current.
    pub fn latest_good(now: Timestamp) -> Self {
        Self(Self::at(now).0.saturating_add(1))
    }
}

/// Six ASCII digits that somebody typed. Never logged, never kept.
pub struct Code([u8; DIGITS]);

impl Code {
    /// Reads what was typed: spaces and dashes are dropped, then exactly six ASCII digits must be left.
    /// `None` is a failed try like any other.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut digits = [0; DIGITS];
        let mut count = 0;
        for byte in typed.bytes().filter(|b| !matches!(b, b' ' | b'-')) {
            if !byte.is_ascii_digit() {
                return None;
            }
            *digits.get_mut(count)? = byte;
            count += 1;
        }
        (count == DIGITS).then_some(Self(digits))
    }
}

/// An authenticator's shared secret. Wiped when dropped.
pub struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl Secret {
    /// A secret made of 160 fresh random bits.
    pub fn new(random: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// The secret that was kept as these bytes; `None` if they are not 20.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes to seal.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Base32 without padding (RFC 4648 section 6), as authenticators take it: 32 characters.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.bytes()))
    }

    /// The step whose code this is: the one before `now`, the current one or the one after (RFC 6238
    /// section 5.2), and of these the earliest later than `last`, the last one that was accepted.
    ///
    /// A match that is not later than `last` is returned too, so that the caller can tell a used code from a
    /// wrong one; it must not be accepted. All three codes are computed and compared in constant time.
    pub fn matching_step(&self, code: &Code, now: Timestamp, last: Option<Step>) -> Option<Step> {
        let generator = self.generator();
        let current = Step::at(now).0;
        let mut best = i64::MIN;
        for step in (current.saturating_sub(1)..=current.saturating_add(1)).rev() {
            let matches = digits_at(&generator, step).ct_eq(&code.0);
            let usable = Choice::from(u8::from(last.is_none_or(|last| step > last.0)));
            let nothing_yet = Choice::from(u8::from(best == i64::MIN));
            best.conditional_assign(&step, matches & (usable | nothing_yet));
        }
        (best != i64::MIN).then_some(Step(best))
    }

    fn generator(&self) -> Totp {
        Builder::new()
            .with_secret(self.bytes().to_vec())
            .build()
            .expect("160 bits and the defaults make a compliant generator")
    }
}

/// The code of a step (RFC 4226, section 5.3). By arithmetic and not as text, which would take longer the fewer zeros the
/// code begins with, and leave it in memory.
fn digits_at(generator: &Totp, step: i64) -> [u8; DIGITS] {
    let seconds = u64::try_from(step).unwrap_or(0).saturating_mul(STEP_SECONDS);
    let signature = generator.sign(seconds);
    let signature: &[u8; 20] = signature.as_ref().try_into().expect("SHA-1 has 20 bytes");
    let at = usize::from(signature[19] & 0xf);
    let word = [signature[at], signature[at + 1], signature[at + 2], signature[at + 3]];
    let mut number = u32::from_be_bytes(word) & 0x7fff_ffff;
    let mut digits = [0; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("less than 10");
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B: its SHA-1 secret, times, and the last six of its eight digits.
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn rfc_secret() -> Secret {
        Secret::new(*b"12345678901234567890")
    }

    fn code(text: &str) -> Code {
        Code::parse(text).expect("six digits")
    }

    #[test]
    fn the_vectors_of_the_rfc_pass() {
        for (seconds, digits) in VECTORS {
            let now = Timestamp::from_secs(seconds);
            assert_eq!(rfc_secret().matching_step(&code(digits), now, None), Some(Step::at(now)), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_from_the_step_before_to_the_step_after_and_no_longer() {
        let (seconds, digits) = VECTORS[4];
        let step = Step::at(Timestamp::from_secs(seconds));
        let start = step.0 * 30;
        for offset in -180..180 {
            let found = rfc_secret().matching_step(&code(digits), Timestamp::from_secs(start + offset), None);
            let expected = (-30..60).contains(&offset).then_some(step);
            assert_eq!(found, expected, "{offset} s after the start of the step");
        }
    }

    #[test]
    fn a_used_step_is_still_named_so_that_reuse_can_be_told_from_a_wrong_code() {
        let (seconds, digits) = VECTORS[3];
        let now = Timestamp::from_secs(seconds);
        let step = Step::at(now);
        assert_eq!(rfc_secret().matching_step(&code(digits), now, Some(step)), Some(step));
        assert_eq!(rfc_secret().matching_step(&code("000000"), now, None), None);
    }

    #[test]
    fn of_two_steps_with_the_same_code_the_first_that_was_not_used_counts() {
        // One in a million pairs of neighbors; found by trying.
        let (first, code) = (50_424_280, code("070562"));
        let at = |step: i64, last: Option<i64>| {
            let now = Timestamp::from_secs(step * 30);
            rfc_secret().matching_step(&code, now, last.map(Step)).map(|step| step.0 - first)
        };
        for now in [first, first + 1] {
            let rows = [(None, 0), (Some(first - 1), 0), (Some(first), 1), (Some(first + 1), 1)];
            for (last, expected) in rows {
                assert_eq!(at(now, last), Some(expected), "{last:?} was the last");
            }
        }
    }

    #[test]
    fn a_secret_reads_back_as_it_was_kept_and_has_one_length() {
        let kept = Secret::from_bytes(rfc_secret().bytes()).expect("20 bytes");
        assert_eq!(kept.base32().as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(Secret::from_bytes(&[0; SECRET_BYTES - 1]).is_none() && Secret::from_bytes(&[0; 21]).is_none());
    }

    #[test]
    fn the_first_seconds_of_the_epoch_are_no_special_case() {
        assert_eq!(rfc_secret().matching_step(&code("000000"), Timestamp::from_secs(3), None), None);
    }

    #[test]
    fn only_six_ascii_digits_make_a_code() {
        for good in ["123456", "123 456", " 12-34-56 ", "1 2 3 4 5 6"] {
            assert!(Code::parse(good).is_some(), "{good:?}");
        }
        let bad = [
            "",
            "12345",
            "1234567",
            "12345a",
            "١٢٣٤٥٦",
            "１２３４５６",
            "+12345",
            "0x1234",
            "1e5000",
            "123456\0",
            "123456\n",
            "\t123456",
            "123\u{a0}456",
            "123.456",
        ];
        for bad in bad {
            assert!(Code::parse(bad).is_none(), "{bad:?}");
        }
    }
}
