//! The load generator of the comparison: what browsers of logged-in users ask, and what that costs the gate.
//!
//! One thread. Each connection belongs to one user and has that user's cookies, unless they are mixed. Prints one line of
//! JSON.
#![expect(clippy::print_stdout, reason = "it answers on standard output")]

use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsConnector;

/// How long the gate is warmed up before anything is measured.
const WARM_UP: Duration = Duration::from_millis(700);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a gate for the same page for some seconds.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the gate listens.
    #[arg(long)]
    address: SocketAddr,
    /// What it is asked for.
    #[arg(long, default_value = "/1k")]
    path: String,
    /// More fields of each request, as lines of its head.
    #[arg(long)]
    field: Vec<String>,
    /// How many connections at once.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long is measured.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// How many requests a second, over all connections; without it, as many as there are answers.
    #[arg(long)]
    rate: Option<f64>,
    /// A file with one user's cookies on each line.
    #[arg(long)]
    cookies: PathBuf,
    /// The processes whose CPU time is measured.
    #[arg(long, value_delimiter = ',')]
    processes: Vec<u32>,
    /// The certificate that the gate has; without it, no TLS.
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// When a connection is a new one.
    #[arg(long, value_enum, default_value_t = Connect::Once)]
    connect: Connect,
    /// Whether keys are exchanged as browsers like it best, against quantum computers too, where a gate knows how to.
    #[arg(long)]
    hybrid: bool,
    /// Whether each request has a field that is not that of the one before, as those of one page have.
    #[arg(long)]
    vary: bool,
    /// Whether each connection has the requests of everybody, one after the other, as that of a server in front has. There are
    /// as many users as connections.
    #[arg(long)]
    mixed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Connect {
    /// Never again once it is there.
    Once,
    /// For each request.
    Fully,
    /// For each request, with the TLS session of the one before.
    Resumed,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let load = Arc::new(Load::new(&arguments)?);
    let clients: Vec<_> =
        (0..arguments.connections).map(|number| tokio::spawn(client(Arc::clone(&load), number))).collect();

    sleep(WARM_UP).await;
    let (started, cpu_before) = (Instant::now(), cpu_time(&arguments.processes));
    load.measured.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs_f64(arguments.seconds)).await;
    load.measured.store(false, Ordering::Relaxed);
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_time(&arguments.processes) - cpu_before);
    load.over.store(true, Ordering::Relaxed);

    let mut tally = Tally::default();
    for client in clients {
        tally.add(client.await?);
    }
    println!("{}", tally.report(seconds, cpu));
    Ok(())
}

/// What all connections have in common.
struct Load {
    address: SocketAddr,
    /// What each user asks, one after the other, again and again.
    requests: Vec<Vec<Vec<u8>>>,
    mixed: bool,
    tls: Option<TlsConnector>,
    connect: Connect,
    /// How long from one request of a connection to its next, and from that of one connection to that of the next one.
    pace: Option<(Duration, Duration)>,
    started: Instant,
    measured: AtomicBool,
    over: AtomicBool,
}

