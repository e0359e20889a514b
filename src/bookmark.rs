//! Bookmarks: what was found in a shared memory, without a search for as long as a search there would find the same.

use std::sync::atomic::{AtomicU64, Ordering};

/// Keys share their count with some others: a change under one makes bookmarks at those void too, which only costs a search.
const COUNTS: usize = 1024;

/// How many memories there were so far: no two of a process have the same number.
static PLACES: AtomicU64 = AtomicU64::new(0);

/// What something can be found under.
pub(crate) trait Key: Copy + Eq {
    /// A number that is the same for the same key, and seldom for two.
    fn number(&self) -> u16;
}

/// What was found under a key, and the revision of the place that it was found at.
pub(crate) struct Bookmark<K, V> {
    key: K,
    revision: Revision,
    value: V,
}

/// Equal for the same key only if nothing was noted between.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Revision {
    place: u64,
    count: u64,
}

/// Counts the changes of a memory: what was put into it, taken out of it, or put in the place of something else. What makes
/// room for others is no change, as it is as true as before.
#[derive(Debug)]
pub(crate) struct Revisions {
    place: u64,
    counts: Box<[AtomicU64]>,
    /// Raised by what changes everything. A part of every key's count.
    all: AtomicU64,
}

/// Whom it is about is nobody's business.
impl<K, V> std::fmt::Debug for Bookmark<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bookmark")
    }
}

impl Revisions {
    /// Those of a new memory.
    pub(crate) fn new() -> Self {
        let counts = std::iter::repeat_with(AtomicU64::default).take(COUNTS).collect();
        Self { place: PLACES.fetch_add(1, Ordering::Relaxed), counts, all: AtomicU64::default() }
    }

    /// What a search for the key finds: that of the last search, which is left out, if nothing has changed since.
    pub(crate) fn find<'a, K: Key, V>(
        &self,
        key: &K,
        last: &'a mut Option<Bookmark<K, V>>,
        search: impl FnOnce() -> Option<V>,
    ) -> Option<&'a V> {
        // Read before the search: what changes while it lasts makes void what it found.
        let revision = self.revision(key);
        if last.as_ref().is_none_or(|last| last.key != *key || last.revision != revision) {
            *last = search().map(|value| Bookmark { key: *key, revision, value });
        }
        last.as_ref().map(|last| &last.value)
    }

    /// Notes a change under a key, after it was made.
    pub(crate) fn note(&self, key: &impl Key) {
        self.count(key).fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that everything has changed, after it has.
    pub(crate) fn note_all(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
    }

    /// How often everything has.
    pub(crate) fn era(&self) -> u64 {
        self.all.load(Ordering::SeqCst)
    }

    /// Both parts of the count only ever grow, so their sum is the same only if both are.
    fn revision(&self, key: &impl Key) -> Revision {
        Revision { place: self.place, count: self.count(key).load(Ordering::SeqCst).wrapping_add(self.era()) }
    }

    fn count(&self, key: &impl Key) -> &AtomicU64 {
        &self.counts[usize::from(key.number()) % COUNTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Key for u16 {
        fn number(&self) -> u16 {
            *self
        }
    }

    /// Whether what was found the last time is found again without a search.
    fn is_known(revisions: &Revisions, key: u16, last: &mut Option<Bookmark<u16, &'static str>>) -> bool {
        let mut searched = false;
        let found = revisions.find(&key, last, || {
            searched = true;
            Some("new")
        });
        let found = *found.expect("a search finds something");
        assert_eq!(found, if searched { "new" } else { "old" });
        !searched
    }

    fn found(revisions: &Revisions, key: u16) -> Option<Bookmark<u16, &'static str>> {
        let mut last = None;
        revisions.find(&key, &mut last, || Some("old"));
        last
    }

    #[test]
    fn what_was_found_is_known_until_a_change_under_its_key_or_of_everything_is_noted() {
        let revisions = Revisions::new();
        let mut last = found(&revisions, 7);
        assert!(is_known(&revisions, 7, &mut last));
        revisions.note(&8);
        assert!(is_known(&revisions, 7, &mut last), "another key");
        revisions.note(&7);
        assert!(!is_known(&revisions, 7, &mut last));
        let mut last = found(&revisions, 7);
        revisions.note_all();
        assert!(!is_known(&revisions, 7, &mut last));
    }

    #[test]
    fn what_was_found_is_known_under_its_own_key_alone() {
        let revisions = Revisions::new();
        for other in [8, 7 + 1024] {
            assert!(!is_known(&revisions, other, &mut found(&revisions, 7)), "{other}");
        }
    }

    #[test]
    fn what_was_found_in_one_memory_is_not_known_in_another() {
        let last = &mut found(&Revisions::new(), 7);
        assert!(!is_known(&Revisions::new(), 7, last));
    }

    #[test]
    fn a_change_during_a_search_makes_void_what_it_finds() {
        let revisions = Revisions::new();
        let mut last = None;
        revisions.find(&7, &mut last, || {
            revisions.note(&7);
            Some("old")
        });
        assert!(!is_known(&revisions, 7, &mut last));
    }

    #[test]
    fn where_a_search_finds_nothing_nothing_is_kept() {
        let revisions = Revisions::new();
        let mut last = found(&revisions, 7);
        assert_eq!(revisions.find(&8, &mut last, || None), None);
        assert!(last.is_none());
    }

    #[test]
    fn nothing_of_whom_it_is_about_is_shown() {
        assert_eq!(format!("{:?}", found(&Revisions::new(), 7)), "Some(Bookmark)");
    }
}
