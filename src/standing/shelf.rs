//! What is remembered until it is forgotten: one by one, or all at once, which takes no longer though it may be a million.

use std::hash::Hash;

use quick_cache::sync::Cache;

use super::REMEMBERED;
use crate::bookmark::{Bookmark, Key, Revisions};
use crate::second_factor::account::AccountId;
use crate::second_factor::session::TokenDigest;

pub(super) struct Shelf<K, V> {
    /// Each with the era in which it was put here: it is not found in a later one.
    values: Cache<K, (u64, V)>,
    /// What changed among them.
    revisions: Revisions,
}

impl<K: Key + Hash, V: Clone> Shelf<K, V> {
    pub(super) fn new() -> Self {
        Self { values: Cache::new(REMEMBERED), revisions: Revisions::new() }
    }

    /// What is remembered under the key; not searched for where that is the last one.
    pub(super) fn get<'a>(&self, key: &K, last: &'a mut Option<Bookmark<K, V>>) -> Option<&'a V> {
        self.revisions.find(key, last, || {
            let (era, value) = self.values.get(key)?;
            (era == self.revisions.era()).then_some(value)
        })
    }

    pub(super) fn put(&self, key: K, value: V) {
        self.values.insert(key, (self.revisions.era(), value));
        self.revisions.note(&key);
    }

    pub(super) fn forget(&self, key: &K) {
        self.values.remove(key);
        self.revisions.note(key);
    }

    pub(super) fn forget_all(&self) {
        self.revisions.note_all();
    }
}

impl Key for AccountId {
    fn number(&self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

impl Key for TokenDigest {
    fn number(&self) -> u16 {
        let [low, high, ..] = self.0;
        u16::from_le_bytes([low, high])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: AccountId = AccountId(1);

    /// What is found without and with a bookmark, which has to be the same.
    fn get(
        shelf: &Shelf<AccountId, &'static str>,
        last: &mut Option<Bookmark<AccountId, &'static str>>,
    ) -> Option<&'static str> {
        let found = shelf.get(&KEY, &mut None).copied();
        assert_eq!(shelf.get(&KEY, last).copied(), found);
        found
    }

    #[test]
    fn what_is_remembered_is_the_last_that_was_put_there_until_it_is_forgotten() {
        let (shelf, mut last) = (Shelf::new(), None);
        assert_eq!(get(&shelf, &mut last), None);
        shelf.put(KEY, "one");
        assert_eq!(get(&shelf, &mut last), Some("one"));
        shelf.put(KEY, "two");
        assert_eq!(get(&shelf, &mut last), Some("two"));
        shelf.forget(&KEY);
        assert_eq!(get(&shelf, &mut last), None);
        shelf.put(KEY, "three");
        assert_eq!(get(&shelf, &mut last), Some("three"));
        shelf.forget_all();
        assert_eq!(get(&shelf, &mut last), None);
        shelf.put(KEY, "four");
        assert_eq!(get(&shelf, &mut last), Some("four"));
    }

    #[test]
    fn what_is_forgotten_is_so_where_it_had_to_make_room_before() {
        let (shelf, mut last) = (Shelf::new(), None);
        shelf.put(KEY, "one");
        assert_eq!(get(&shelf, &mut last), Some("one"));
        shelf.values.remove(&KEY);
        assert_eq!(shelf.get(&KEY, &mut last), Some(&"one"), "it is as true as before");
        shelf.forget(&KEY);
        assert_eq!(get(&shelf, &mut last), None);
    }
}
