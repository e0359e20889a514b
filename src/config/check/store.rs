//! Where things are kept: a file, or a database on a PostgreSQL server.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::duration;
use super::finding::{Check, Checked, Form};
use super::named_file::{certificates, contents, file_path};
use crate::config::problem::Wrong;
use crate::config::{Postgres, PostgresTls, Store, StoreUrl, default, file};
use crate::store::postgres::{Database, Host, Password, Server};

/// Where a password is taken from that stands neither in the URL nor in a file.
const PASSWORD: &str = "VESTIBULE_STORE_PASSWORD";

const MOST_CONNECTIONS: i64 = 1000;

const SHORTEST_RETENTION: Duration = Duration::from_hours(30 * 24);
const LONGEST_RETENTION: Duration = Duration::from_hours(100 * 365 * 24);

const SQLITE: &str = "\"sqlite:\" and the path of a file, as \"sqlite:vestibule.db\"";
const POSTGRES: &str = "\"postgres://user@host:port/database\", with \"?sslmode=…&sslrootcert=…\" behind it if need be";

impl Check<'_> {
    pub(super) fn store(&mut self, written: &file::Store) -> Checked<Store> {
        let folder = self.folder;
        let url = self.optional("store.url", written.url.as_ref(), |text| store_url(text, folder));
        let key_file = self.optional("store.key_file", written.key_file.as_ref(), |text| file_path(text, folder));
        let password =
            self.optional("store.password_file", written.password_file.as_ref(), |text| password(text, folder));
        let retention = self.optional("store.audit_retention", written.audit_retention.as_ref(), retention);
        let connections = match &written.connections {
            Some(number) => self.at(number.span(), "store.connections", connections(*number.get_ref())),
            None => Ok(default::STORE_CONNECTIONS),
        };
        let mut url = url?.unwrap_or_else(|| StoreUrl::Sqlite(folder.join(default::STORE_FILE)));
        match &mut url {
            StoreUrl::Sqlite(_) => {
                password?;
                connections?;
                self.only_for_postgres(written)?;
            }
            StoreUrl::Postgres(postgres) => {
                let database = &mut postgres.database;
                database.connections = connections?;
                if let (Some(written), Some(_)) = (&written.password_file, &database.password) {
                    let wrong = Wrong::new("there is a password in the URL too", "one of them");
                    return Err(self.report(written.span(), "store.password_file", wrong));
                }
                database.password = password?.or(database.password.take()).or_else(password_of_environment);
            }
        }
        let key_file = key_file?.unwrap_or_else(|| folder.join(default::KEY_FILE));
        Ok(Store { url, key_file, audit_retention: retention? })
    }

    fn only_for_postgres(&mut self, written: &file::Store) -> Checked<()> {
        let password = written.password_file.as_ref().map(|written| ("password_file", written.span()));
        let connections = written.connections.as_ref().map(|written| ("connections", written.span()));
        match password.or(connections) {
            None => Ok(()),
            Some((key, span)) => {
                let wrong = Wrong::new("a store in SQLite has none", format!("a `url` as {POSTGRES}"));
                Err(self.report(span, &format!("store.{key}"), wrong))
            }
        }
    }
}

/// The store at an address that stands on the command line; a path counts from where the command was given.
pub(super) fn store_at(text: &str) -> Form<StoreUrl> {
    let mut url = store_url(text, Path::new(""))?;
    if let StoreUrl::Postgres(Postgres { database, .. }) = &mut url {
        database.password = database.password.take().or_else(password_of_environment);
    }
    Ok(url)
}

fn password_of_environment() -> Option<Password> {
    std::env::var(PASSWORD).ok().filter(|password| !password.is_empty()).map(Password::new)
}

fn store_url(text: &str, folder: &Path) -> Form<StoreUrl> {
    let postgres = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    if let Some(rest) = postgres {
        return self::postgres(rest, folder).map(StoreUrl::Postgres);
    }
    let Some(path) = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) else {
        return Err(Wrong::new("this is no place to keep data", format!("{SQLITE}, or {POSTGRES}")));
    };
    match path {
        ":memory:" => Err(Wrong::new("in memory, every second factor would be lost at the next start", SQLITE)),
        path if path.contains('?') => Err(Wrong::new("the URL takes no parameters", SQLITE)),
        path => file_path(path, folder).map(StoreUrl::Sqlite),
    }
}

fn wrong(what: impl Into<String>) -> Wrong {
    Wrong::new(what, POSTGRES)
}

/// `[user[:password]@][host[:port][,…]][/database][?parameters]`. Nothing that is said of it repeats a part that may be
/// the password.
fn postgres(rest: &str, folder: &Path) -> Form<Postgres> {
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (user_and_hosts, name) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = user_and_hosts.rsplit_once('@').unwrap_or(("", user_and_hosts));
    let (user, password) = match user.split_once(':') {
        Some((user, password)) => (decoded(user)?, Some(decoded(password)?)),
        None => (decoded(user)?, None),
    };
    let parameters = Parameters::read(parameters, folder)?;
    let servers = servers(hosts, parameters.host.as_deref())?;
    let tls = tls(&servers, parameters)?;
    if user.is_empty() {
        return Err(wrong("the URL names no user"));
    }
    let name = match decoded(name)? {
        name if name.is_empty() => user.clone(),
        name => name,
    };
    let password = password.filter(|password| !password.is_empty()).map(Password::new);
    Ok(Postgres { database: Database { servers, name, user, password, connections: default::STORE_CONNECTIONS }, tls })
}

