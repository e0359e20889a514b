//! Memory that nobody reads afterwards: keys and secrets are in it while they are used.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// From here on the system writes no core file of this process, whatever limits and `core_pattern` say, and lets no other
/// process of the same user look into its memory (`PR_SET_DUMPABLE`, prctl(2)).
///
/// # Errors
///
/// If the system refuses: something around this process filters its system calls.
pub fn forbid() -> std::io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
