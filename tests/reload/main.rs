//! Another configuration while the gateway runs: what it changes, what it leaves alone, and that nobody notices the
//! moment it does.

mod running;
mod signal;
mod support;
mod tls;
