//! How a long list is searched while somebody waits: what is looked at, how much of it at most, and when that is enough.
//!
//! Those whose list entry begins with what is sought come first. Then the list is walked from its beginning, which finds
//! what many have at once. What few have is found by an index of every three letters. Neither is asked for more than takes
//! some milliseconds, so what many have and nobody at the beginning is found in part, and that is said.

use super::Extent;

/// How many accounts a search finds at most.
pub(super) const REACH: u64 = 1_000;

/// How many accounts of a list are looked at one after the other.
pub(super) const WALK: u64 = 50_000;

/// How many accounts that have the letters are looked at.
pub(super) const CANDIDATES: u64 = 5_000;

/// How many letters in a row the index knows.
pub(super) const LETTERS: usize = 3;

/// What is sought, as lists have it: with ASCII letters in lower case.
pub(super) struct Sought {
    pub(super) text: String,
    /// From where to where a list entry begins with it, in the list's order: those who have neither name nor address, those
    /// without a name, all others.
    pub(super) beginnings: [(String, String); 3],
}

impl Sought {
    /// `None` for nothing, which everybody has.
    pub(super) fn new(search: Option<&str>) -> Option<Self> {
        let text = search.filter(|search| !search.is_empty())?.to_ascii_lowercase();
        // Behind everything that goes on from there: no character is larger.
        let beginnings =
            ["\n\n", "\n", ""].map(|before| (format!("{before}{text}"), format!("{before}{text}\u{10ffff}")));
        Some(Self { text, beginnings })
    }

    /// Whether the index can tell who might have it.
    pub(super) fn is_indexed(&self) -> bool {
        self.text.chars().count() >= LETTERS && !self.text.contains('\0')
    }

    /// The letters that whoever has it has, three in a row each, and none twice as far as it goes: each of them costs.
    pub(super) fn letters(&self) -> Vec<String> {
        let characters: Vec<char> = self.text.chars().collect();
        let last = characters.len().saturating_sub(LETTERS);
        let begins = (0..last).step_by(LETTERS).chain([last]);
        begins.map(|begin| characters[begin..].iter().take(LETTERS).collect()).collect()
    }
}

/// Who was found, in their order.
pub(super) struct Found<I> {
    ids: Vec<I>,
    extent: Extent,
}

impl<I> Found<I> {
    /// Everybody who has what is sought, or one more than are told of.
    pub(super) const fn everybody(ids: Vec<I>) -> Self {
        Self { ids, extent: Extent::Exact }
    }

    /// Those who were found before somebody would have waited too long.
    pub(super) const fn some(ids: Vec<I>) -> Self {
        Self { ids, extent: Extent::AtLeast }
    }

    /// A part of them, how many there are, and whether that is all.
    pub(super) fn part(mut self, offset: u64, limit: u64) -> (Vec<I>, u64, Extent) {
        let reach = usize::try_from(REACH).unwrap_or(usize::MAX);
        if self.ids.len() > reach {
            self.ids.truncate(reach);
            self.extent = Extent::AtLeast;
        }
        let total = self.ids.len() as u64;
        let number = |rows| usize::try_from(rows).unwrap_or(usize::MAX);
        (self.ids.into_iter().skip(number(offset)).take(number(limit)).collect(), total, self.extent)
    }
}

/// What a count means that went on until one more than the reach.
pub(super) fn counted(count: u64) -> (u64, Extent) {
    if count > REACH { (REACH, Extent::AtLeast) } else { (count, Extent::Exact) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_ends_at_the_reach_and_says_so() {
        let people = |count: u64| Found::everybody((0..count).collect());
        assert_eq!(people(3).part(1, 25), (vec![1, 2], 3, Extent::Exact));
        assert_eq!(people(REACH).part(REACH - 1, 25), (vec![REACH - 1], REACH, Extent::Exact));
        assert_eq!(people(REACH + 1).part(REACH - 1, 25), (vec![REACH - 1], REACH, Extent::AtLeast));
        assert_eq!(Found::some(vec![7]).part(0, 25), (vec![7], 1, Extent::AtLeast));
        assert_eq!(people(3).part(u64::MAX, u64::MAX), (vec![], 3, Extent::Exact));
    }

    #[test]
    fn the_index_is_asked_for_all_of_the_letters() {
        let sought = |text| Sought::new(Some(text)).expect("something");
        for (text, letters) in [
            ("Ann", &["ann"][..]),
            ("Anna", &["ann", "nna"]),
            ("An\u{c4}nax", &["an\u{c4}", "nax"]),
            ("An\u{c4}nax1", &["an\u{c4}", "nax", "ax1"]),
        ] {
            assert_eq!(sought(text).letters(), letters);
            assert!(sought(text).is_indexed());
        }
        for unknown in ["an", "\u{c4}\u{c4}", "an\0x"] {
            assert!(!sought(unknown).is_indexed(), "{unknown:?}");
        }
        assert!(Sought::new(None).is_none() && Sought::new(Some("")).is_none());
    }
}
