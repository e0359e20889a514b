//! What is done to a store that was put back from a backup: whatever may have been used up since is used up.

use rusqlite::{Connection, params};

use super::audit;
use super::job::Outcome;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::totp::Step;
use crate::store::Ended;

pub(super) fn restored(tx: &Connection, occasion: &Occasion) -> Outcome<Ended> {
    let used = Step::latest_good(occasion.at);
    tx.execute("UPDATE accounts SET last_step = ?1 WHERE last_step < ?1", params![used])?;
    tx.execute("INSERT INTO changes (at, session) SELECT ?1, digest FROM sessions", params![occasion.at])?;
    let ended = Ended {
        sessions: tx.execute("DELETE FROM sessions", [])? as u64,
        recovery_codes: tx.execute("DELETE FROM recovery_codes", [])? as u64,
    };
    tx.execute("DELETE FROM pending_sessions", [])?;
    tx.execute("DELETE FROM pending_enrollments", [])?;
    tx.execute("DELETE FROM tickets", [])?;
    audit::of_each_organization(tx, EventKind::StoreRestored, occasion)?;
    Ok(ended)
}
