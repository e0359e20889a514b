//! What names an account, owned or not: one that is remembered is found without a copy of its name.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use crate::second_factor::account::AccountKey;

/// A name, to look an account up by.
pub(super) trait Name {
    /// Realm, organization, user.
    fn parts(&self) -> (&str, &str, &str);
}

impl Name for AccountKey {
    fn parts(&self) -> (&str, &str, &str) {
        (&self.realm, &self.organization, &self.user)
    }
}

impl Name for (&str, &str, &str) {
    fn parts(&self) -> (&str, &str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Name + 'a> for AccountKey {
    fn borrow(&self) -> &(dyn Name + 'a) {
        self
    }
}

/// As [`AccountKey`] hashes itself: field after field.
impl Hash for dyn Name + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Name + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Name + '_ {}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn a_name_hashes_alike_whoever_owns_it() {
        let (realm, organization, user) = ("site", "acme", "7");
        let key = AccountKey { realm: realm.into(), organization: organization.into(), user: user.into() };
        let name: &dyn Name = &(realm, organization, user);
        let hasher = std::hash::RandomState::new();
        assert_eq!(hasher.hash_one(name), hasher.hash_one(&key));
        let same: &dyn Name = key.borrow();
        assert!(name == same);
    }
}
