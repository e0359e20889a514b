//! Bytes without end of which each place is known: a body that lost, doubled or moved a piece is not the same.

use std::sync::LazyLock;

use bytes::Bytes;

/// A prime, so that no piece of a usual size fits into another's place.
const PERIOD: usize = 65_521;

static PERIODS: LazyLock<Bytes> = LazyLock::new(|| {
    let byte = |at: usize| u8::try_from((at * at / 7 + at) % 251).expect("less than 256");
    (0..PERIOD).map(byte).collect::<Vec<_>>().into()
});

/// Where in the pattern somebody is.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Pattern(pub(crate) u64);

impl Pattern {
    /// The next bytes: as many as that, or fewer.
    pub(crate) fn next(&mut self, most: u64) -> Bytes {
        let start = self.place();
        let length = (PERIOD - start).min(usize::try_from(most).unwrap_or(usize::MAX));
        self.0 += length as u64;
        PERIODS.slice(start..start + length)
    }

    /// Goes on by these bytes.
    ///
    /// # Panics
    /// If they are not the next ones.
    pub(crate) fn is_continued_by(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = self.next(bytes.len() as u64);
            let (these, rest) = bytes.split_at(expected.len());
            assert!(these == &expected[..], "other bytes within the last {} before {}", these.len(), self.0);
            bytes = rest;
        }
    }

    fn place(self) -> usize {
        usize::try_from(self.0 % PERIOD as u64).expect("less than a period")
    }
}
