//! The one module that asks the machine for randomness.

/// Fresh random bytes of the operating system's generator.
///
/// # Panics
/// If the operating system has none: nothing that follows would be secret.
#[expect(clippy::disallowed_methods, reason = "the one place that asks for them")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
