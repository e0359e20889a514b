//! `vestibule store`: backups, what is done to one that was put back, and copying everything to another place.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::{Common, Failed, occasion, output};
use crate::config::{self, StoreUrl};
use crate::copying::{self, Arrived};
use crate::opening::{claim_store, open_store, take_in};
use crate::store::Ended;
use crate::store::sqlite::SqliteStore;
use crate::store::transfer::LEFT_BEHIND;

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Make a copy of a SQLite store, while it is in use. Put in its place again, it revives no session and no code that was
    /// used
    Backup(Backup),
    /// After a database was put back from a backup that something else made (`pg_dump`, a copy of the disk): ends every
    /// session and every recovery code, and counts the codes of now as used. Backups by `vestibule store backup` need no
    /// such word
    Restored,
    /// Copy everything to a store that was never used, while no gateway runs. All of it is compared, and all of it arrives or
    /// nothing. Sessions stay behind: whoever was signed in gives a code
    Copy(Copy),
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make; there must be none of that name
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Copy {
    /// Where to: "postgres://user@host:port/database" or "sqlite:FILE". A password is better not in here but in the
    /// environment, as `VESTIBULE_STORE_PASSWORD`
    #[arg(long, value_name = "URL")]
    to: String,
}

impl Store {
    pub(super) async fn run(self, common: &Common) -> Result<ExitCode, Failed> {
        match self {
            Self::Backup(backup) => backup.run(common),
            Self::Restored => restored(common).await,
            Self::Copy(copy) => LocalSet::new().run_until(copy.run(common)).await,
        }
    }
}

impl Backup {
    fn run(&self, common: &Common) -> Result<ExitCode, Failed> {
        let store = common.load()?.store;
        let StoreUrl::Sqlite(path) = &store.url else {
            return Err(
                "the store is on a PostgreSQL server: back it up with `pg_dump` or as you do your other databases, \
                        and after it was put back run `vestibule store restored` before a gateway starts"
                    .into(),
            );
        };
        SqliteStore::back_up(path, &self.to)?;
        let (to, key_file) = (self.to.display().to_string(), store.key_file.display().to_string());
        if common.json {
            output::json(&json!({ "backup": to, "key_file": key_file }));
        } else {
            output::line(&format!(
                "{to} has everything. It is worth nothing without the key file {key_file}: keep a copy of that, apart from it."
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Ends whatever may have been used up since the backup.
async fn restored(common: &Common) -> Result<ExitCode, Failed> {
    let config = common.load()?;
    is_there(&config.store.url)?;
    let occasion = occasion();
    let ended = match take_in(&config.store.url, &occasion)? {
        Some(ended) => ended,
        None => open_store(&config, &occasion).await?.restored(occasion).await?,
    };
    let Ended { sessions, recovery_codes } = ended;
    if common.json {
        output::json(&json!({ "sessions": sessions, "recovery_codes": recovery_codes }));
    } else {
        output::line(&format!(
            "{sessions} sessions and {recovery_codes} recovery codes have ended. Authenticators stay, with codes that are \
             shown a minute from now or later; people make new recovery codes on their profile page. What changed after the \
             backup is not known here: reset again whom you had reset, and whoever replaced an authenticator."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever names a file that is not there has made a mistake, and wants no new store.
fn is_there(url: &StoreUrl) -> Result<(), Failed> {
    match url {
        StoreUrl::Sqlite(path) if !path.exists() => Err(format!("there is no store {}", path.display()).into()),
        StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => Ok(()),
    }
}

impl Copy {
    async fn run(&self, common: &Common) -> Result<ExitCode, Failed> {
        let from = common.load()?.store.url;
        let to = config::store_at(&self.to).map_err(|wrong| format!("--to: {wrong}"))?;
        if from == to {
            return Err("--to is the store that the configuration names; name another".into());
        }
        is_there(&from)?;
        let occasion = occasion();
        take_in(&from, &occasion)?;
        let mut old = claim_store(&from).await?;
        let mut new = claim_store(&to).await?;
        let arrived = copying::copy(old.as_mut(), new.as_mut(), &occasion).await?;
        if common.json {
            output::json(&document(&arrived));
        } else {
            tell(&arrived);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn document(arrived: &[Arrived]) -> Value {
    let table = |arrived: &Arrived| json!({ "table": arrived.table, "rows": arrived.rows, "sha256": hex(arrived) });
    json!({ "copied": arrived.iter().map(table).collect::<Vec<_>>(), "left_behind": LEFT_BEHIND })
}

fn tell(arrived: &[Arrived]) {
    let row = |arrived: &Arrived| vec![arrived.table.to_owned(), arrived.rows.to_string(), hex(arrived)];
    output::table(&["TABLE", "ROWS", "SHA-256"], &arrived.iter().map(row).collect::<Vec<_>>());
    output::line(
        "Everything has arrived, but for sessions: whoever was signed in gives a code, one that is shown a minute from now \
         or later. Name the new store in [store] of every gateway, leave the key file as it is, and never serve the old \
         store again: it would accept every code once more.",
    );
}

fn hex(arrived: &Arrived) -> String {
    HEXLOWER.encode(arrived.digest.as_ref())
}
