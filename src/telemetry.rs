//! Logs, metrics and the ids of requests.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry as Subscriber, fmt as lines, reload};

use crate::config::{Log, LogFormat, LogLevel};
use crate::entropy;
use crate::second_factor::guessing::Alarm;

/// What a request is called in logs, in the audit log and on failure pages: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Gives out request ids. They begin anywhere, so that those of two runs or two machines don't meet.
#[derive(Debug)]
pub struct RequestIds(AtomicU64);

impl Default for RequestIds {
    fn default() -> Self {
        Self(AtomicU64::new(u64::from_be_bytes(entropy::random())))
    }
}

impl RequestIds {
    /// The next one.
    pub fn next(&self) -> RequestId {
        RequestId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// How much is logged, once logging has started.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Subscriber>> = OnceLock::new();

/// Starts logging to standard error, for the whole process. Later calls change nothing.
pub fn start_logging(log: Log) {
    let (level, handle) = reload::Layer::new(filter(log.level));
    let subscriber = tracing_subscriber::registry().with(level).with(own_events());
    let lines = lines::layer().with_writer(std::io::stderr);
    // A second subscriber is refused: the first one stays, which is what the documentation promises.
    let started = match log.format {
        LogFormat::Text => {
            subscriber.with(lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))).try_init()
        }
        LogFormat::Json => subscriber.with(lines.json().flatten_event(true)).try_init(),
    };
    if started.is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Logs this much from now on, if logging was started.
pub fn log_at(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails only where there is no subscriber anymore, and nothing is logged.
        let _ = handle.reload(filter(level));
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Of libraries no more than warnings: what they say of each frame and field may hold what must not be logged.
fn own_events() -> Targets {
    Targets::new().with_default(LevelFilter::WARN).with_target("vestibule", LevelFilter::TRACE)
}

/// An error and its causes in one line, for the log: a client never reads this.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

macro_rules! outcomes {
    ($($(#[$doc:meta])* $outcome:ident = $word:literal,)*) => {
        /// What became of a request, or of a code: the label of a counter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Outcome { $($(#[$doc])* $outcome,)* }

        /// The words for them in the metrics, in their order.
        const WORDS: &[&str] = &[$($word,)*];
    };
}

outcomes! {
    /// Let through.
    Passed = "passed",
    /// Sent to log in at the dashboard.
    LogIn = "log_in",
    /// Asked for a code.
    Challenged = "challenged",
    /// Asked to enroll.
    Enroll = "enroll",
    /// Refused: nothing could be said of the visitor.
    Refused = "refused",
    /// One of the gateway's own pages.
    OwnPage = "own_page",
    /// A code or a ticket was accepted.
    CodeAccepted = "code_accepted",
    /// A code or a ticket was refused.
    CodeRefused = "code_refused",
    /// A code or a ticket came too soon after failed ones.
    CodeTooSoon = "code_too_soon",
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Where {
    at: &'static str,
}

/// What is counted, in the text format of Prometheus.
pub struct Metrics {
    registry: Registry,
    /// One for each outcome, in their order: counting takes no lock.
    counters: Vec<Counter>,
    turned_away: Counter,
    account_alarms: Counter,
    organization_alarms: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("vestibule");
        let outcomes = Family::<Labels, Counter>::default();
        let counter = |outcome: &&'static str| outcomes.get_or_create(&Labels { outcome }).clone();
        let counters = WORDS.iter().map(counter).collect();
        registry.register("outcomes", "What became of requests and codes", outcomes);
        let turned_away = Counter::default();
        let what = "Connections that were closed since their client had as many as one may have";
        registry.register("connections_turned_away", what, turned_away.clone());
        let alarms = Family::<Where, Counter>::default();
        let [account_alarms, organization_alarms] =
            ["account", "organization"].map(|at| alarms.get_or_create(&Where { at }).clone());
        registry.register("guessing_alarms", "Alarms about guessing that this process raised", alarms);
        Self { registry, counters, turned_away, account_alarms, organization_alarms }
    }
}

impl Metrics {
    /// Counts one.
    pub fn count(&self, outcome: Outcome) {
        self.counters[outcome as usize].inc();
    }

    /// Counts a connection of a client that has as many as one may have.
    pub fn count_turned_away(&self) {
        self.turned_away.inc();
    }

    /// Counts an alarm.
    pub fn count_alarm(&self, alarm: &Alarm) {
        match alarm {
            Alarm::AtAccount { .. } => self.account_alarms.inc(),
            Alarm::AtOrganization { .. } => self.organization_alarms.inc(),
        };
    }

    /// Everything counted so far.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail, and a scrape that lacks a line is no reason to fall over.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_heard_only_when_they_warn() {
        let rows = [
            ("vestibule::gateway", Level::TRACE, true),
            ("h2::codec::framed_read", Level::WARN, true),
            ("h2::codec::framed_read", Level::INFO, false),
            ("h2::hpack::decoder", Level::TRACE, false),
            ("rustls::conn", Level::DEBUG, false),
        ];
        for (target, level, heard) in rows {
            assert_eq!(own_events().would_enable(target, &level), heard, "{target} {level}");
        }
    }
}
