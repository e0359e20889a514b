//! What a sighting says that the store does not know yet, and how accounts stand in lists.

use super::Sighting;
use crate::second_factor::account::Account;

/// Whether the dashboard gives another name or address than is kept. One that gives none takes none away.
pub(super) fn is_news(sighting: &Sighting, account: &Account) -> bool {
    let differs = |given: &Option<String>, kept: &Option<String>| given.is_some() && given != kept;
    differs(&sighting.email, &account.email) || differs(&sighting.name, &account.name)
}

/// What lists are ordered by and searched in. A line break parts the fields: it sorts before whatever a name goes on
/// with, and nobody types it into a search.
pub(super) fn listing(name: Option<&str>, email: Option<&str>, user: &str) -> String {
    let mut listing = [name.unwrap_or_default(), email.unwrap_or_default(), user].join("\n");
    listing.make_ascii_lowercase();
    listing
}
