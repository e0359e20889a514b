//! The rules: who must give a second factor, and what counts as one.
//!
//! Nothing in here knows HTTP, SQL, the machine's clock or its random generator: times and random bytes
//! come in as arguments, decisions go out as values. That is what makes every rule testable as a table.
//!
//! Read [`policy`] first: it says who passes. The rest is what it stands on, from the
//! [`account`] that holds a factor to the [`sealing`] of what is kept of it.

pub mod account;
pub mod digests;
pub mod enrollment;
pub mod event;
pub mod guessing;
pub mod key_check;
pub mod policy;
pub mod recovery;
pub mod sealing;
pub mod session;
mod spelling;
pub mod throttle;
pub mod ticket;
pub mod timestamp;
pub mod totp;

pub use timestamp::Timestamp;
