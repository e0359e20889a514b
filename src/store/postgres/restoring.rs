//! What is done to a store that was put back from a backup: whatever may have been used up since is used up.

use super::audit;
use super::connection::Connection;
use super::failure::Outcome;
use crate::second_factor::event::{EventKind, Occasion};
use crate::second_factor::totp::Step;
use crate::store::Ended;

pub(super) async fn restored(tx: &Connection, occasion: &Occasion) -> Outcome<Ended> {
    // All of it at once takes its time.
    tx.batch("SET LOCAL statement_timeout = 0").await?;
    let used = Step::latest_good(occasion.at);
    // First, as whoever decides about an account locks it first. Those who were before this are seen by what follows.
    tx.execute("UPDATE accounts SET last_step = $1 WHERE last_step < $1", &[&used]).await?;
    tx.execute("INSERT INTO changes (at, session) SELECT $1, digest FROM sessions", &[&occasion.at]).await?;
    let ended = Ended {
        sessions: tx.execute("DELETE FROM sessions", &[]).await?,
        recovery_codes: tx.execute("DELETE FROM recovery_codes", &[]).await?,
    };
    tx.execute("DELETE FROM pending_sessions", &[]).await?;
    tx.execute("DELETE FROM pending_enrollments", &[]).await?;
    tx.execute("DELETE FROM tickets", &[]).await?;
    audit::of_each_organization(tx, EventKind::StoreRestored, occasion).await?;
    Ok(ended)
}
