//! Vestibule: the second factor for dashboards that only have a password.

pub mod audience;
pub mod body;
pub mod clock;
pub mod commands;
pub mod config;
pub mod entropy;
pub mod failure;
pub mod gateway;
pub mod identity;
pub mod key_file;
pub mod listener;
pub mod operations;
pub mod pages;
pub mod proxy;
pub mod respond;
pub mod second_factor;
pub mod session_cookie;
pub mod site;
pub mod standing;
pub mod start;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod visit;
