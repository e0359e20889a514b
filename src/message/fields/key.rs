//! What tells names apart, mostly, and where to begin to look for one.

/// What two names differ by, mostly, whatever their case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) u64);

impl Key {
    /// Of how they begin and end, and their length.
    #[inline]
    pub(super) const fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let ends = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            // As numbers: what was just put together in memory from smaller pieces is slow to be read again.
            u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << u32::BITS
        } else {
            let (mut ends, mut at) = (0, 0);
            while at < bytes.len() {
                ends |= (bytes[at] as u64) << (at * 8);
                at += 1;
            }
            ends
        };
        // A bit is all that letters differ by from those of the other case. The golden ratio, as in Fibonacci hashing, makes
        // the upper bits depend on all others.
        let ends = (ends | 0x2020_2020_2020_2020) ^ (bytes.len() as u64) << 10;
        Self(ends.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// As many of the upper bits.
    #[expect(clippy::cast_possible_truncation, reason = "they are few")]
    pub(super) const fn upper(self, bits: u32) -> usize {
        (self.0 >> (u64::BITS - bits)) as usize
    }
}

/// For each of some places, which keys share, the number of the first line that was added with one of them, counted
/// from one: zero for none, and the largest for that one and all behind it.
#[derive(Clone, Copy)]
pub(super) struct Firsts([u8; 1 << Self::BITS]);

impl Firsts {
    const BITS: u32 = 7;
    /// None.
    pub(super) const EMPTY: Self = Self([0; 1 << Self::BITS]);

    /// Behind how many lines the first was added, or behind more than that.
    #[inline]
    pub(super) fn behind(&self, key: Key) -> Option<usize> {
        usize::from(self.0[key.upper(Self::BITS)]).checked_sub(1)
    }

    /// Notes one that is added behind so many.
    #[inline]
    pub(super) fn note(&mut self, key: Key, behind: usize) {
        let first = &mut self.0[key.upper(Self::BITS)];
        if *first == 0 {
            *first = u8::try_from(behind + 1).unwrap_or(u8::MAX);
        }
    }
}

impl Default for Firsts {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// A bit for each of some keys, and for those that share it.
#[derive(Clone, Copy, Default)]
pub(super) struct KeySet([u64; 2]);

impl KeySet {
    /// None.
    pub(super) const EMPTY: Self = Self([0; 2]);

    /// In which of the two its bit is, and the bit.
    const fn place(key: Key) -> (usize, u64) {
        (key.upper(1), 1 << (key.upper(7) % 64))
    }

    /// Whether it may be among them.
    #[inline]
    pub(super) const fn has(&self, key: Key) -> bool {
        let (half, bit) = Self::place(key);
        self.0[half] & bit != 0
    }

    /// Adds it.
    #[inline]
    pub(super) const fn add(&mut self, key: Key) {
        let (half, bit) = Self::place(key);
        self.0[half] |= bit;
    }
}
