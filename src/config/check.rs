//! From the configuration as written to the configuration as meant: every rule, and every problem at once.

mod address;
mod duration;
mod enrollment;
mod finding;
mod identity;
mod look;
mod named_file;
mod path;
mod server;
mod site;
mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use self::finding::{Check, Checked, Form};
use super::file::{self, Section};
use super::problem::{Problems, Wrong};
use super::read::{Reading, read};
use super::{Config, Listen, Log, LogFormat, LogLevel, StoreUrl, Totp, default};
use crate::second_factor::session::Limits;

const LONGEST_IDLE: Duration = Duration::from_hours(24);
const LONGEST_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The configuration in the file at `path`.
pub fn load(path: &Path) -> Result<Config, Problems> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(error) => {
            let right = "a file in TOML that the gateway may read";
            Err(Problems::unreadable(path, Wrong::new(format!("can't be read: {error}"), right)))
        }
    }
}

/// The configuration that `text` means, the text of the file at `path`. Other files that it names count from its folder.
pub fn parse(text: &str, path: &Path) -> Result<Config, Problems> {
    let Reading { file, mut problems, excused, broken_lines } = read(text);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut check = Check { text, folder, excused, whole: broken_lines.is_empty(), problems: Vec::new() };
    let config = check.file(&file);
    problems.append(&mut check.problems);
    problems.retain(|problem| problem.key.is_empty() || !broken_lines.contains(&problem.line));
    match config {
        Ok(config) if problems.is_empty() => Ok(config),
        _ => Err(Problems::new(path, text, problems)),
    }
}

/// The store at an address that stands on the command line, or what is wrong with it. A path counts from where the command
/// was given, and a password may be in the environment.
pub fn store_at(url: &str) -> Result<StoreUrl, String> {
    self::store::store_at(url).map_err(|Wrong { what, right }| format!("{what}; it has to be {right}"))
}