fn decoded(text: &str) -> Form<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    match decoded {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(wrong("the URL has something behind a \"%\" that stands for no character")),
    }
}

/// What stands behind the question mark.
#[derive(Default)]
struct Parameters {
    host: Option<String>,
    mode: Option<Mode>,
    authorities: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Disable,
    Require,
    VerifyFull,
}

impl Parameters {
    fn read(text: &str, folder: &Path) -> Form<Self> {
        let mut parameters = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "host" => parameters.host = Some(value.into_owned()),
                "sslmode" => parameters.mode = Some(mode(&value)?),
                "sslrootcert" => parameters.authorities = Some(certificates(&value, folder)?),
                _ => {
                    let right = "\"sslmode\", \"sslrootcert\", or \"host\" with the folder of a Unix socket";
                    return Err(Wrong::new(format!("the URL has an unknown parameter {key:?}"), right));
                }
            }
        }
        Ok(parameters)
    }
}

fn mode(text: &str) -> Form<Mode> {
    let right = "\"sslmode=verify-full\"; \"require\" where nobody can come in between, \"disable\" on this machine";
    match text {
        "disable" => Ok(Mode::Disable),
        "require" => Ok(Mode::Require),
        "verify-full" => Ok(Mode::VerifyFull),
        "allow" | "prefer" => {
            Err(Wrong::new("TLS that whoever comes in between can switch off protects nothing", right))
        }
        "verify-ca" => Err(Wrong::new("any server with a certificate of that authority would be believed", right)),
        _ => Err(Wrong::new(format!("{text:?} is no sslmode"), right)),
    }
}

fn tls(servers: &[Server], Parameters { mode, authorities, host: _ }: Parameters) -> Form<PostgresTls> {
    let is_unix = |server: &Server| matches!(server.host, Host::Unix(_));
    let mode = mode.unwrap_or(if servers.iter().all(is_local) { Mode::Disable } else { Mode::VerifyFull });
    if mode != Mode::Disable && servers.iter().any(is_unix) {
        return Err(wrong("there is no TLS at a Unix socket, nor any need for it"));
    }
    match (mode, authorities) {
        (Mode::Disable, None) => Ok(PostgresTls::Off),
        (Mode::Require, None) => Ok(PostgresTls::Unverified),
        (Mode::VerifyFull, authorities) => Ok(PostgresTls::Verified { authorities }),
        (Mode::Disable | Mode::Require, Some(_)) => {
            Err(Wrong::new("sslrootcert is looked at with \"sslmode=verify-full\" alone", "\"sslmode=verify-full\""))
        }
    }
}

/// Whether nobody can come in between, since there is no network in between.
fn is_local(server: &Server) -> bool {
    match &server.host {
        Host::Unix(_) => true,
        Host::Tcp(host) => host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn servers(hosts: &str, elsewhere: Option<&str>) -> Form<Vec<Server>> {
    match (hosts, elsewhere) {
        ("", Some(host)) => Ok(vec![server(host, None)?]),
        ("", None) => Err(wrong("the URL names no host")),
        // The port belongs to the socket's name.
        (port, Some(host)) if port.starts_with(':') => Ok(vec![server(host, Some(&port[1..]))?]),
        (_, Some(_)) => Err(wrong("the URL names a host twice")),
        (hosts, None) => hosts.split(',').map(host_and_port).collect(),
    }
}

fn host_and_port(text: &str) -> Form<Server> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(|| wrong("the URL has a \"[\" without a \"]\""))?;
        let port = rest.strip_prefix(':');
        return if rest.is_empty() || port.is_some() { server(address, port) } else { Err(wrong("the host is none")) };
    }
    match text.rsplit_once(':') {
        Some((host, port)) => server(&decoded(host)?, Some(port)),
        None => server(&decoded(text)?, None),
    }
}

fn server(host: &str, port: Option<&str>) -> Form<Server> {
    let port = match port.map(str::parse::<u16>) {
        None => default::POSTGRES_PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(wrong("what stands for the port is none; a password needs \"@\" behind it")),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let host = match host {
        folder if folder.starts_with('/') => Host::Unix(folder.into()),
        name if !name.is_empty() && name.bytes().all(is_plain) => Host::Tcp(name.to_owned()),
        _ => return Err(wrong("what stands for the host is none")),
    };
    Ok(Server { host, port })
}

fn password(text: &str, folder: &Path) -> Form<Password> {
    let path = file_path(text, folder)?;
    let no_password =
        |what| Wrong::new(format!("{} {what}", path.display()), "a file with the password in it, and nothing else");
    let bytes = contents(&path)?;
    let text = String::from_utf8(bytes).map_err(|_| no_password("is no text"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(no_password("is empty")),
        password if password.contains(['\n', '\0']) => Err(no_password("has several lines")),
        password => Ok(Password::new(password.to_owned())),
    }
}

/// What the log is for is looked into weeks later.
fn retention(text: &str) -> Form<Duration> {
    let asked = duration::positive(LONGEST_RETENTION)(text)?;
    if asked < SHORTEST_RETENTION {
        return Err(Wrong::new(
            format!("{text:?} is too short"),
            format!("at least {:?}", duration::written(SHORTEST_RETENTION)),
        ));
    }
    Ok(asked)
}

fn connections(number: i64) -> Form<usize> {
    let within = (1..=MOST_CONNECTIONS).contains(&number).then_some(number);
    let connections = within.and_then(|number| usize::try_from(number).ok());
    connections.ok_or_else(|| Wrong::new(format!("{number} connections can't be"), format!("1 to {MOST_CONNECTIONS}")))
}
