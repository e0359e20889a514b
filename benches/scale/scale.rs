//! A store with a million accounts and ten million entries of the audit log, on either engine, and how long it takes to
//! answer: lists, searches, resets, sign-ins, what runs out, and a gateway that starts on it.
//!
//! Run it with `cargo run --release --example scale -- sqlite`, or `postgres`; README.md says what comes out.
#![expect(clippy::print_stdout, reason = "it answers on standard output")]

#[path = "../../tests/store/cluster.rs"]
#[expect(dead_code, reason = "what a server in trouble does is told elsewhere")]
mod cluster;
mod figures;
mod filling;
mod memory;
mod pages;
mod place;
mod retention;
mod sign_ins;
mod start;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;
use vestibule::clock::Clock;

use filling::Population;
use place::{Engine, Place};

/// As the gateway has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What went wrong; there is nobody to tell kinds apart.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Fills a store and measures what it takes to work with it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which engine.
    engine: Engine,
    /// How many accounts, nine of ten with a second factor.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: i64,
    /// How many entries of the audit log.
    #[arg(long, default_value_t = 10_000_000)]
    entries: i64,
    /// How many organizations they are spread over evenly.
    #[arg(long, default_value_t = 1)]
    organizations: i64,
    /// The built program.
    #[arg(long, default_value = "target/release/vestibule")]
    gateway: PathBuf,
    /// A folder to keep the store in, which is filled if it is empty and used again if not; else it goes at the end.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// What to measure; everything unless it is said.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Start,
    Lists,
    Searches,
    Audit,
    Resets,
    SignIns,
    Retention,
    Memory,
    WithoutLetters,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let place = Place::new(arguments.engine, arguments.keep.as_deref())?;
    let population = Population {
        accounts: arguments.accounts,
        entries: arguments.entries,
        organizations: arguments.organizations,
        now: Clock::system().now(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(filling::fill(&place, &population)))?;
    // Of an earlier run, whose key file is gone.
    let leftovers = "DELETE FROM pending_sessions; DELETE FROM sessions; DELETE FROM key_check";
    runtime.block_on(place.run(leftovers))?;
    runtime.block_on(place.tidy())?;
    let runs = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    if runs(Part::Start) {
        start::measure(&place, &arguments.gateway)?;
    }
    runtime.block_on(async {
        let store = place.open().await?;
        if runs(Part::Lists) {
            pages::lists(store.as_ref(), &population).await?;
        }
        if runs(Part::Searches) {
            pages::searches(store.as_ref(), &population).await?;
        }
        if runs(Part::Audit) {
            pages::audit(store.as_ref(), &population).await?;
        }
        if runs(Part::Resets) {
            pages::resets(store.as_ref(), &population).await?;
        }
        if runs(Part::SignIns) {
            sign_ins::measure(&place, &store, &population).await?;
            println!("after these, before anybody has tidied up:");
            pages::lists(store.as_ref(), &population).await?;
            pages::searches(store.as_ref(), &population).await?;
        }
        if runs(Part::Retention) {
            retention::measure(&place, &store, &population).await?;
        }
        if runs(Part::Memory) {
            memory::measure(&place, Arc::clone(&store), &population).await?;
        }
        if runs(Part::WithoutLetters) {
            pages::without_letters(&place, store.as_ref(), &population).await?;
        }
        Ok(())
    })
}
