//! Which server to ask, for which database, and as whom.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// A database on a PostgreSQL server, and the user to work there as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where the server listens; at least one. The first that takes writes is the one.
    pub servers: Vec<Server>,
    /// The database's name.
    pub name: String,
    /// The user's name.
    pub user: String,
    /// The user's password, where the server asks for one.
    pub password: Option<Password>,
    /// How many connections this process opens at most.
    pub connections: usize,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// By which way.
    pub host: Host,
    /// The port, which is part of the name of a Unix socket too.
    pub port: u16,
}

/// A way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name, or an address without brackets.
    Tcp(String),
    /// The folder of its Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Host::Tcp(host) => write!(f, "{host}:{}", self.port),
            Host::Unix(folder) => write!(f, "{}", folder.join(format!(".s.PGSQL.{}", self.port)).display()),
        }
    }
}

impl fmt::Display for Database {
    /// As errors name it: the user and the password are nobody else's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(Server::to_string).collect();
        write!(f, "{:?} at {}", self.name, servers.join(" or "))
    }
}

/// A password. It is never shown, and gone from memory once it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// This one.
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_log_nor_an_error_shows_the_password() {
        let server = Server { host: Host::Tcp("db.example".into()), port: 5432 };
        let database = Database {
            servers: vec![server, Server { host: Host::Unix("/run/postgresql".into()), port: 5433 }],
            name: "vestibule".into(),
            user: "vestibule".into(),
            password: Some(Password::new("correct horse".into())),
            connections: 16,
        };
        assert!(!format!("{database:?}").contains("horse"));
        assert_eq!(database.to_string(), "\"vestibule\" at db.example:5432 or /run/postgresql/.s.PGSQL.5433");
    }
}
