//! How many files and sockets this process may have open at once: as many as the system allows it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::listener::CONNECTIONS;

/// A client's socket and one to its dashboard for each connection, and some for the store, the log and the operator.
const NEEDED: u64 = 2 * CONNECTIONS as u64 + 200;

/// Raises the soft limit (`RLIMIT_NOFILE`) to the hard one: shells and service managers set it to 1,024, which a few idle
/// clients use up. Says so in the log where the hard one is too small as well.
pub fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_err() {
        tracing::warn!("the limit on open files can't be raised");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    if let Some(allowed) = allowed.filter(|allowed| *allowed < NEEDED) {
        tracing::warn!(
            allowed,
            needed = NEEDED,
            "few open files are allowed: with that many connections no more are taken; raise the hard limit (LimitNOFILE)"
        );
    }
}
