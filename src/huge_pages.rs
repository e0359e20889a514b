//! In how large pages the system gives this process memory.

use rustix::thread::disable_transparent_huge_pages;

/// From here on the system gives none of 2 MiB (`PR_SET_THP_DISABLE`, prctl(2)), whatever it does for others: such a page is
/// there as a whole once a byte of it is used, and what connections have room for is mostly not. Before,
/// the allocator asks for none (`no_thp` in Cargo.toml), but a system that gives them to all may have given it some.
pub fn avoid() {
    // Where it is refused, more memory is taken: no reason not to start.
    _ = disable_transparent_huge_pages(true);
}
