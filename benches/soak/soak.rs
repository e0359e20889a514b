//! The traffic of a soak: everything that browsers and their people do, at once, in both versions of HTTP.
//!
//! Every request carries a marker of its own, and its answer must carry it as well, and be that of its person. One line
//! of JSON each second says how many answers there were so far.
#![expect(clippy::print_stdout, reason = "it answers on standard output")]

mod kinds;
mod tally;
mod way;

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use kinds::Kind;
use tally::Tally;
use way::{Protocol, Way};

/// Asks two gates, one with TLS and one without, for some minutes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the gate without TLS listens.
    #[arg(long)]
    plain: SocketAddr,
    /// Where the one with TLS does.
    #[arg(long)]
    tls: SocketAddr,
    /// The certificate of that.
    #[arg(long)]
    certificate: PathBuf,
    /// A file with one person's cookies on each line, as they are sent without TLS.
    #[arg(long)]
    cookies: PathBuf,
    /// The same people's, as they are sent over TLS.
    #[arg(long)]
    tls_cookies: PathBuf,
    /// For how long.
    #[arg(long)]
    seconds: u64,
}

/// How many do each thing at once, on each way in.
const EACH: usize = 3;

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let tally = Arc::new(Tally::default());
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for (protocol, address, cookies) in [
        (Protocol::Http1, arguments.plain, &arguments.cookies),
        (Protocol::Http1OverTls, arguments.tls, &arguments.tls_cookies),
        (Protocol::Http2, arguments.tls, &arguments.tls_cookies),
    ] {
        let cookies: Vec<String> = fs::read_to_string(cookies)?.lines().map(str::to_owned).collect();
        let tls = connector(&arguments.certificate, protocol)?;
        for (number, kind) in Kind::ALL.iter().cycle().take(EACH * Kind::ALL.len()).enumerate() {
            let way = Way { protocol, address, tls: tls.clone(), cookies: cookies[number % cookies.len()].clone() };
            clients.push(tokio::spawn(client(*kind, way, Arc::clone(&tally), Arc::clone(&over))));
        }
    }
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    while Instant::now() < end {
        sleep(Duration::from_secs(1)).await;
        println!("{}", tally.line());
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await?;
    }
    println!("{}", tally.line());
    Ok(())
}

async fn client(kind: Kind, way: Way, tally: Arc<Tally>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let done = timeout(PATIENCE, kind.once(&way, &tally)).await;
        let done = done.unwrap_or_else(|_| Err("it took too long".into()));
        if let Err(why) = done {
            tally.failed(&format!("{kind:?}, {:?}: {why}", way.protocol));
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn connector(certificate: &Path, protocol: Protocol) -> Result<TlsConnector, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if protocol == Protocol::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(TlsConnector::from(Arc::new(config)))
}
