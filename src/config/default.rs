//! What holds where the file says nothing. `config/reference.toml` says the same, and a test compares the two.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(super) const OPERATIONS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);
pub(super) const STORE_FILE: &str = "vestibule.db";
pub(super) const STORE_CONNECTIONS: usize = 16;
pub(super) const POSTGRES_PORT: u16 = 5432;
pub(super) const KEY_FILE: &str = "vestibule.key";
pub(super) const IDLE: Duration = Duration::from_hours(1);
pub(super) const LIFETIME: Duration = Duration::from_hours(12);
pub(super) const TICKET_LIFETIME: Duration = Duration::from_hours(24);
pub(super) const ISSUER: &str = "Vestibule";
pub(super) const PREFIX: &str = "/_2fa";
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// Below the 5 seconds after which Node.js, the most impatient of the common servers, closes an unused connection.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
pub(super) const IDENTITY_CACHE: Duration = Duration::from_secs(5);
pub(super) const IDENTITY_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const KEYS_REFRESH: Duration = Duration::from_mins(5);
pub(super) const TOKEN_LEEWAY: Duration = Duration::from_secs(10);
pub(super) const ANONYMOUS_STATUSES: [u16; 2] = [401, 403];