impl Load {
    fn new(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let cookies = fs::read_to_string(&arguments.cookies)?;
        let tls = arguments.certificate.as_deref().map(|file| connector(file, arguments)).transpose()?;
        let pace = arguments.rate.map(|rate| 1.0 / rate).map(|apart| {
            #[expect(clippy::cast_precision_loss, reason = "nobody opens that many connections")]
            let each = apart * arguments.connections as f64;
            (Duration::from_secs_f64(each), Duration::from_secs_f64(apart))
        });
        let users = if arguments.mixed { arguments.connections } else { usize::MAX };
        let weeks = if arguments.vary { 31..=32 } else { 31..=31 };
        Ok(Self {
            address: arguments.address,
            requests: cookies
                .lines()
                .take(users)
                .map(|cookies| weeks.clone().map(|week| request(arguments, cookies, week)).collect())
                .collect(),
            mixed: arguments.mixed,
            tls,
            connect: arguments.connect,
            pace,
            started: Instant::now(),
            measured: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    /// What is asked on the connection with this number, without an end.
    fn requests_of(&self, number: usize) -> impl Iterator<Item = &[u8]> {
        (0..).map(move |turn| {
            let user = if self.mixed { number + turn } else { number };
            let requests = &self.requests[user % self.requests.len()];
            requests[turn % requests.len()].as_slice()
        })
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// What a browser sends for a script of the page of that week.
fn request(Arguments { path, field, connect, .. }: &Arguments, cookies: &str, week: u32) -> Vec<u8> {
    let close = if *connect == Connect::Once { "" } else { "Connection: close\r\n" };
    let more = field.iter().flat_map(|field| [field, "\r\n"]).collect::<String>();
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\n{close}{more}\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
         Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
         Referer: http://localhost/reports?week={week}\r\nCookie: {cookies}\r\nSec-Fetch-Dest: empty\r\n\
         Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nX-Requested-With: XMLHttpRequest\r\nPriority: u=4\r\n\
         DNT: 1\r\n\r\n"
    )
    .into_bytes()
}

fn connector(certificate: &Path, arguments: &Arguments) -> Result<TlsConnector, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    // The one that every gate has: those that also know a stronger one would be compared doing more.
    let mut kx_groups = vec![kx_group::X25519];
    if arguments.hybrid {
        kx_groups.insert(0, kx_group::X25519MLKEM768);
    }
    // In the order of browsers, which every gate follows.
    let cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
    ];
    let provider = CryptoProvider { kx_groups, cipher_suites, ..rustls::crypto::aws_lc_rs::default_provider() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if arguments.connect != Connect::Resumed {
        config.resumption = Resumption::disabled();
    }
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn client(load: Arc<Load>, number: usize) -> Tally {
    let mut tally = Tally::default();
    let mut due =
        load.started + load.pace.map_or(Duration::ZERO, |(_, apart)| apart * u32::try_from(number).unwrap_or(0));
    while load.goes_on() {
        let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, TcpStream::connect(load.address)).await else {
            tally.errors += 1;
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it the last segments of a request could wait for those before.
        let talked = match (stream.set_nodelay(true), &load.tls) {
            (Err(error), _) => Err(error),
            (Ok(()), None) => talk(&load, number, stream, &mut due, &mut tally).await,
            (Ok(()), Some(tls)) => {
                match tls.connect(ServerName::try_from("localhost").expect("a name"), stream).await {
                    Ok(stream) => {
                        let resumed = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
                        tally.resumed += u64::from(resumed && load.measured.load(Ordering::Relaxed));
                        talk(&load, number, stream, &mut due, &mut tally).await
                    }
                    Err(error) => Err(error),
                }
            }
        };
        tally.errors += u64::from(talked.is_err());
    }
    tally
}

/// Asks on one connection for as long as it is there.
async fn talk<S>(load: &Load, number: usize, mut stream: S, due: &mut Instant, tally: &mut Tally) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = vec![0; 64 * 1024];
    for request in load.requests_of(number).take_while(|_| load.goes_on()) {
        if let Some((each, _)) = load.pace {
            sleep_until(*due).await;
            *due += each;
        }
        let sent = Instant::now();
        let answered = tokio::time::timeout(PATIENCE, exchange(&mut stream, request, &mut buffer)).await;
        match answered {
            Ok(Ok(200 | 204)) => tally.answered(load, sent),
            Ok(Ok(_)) => tally.errors += 1,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        if load.connect != Connect::Once {
            // How a server takes leave differs; what was asked for is here.
            drop(stream.shutdown().await);
            return Ok(());
        }
    }
    Ok(())
}

/// One request and its answer, of which only the status is kept.
async fn exchange<S>(stream: &mut S, request: &[u8], buffer: &mut [u8]) -> io::Result<u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await?;
    let mut filled = 0;
    let body = loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if let Some(end) = memchr::memmem::find(&buffer[..filled], b"\r\n\r\n") {
            break end + 4;
        }
    };
    let (status, length) = read_head(&buffer[..body]).ok_or(io::ErrorKind::InvalidData)?;
    let mut left = (body + length).checked_sub(filled).ok_or(io::ErrorKind::InvalidData)?;
    while left > 0 {
        let read = stream.read(buffer).await?;
        if read == 0 || read > left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= read;
    }
    Ok(status)
}

fn read_head(head: &[u8]) -> Option<(u16, usize)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    if status == 204 {
        return Some((status, 0));
    }
    let length =
        lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    Some((status, length.1.trim().parse().ok()?))
}

/// What one connection, or all of them, got.
#[derive(Default)]
struct Tally {
    answers: u64,
    errors: u64,
    resumed: u64,
    /// How long each answer took, in microseconds.
    waits: Vec<u32>,
}

impl Tally {
    fn answered(&mut self, load: &Load, sent: Instant) {
        if load.measured.load(Ordering::Relaxed) {
            self.answers += 1;
            self.waits.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }

    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.errors += other.errors;
        self.resumed += other.resumed;
        self.waits.extend(other.waits);
    }

    fn report(mut self, seconds: f64, cpu: u64) -> String {
        self.waits.sort_unstable();
        let (p50, p99) = (self.wait_of(50), self.wait_of(99));
        let Self { answers, errors, resumed, .. } = self;
        format!(
            r#"{{"answers": {answers}, "errors": {errors}, "resumed": {resumed}, "seconds": {seconds:.3}, "cpu_ns": {cpu}, "p50_us": {p50}, "p99_us": {p99}}}"#
        )
    }

    fn wait_of(&self, percent: usize) -> u32 {
        self.waits.get(self.waits.len() * percent / 100).copied().unwrap_or(0)
    }
}

/// CPU time of all threads of these processes so far, in user space and in the kernel, in nanoseconds.
fn cpu_time(processes: &[u32]) -> u64 {
    let threads = processes.iter().filter_map(|id| fs::read_dir(format!("/proc/{id}/task")).ok()).flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
