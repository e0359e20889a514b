//! `vestibule key`: the keys that seal secrets at rest, and the way from one to the next.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Common, Failed, output};
use crate::clock::Clock;
use crate::key_file::{self, Loaded};
use crate::key_rotation::{self, Step};

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// The keys in the key file, and which of them seals
    Show,
    /// The next step from one key to another, while gateways run: says what comes after it
    ///
    /// The first time a new key comes into the key file: bring that to every node. The second time everything is sealed
    /// with it, and the old key goes; if enrollments are under way, a third time ten minutes later.
    Rotate,
}

impl Key {
    pub(super) async fn run(self, common: &Common) -> Result<ExitCode, Failed> {
        let (config, store) = common.open().await?;
        let path = &config.store.key_file;
        match self {
            Self::Show => show(common, &key_file::load(path, store.as_ref()).await?),
            Self::Rotate => {
                let done = Box::pin(key_rotation::step(path, store.as_ref(), &Clock::system())).await?;
                tell(common, &path.display().to_string(), &done);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(common: &Common, Loaded { ring, check, .. }: &Loaded) {
    let role = |key| match key {
        _ if key == check.current => "seals",
        _ if check.retiring.contains(&key) => "still needed",
        _ => "seals nothing",
    };
    let keys: Vec<_> = ring.marks().into_iter().map(|key| (key.to_string(), role(key))).collect();
    if common.json {
        output::json(&keys.iter().map(|(key, role)| json!({ "key": key, "role": role })).collect::<Vec<_>>().into());
    } else {
        let rows: Vec<_> = keys.into_iter().map(|(key, role)| vec![key, role.to_owned()]).collect();
        output::table(&["KEY", "ROLE"], &rows);
    }
}

fn tell(common: &Common, file: &str, step: &Step) {
    let (document, lines) = match step {
        Step::Added { key } => (
            json!({ "step": "added", "key": key.to_string() }),
            vec![
                format!("the key {key} is new in {file}; nothing is sealed with it yet"),
                "next: bring that file to every node, and reload the gateways there (SIGHUP); their logs name the keys they have"
                    .to_owned(),
                "then: `vestibule key rotate` again, to seal everything with it".to_owned(),
            ],
        ),
        Step::Waiting { key, resealed, enrollments } => (
            json!({
                "step": "waiting", "key": key.to_string(), "resealed": resealed, "enrollments": enrollments,
            }),
            vec![
                format!("the store is at the key {key}; {resealed} secrets were sealed anew with it"),
                format!("{enrollments} enrollments that were under way still need the old key; they end within ten minutes"),
                "next: `vestibule key rotate` again after that, to retire it".to_owned(),
            ],
        ),
        Step::Done { key, resealed } => (
            json!({ "step": "done", "key": key.to_string(), "resealed": resealed }),
            vec![
                format!("everything is sealed with the key {key}; {resealed} secrets were sealed anew with it"),
                format!("it is the only key in {file}; bring that file to every node"),
                "keep the file from before with the backups from before: they need it".to_owned(),
            ],
        ),
    };
    if common.json {
        output::json(&document);
    } else {
        for line in lines {
            output::line(&line);
        }
    }
}
