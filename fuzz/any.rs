//! Runs the target that the variable `TARGET` names. One program for all: each would be as large as the gateway.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule::fuzzing::TARGETS;

static CHECK: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("no target {name:?}")).check
});

fuzz_target!(|bytes: &[u8]| CHECK(bytes));
