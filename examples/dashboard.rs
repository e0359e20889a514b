//! Acme Insights: a small dashboard with a login of its own, to stand behind the gateway.
//!
//! `cargo run --example dashboard -- [--listen 127.0.0.1:0]` prints its address and serves until Ctrl-C.
#![expect(clippy::print_stdout, reason = "an example speaks to the terminal")]

mod acme_insights;

use std::io;
use std::net::SocketAddr;

use clap::Parser;
use tokio::net::TcpListener;

/// A small dashboard with a login of its own, to stand behind the gateway.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen).await?;
    println!("Acme Insights on http://{}", listener.local_addr()?);
    for person in &acme_insights::PEOPLE {
        println!("  {:6} {:11} {} of {}", person.login, person.password, person.role, person.company);
    }
    tokio::select! {
        served = acme_insights::serve(listener) => served,
        stopped = tokio::signal::ctrl_c() => stopped,
    }
}
