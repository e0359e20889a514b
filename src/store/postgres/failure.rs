//! Why work could not be done, and whether it may be tried again.

use std::error::Error;

use tokio_postgres::error::SqlState;

/// Why a piece of work could not be done.
pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// What became of a piece of work.
pub(super) type Outcome<T> = Result<T, Failure>;

/// The server lost to another transaction, as engines that look ahead do, or gave the transaction up to end a
/// deadlock. Nothing of it is left.
pub(super) fn lost_to_another(failure: &Failure) -> bool {
    state(failure)
        .is_some_and(|state| [&SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::T_R_DEADLOCK_DETECTED].contains(&state))
}

/// A reader of the change feed settled the place that this transaction was about to take: see `changes`.
pub(super) fn place_was_settled(failure: &Failure) -> bool {
    database_error(failure).is_some_and(|error| error.constraint() == Some("changes_pkey"))
}

/// Another transaction has what this one needs, for longer than it was ready to wait.
pub(super) fn waited_too_long(failure: &Failure) -> bool {
    state(failure) == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// The server is stopping, or has become a standby: another connection may lead to one that takes writes.
pub(super) fn server_retired(failure: &Failure) -> bool {
    let retired = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::CANNOT_CONNECT_NOW,
        &SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    state(failure).is_some_and(|state| retired.contains(&state))
}

pub(super) fn state(failure: &Failure) -> Option<&SqlState> {
    failure.downcast_ref::<tokio_postgres::Error>()?.code()
}

fn database_error(failure: &Failure) -> Option<&tokio_postgres::error::DbError> {
    failure.downcast_ref::<tokio_postgres::Error>()?.as_db_error()
}
