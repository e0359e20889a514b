//! Vestibule: the second factor for dashboards that only have a password.

pub mod body;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod identity;
pub mod listener;
pub mod proxy;
pub mod second_factor;
pub mod session_cookie;
pub mod site;
pub mod store;
pub mod upstream;