impl Check<'_> {
    fn file(&mut self, file: &file::File) -> Checked<Config> {
        let server = self.server(file.server.as_ref());
        let operations = self.operations(&file.operations);
        let store = self.store(&file.store);
        let session = self.session(&file.session);
        let totp = self.totp(&file.totp);
        let log = self.log(&file.log);
        let sites = self
            .present("site", 0..0, file.site.as_ref(), "a [[site]] for the dashboard")
            .and_then(|sites| self.not_empty("site", 0..0, sites, "a [[site]] for each dashboard"))
            .unwrap_or_default();
        self.names_given_twice(sites);
        self.hosts_claimed_twice(sites);
        if let Ok(server) = &server {
            self.listens_twice(file, server);
            self.upstream_is_the_gateway(sites, &server.listen);
        }
        let issuer = totp.as_ref().map_or(default::ISSUER, |totp| totp.issuer.as_str());
        let meant: Vec<_> = sites.iter().map(|written| self.site(written, issuer)).collect();
        self.accounts_are_guarded_alike(sites, &meant);
        if let Ok(server) = &server {
            for (written, meant) in sites.iter().zip(&meant) {
                if let Ok(site) = meant {
                    self.nobody_vouches(written, &site.identity, server);
                }
            }
        }
        let sites = meant.into_iter().map(|site| site.map(Arc::new)).collect::<Checked<_>>();
        Ok(Config {
            server: server?,
            operations: operations?,
            store: store?,
            session: session?,
            log: log?,
            sites: sites?,
            totp: totp?,
        })
    }

    fn session(&mut self, written: &file::Session) -> Checked<Limits> {
        let idle = self.optional("session.idle", written.idle.as_ref(), duration::positive(LONGEST_IDLE));
        let lifetime =
            self.optional("session.lifetime", written.lifetime.as_ref(), duration::positive(LONGEST_LIFETIME));
        let lifetime = lifetime?.unwrap_or(default::LIFETIME);
        let idle = idle?.unwrap_or(default::IDLE.min(lifetime));
        if let Some(written) = written.idle.as_ref().filter(|_| idle > lifetime) {
            let what = format!("idle is longer than lifetime, which is {:?}", duration::written(lifetime));
            return Err(self.report(written.span(), "session.idle", Wrong::new(what, "at most as long as lifetime")));
        }
        Ok(Limits { idle, lifetime })
    }

    fn totp(&mut self, written: &file::Totp) -> Checked<Totp> {
        let issuer = self.optional("totp.issuer", written.issuer.as_ref(), issuer);
        Ok(Totp { issuer: issuer?.unwrap_or_else(|| default::ISSUER.to_owned()) })
    }

    fn log(&mut self, written: &file::Log) -> Checked<Log> {
        let format = self.optional("log.format", written.format.as_ref(), log_format);
        let level = self.optional("log.level", written.level.as_ref(), log_level);
        Ok(Log { format: format?.unwrap_or(LogFormat::Text), level: level?.unwrap_or(LogLevel::Info) })
    }

    fn names_given_twice(&mut self, sites: &[Section<file::Site>]) {
        let mut seen = BTreeMap::new();
        for name in sites.iter().filter_map(|site| site.get_ref().name.as_ref()) {
            let line = self.line(name);
            if let Some(first) = seen.insert(name.get_ref().as_str(), line) {
                let what = format!("the site on line {first} is called {:?} already", name.get_ref());
                self.report(name.span(), "site.name", Wrong::new(what, "a name of its own for each site"));
            }
        }
    }

    fn hosts_claimed_twice(&mut self, sites: &[Section<file::Site>]) {
        let mut seen = BTreeMap::new();
        for written in sites.iter().filter_map(|site| site.get_ref().hosts.as_ref()).flat_map(Spanned::get_ref) {
            let host = match (written.get_ref().as_str(), address::host(written.get_ref())) {
                ("*", _) => None,
                (_, Ok(host)) => Some(host.to_string()),
                (_, Err(_)) => continue,
            };
            let line = self.line(written);
            if let Some(first) = seen.insert(host.clone(), line) {
                let what = match host {
                    Some(host) => format!("{host:?} is claimed on line {first} already, port or not"),
                    None => format!("any host is claimed on line {first} already"),
                };
                self.report(written.span(), "site.hosts", Wrong::new(what, "each host for one site, once"));
            }
        }
    }

    fn upstream_is_the_gateway(&mut self, sites: &[Section<file::Site>], listen: &[Listen]) {
        let written = sites.iter().filter_map(|site| site.get_ref().upstream.as_ref());
        for written in written.flat_map(file::OneOrMore::each) {
            let own = address::upstream(written.get_ref(), self.folder)
                .is_ok_and(|origin| listen.iter().any(|listen| origin.is(listen)));
            if own {
                let wrong = Wrong::new("the gateway itself listens here", "the address of the dashboard behind it");
                self.report(written.span(), "site.upstream", wrong);
            }
        }
    }

    fn line(&self, written: &file::Text) -> usize {
        self.text[..written.span().start].matches('\n').count() + 1
    }
}

fn issuer(text: &str) -> Form<String> {
    let wrong = |what| {
        Err(Wrong::new(what, "what users read above the code, as \"Acme Insights\": 1 to 64 characters, no colon"))
    };
    match text.trim() {
        "" => wrong("the issuer is empty"),
        issuer if issuer.contains(':') => wrong("authenticators take what is before a colon for the issuer"),
        issuer if issuer.chars().count() > 64 => wrong("the issuer is too long"),
        issuer if issuer.chars().any(char::is_control) => wrong("the issuer has a control character in it"),
        issuer => Ok(issuer.to_owned()),
    }
}

fn log_format(text: &str) -> Form<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Wrong::new(format!("{text:?} is no log format"), "\"text\" for people, or \"json\" for programs")),
    }
}

fn log_level(text: &str) -> Form<LogLevel> {
    Ok(match text {
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => {
            let right = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
            return Err(Wrong::new(format!("{text:?} is no log level"), right));
        }
    })
}
