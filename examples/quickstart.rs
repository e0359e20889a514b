//! Vestibule in front of a small dashboard, in one command: `cargo run --release --example quickstart`.
//!
//! Starts the dashboard of `examples/dashboard.rs` on a free port, and the gateway before it with a configuration as
//! an operator would write it. Everything lies in a temporary folder that is deleted at the end.
#![expect(clippy::print_stdout, reason = "an example speaks to the terminal")]

mod acme_insights;

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use clap::Parser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vestibule::clock::Clock;
use vestibule::start::{Prepared, prepare};

/// A second factor in front of a dashboard, to try out on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// The port to open in the browser; another one is taken if it is busy.
    #[arg(long, default_value_t = 8400)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let dashboard = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = free_address(arguments.port).await?;
    let gateway =
        prepare_gateway(&configuration(address, dashboard.local_addr()?, folder.path()), folder.path()).await?;

    explain(address, folder.path());
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_ctrl_c(shutdown.clone()));
    tokio::select! {
        served = acme_insights::serve(dashboard) => served?,
        served = gateway.run(shutdown) => served?,
    }
    println!("\nStopped; nothing is left behind.");
    Ok(())
}

/// What `vestibule serve --config vestibule.toml` does with such a file before it lets anybody in.
async fn prepare_gateway(configuration: &str, folder: &Path) -> Result<Prepared, Box<dyn Error>> {
    let file = folder.join("vestibule.toml");
    std::fs::write(&file, configuration)?;
    let config = vestibule::config::load(&file)?;
    vestibule::telemetry::start_logging(config.log);
    Ok(prepare(config, Clock::system()).await?)
}

async fn cancel_on_ctrl_c(shutdown: CancellationToken) {
    // Without a handler, Ctrl-C ends the process itself.
    let _ = tokio::signal::ctrl_c().await;
    shutdown.cancel();
}

/// The gateway's configuration.
fn configuration(gateway: SocketAddr, dashboard: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"
[server]
listen = ["{gateway}"]                # plain HTTP: only for a trial on one machine

[operations]
listen = "127.0.0.1:0"

[store]
url = "sqlite:{folder}/vestibule.db"
key_file = "{folder}/vestibule.key"

[totp]
issuer = "Acme Insights"

[log]
level = "warn"

[[site]]
name = "insights"
hosts = ["*"]
upstream = "http://{dashboard}"
public = ["/login", "/static/*"]      # the login page and what it loads
login = "/login?next={{next}}"
logout = ["/logout"]
after_logout = "/logout"              # the dashboard's own logout, so that both sessions end together
bind = "cookie:dash_session"          # a verified session belongs to one login

[site.identity]                       # who has logged in, asked of the dashboard itself
source = "probe"
url = "/api/me"
user = "/id"
email = "/email"
name = "/name"
organization = "/company/slug"
admin = {{ pointer = "/role", any = ["admin"] }}

[site.organization]
requirement = "required"
"#
    )
}

/// The address with that port, or with a free one if it is busy.
async fn free_address(port: u16) -> io::Result<SocketAddr> {
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        bound => bound?,
    };
    listener.local_addr()
}

fn explain(gateway: SocketAddr, folder: &Path) {
    println!(
        "
Vestibule stands in front of Acme Insights.

    Open   http://{gateway}/

 1. Log in as alice. Her company requires a second factor, so a QR code comes first: scan it with an authenticator
    app (Google Authenticator, Aegis, 1Password, ...), and give the six digits it shows.
 2. Save the recovery codes, go on to the dashboard, and log out. The next login asks for a code again.
 3. Log in as bob in a private window and enroll him too. Then, as alice: Settings > Security lists both. Reset bob's
    key, and see what he sees.
 4. As bob, open Settings: http://{gateway}/_2fa/settings is for admins only.
"
    );
    println!("    user    password     role     company");
    for person in &acme_insights::PEOPLE {
        println!("    {:7} {:12} {:8} {}", person.login, person.password, person.role, person.company);
    }
    println!("\nDatabase, key and configuration are in {} until you press Ctrl-C.\n", folder.display());
}
