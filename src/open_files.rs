//! How many files and sockets this process may have open at once: as many as the system allows it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit (`RLIMIT_NOFILE`) to the hard one: shells and service managers set it to 1,024, which a few idle
/// clients use up.
pub fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_err() {
        tracing::warn!("the limit on open files can't be raised");
    }
}

/// How many may be open now; `None` if the system sets no limit.
pub fn allowed() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
