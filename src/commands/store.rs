//! `vestibule store`: copying everything that is kept to another place.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::{Common, Failed, occasion, output};
use crate::clock::Clock;
use crate::config::{self, StoreUrl};
use crate::copying::{self, Arrived};
use crate::opening::claim_store;
use crate::store::transfer::LEFT_BEHIND;

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Copy everything to a store that was never used, while no gateway runs. All of it is compared, and all of it arrives or
    /// nothing. Sessions stay behind: whoever was signed in gives a code
    Copy(Copy),
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
            Self::Copy(copy) => LocalSet::new().run_until(copy.run(common)).await,
        }
    }
}

impl Copy {
    async fn run(&self, common: &Common) -> Result<ExitCode, Failed> {
        let from = common.load()?.store.url;
        let to = config::store_at(&self.to).map_err(|wrong| format!("--to: {wrong}"))?;
        if from == to {
            return Err("--to is the store that the configuration names; name another".into());
        }
        if let StoreUrl::Sqlite(path) = &from
            && !path.exists()
        {
            return Err(format!("there is no store {} to copy", path.display()).into());
        }
        let mut old = claim_store(&from).await?;
        let mut new = claim_store(&to).await?;
        let arrived = copying::copy(old.as_mut(), new.as_mut(), &occasion(Clock::system().now())).await?;
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
