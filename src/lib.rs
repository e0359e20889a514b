//! Vestibule: the second factor for dashboards that only have a password.

pub mod body;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod second_factor;
pub mod store;
pub mod upstream;
