//! `vestibule audit`: what happened, all of it for programs, and whether it is still as it was written.

mod export;
mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Common, Failed, output};
use crate::second_factor::account::AccountId;
use crate::second_factor::event::Actor;
use crate::store::{AuditEntry, AuditQuery};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Audit {
    #[command(subcommand)]
    all: Option<All>,
    /// Only of this organization
    #[arg(long)]
    organization: Option<String>,
    /// Only about the account of this number
    #[arg(long, value_name = "NUMBER")]
    account: Option<i64>,
    /// How many entries to show
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u64,
}

#[derive(Debug, Subcommand)]
enum All {
    /// Every entry, the oldest first: one JSON document a line, with its place in the chain
    Export,
    /// Say which entries were changed, moved or taken out since they were linked; needs the key file
    Verify(verify::Verify),
}

impl Audit {
    pub(super) async fn run(self, common: &Common) -> Result<ExitCode, Failed> {
        let (config, store) = common.open().await?;
        match self.all {
            Some(All::Export) => return export::run(store.as_ref()).await,
            Some(All::Verify(verify)) => return verify.run(common, &config, store.as_ref()).await,
            None => {}
        }
        let mut entries = Vec::new();
        let organizations = match &self.organization {
            None => vec![None],
            Some(name) => {
                let named: Vec<_> = store.organizations().await?.into_iter().filter(|o| o.name == *name).collect();
                if named.is_empty() {
                    let hint = "`vestibule organizations list` shows those that were seen";
                    return Err(format!("no organization {name:?}: {hint}").into());
                }
                named.into_iter().map(|o| Some(o.id)).collect()
            }
        };
        for organization in organizations {
            let subject = self.account.map(AccountId);
            let query = AuditQuery { organization, subject, before: None, offset: 0, limit: self.limit };
            entries.extend(store.audit(query).await?.rows);
        }
        if common.json {
            output::json(&entries.iter().map(document).collect::<Vec<_>>().into());
        } else {
            let head = ["TIME", "EVENT", "BY", "ACCOUNT", "ORGANIZATION", "FROM"];
            output::table(&head, &entries.iter().map(row).collect::<Vec<_>>());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn actor(entry: &AuditEntry) -> String {
    match entry.actor {
        Actor::Account(id) => entry.actor_name.clone().unwrap_or_else(|| id.0.to_string()),
        Actor::Operator => "operator".to_owned(),
        Actor::Gateway => "gateway".to_owned(),
    }
}

fn row(entry: &AuditEntry) -> Vec<String> {
    vec![
        entry.at.rfc3339(),
        entry.word.clone(),
        actor(entry),
        entry.subject_name.clone().unwrap_or_default(),
        entry.organization.clone(),
        entry.address.map(|a| a.to_string()).unwrap_or_default(),
    ]
}

fn document(entry: &AuditEntry) -> Value {
    let by = match entry.actor {
        Actor::Account(id) => json!({ "account": id.0, "name": entry.actor_name }),
        Actor::Operator => json!("operator"),
        Actor::Gateway => json!("gateway"),
    };
    json!({
        "number": entry.number,
        "time": entry.at.rfc3339(),
        "event": entry.word,
        "actor": by,
        "account": entry.subject.map(|id| id.0),
        "name": entry.subject_name,
        "organization": entry.organization,
        "address": entry.address.map(|a| a.to_string()),
        "request": entry.request,
    })
}
