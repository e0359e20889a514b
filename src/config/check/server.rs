//! Where visitors come in, and where the operator looks in.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;

use toml::Spanned;

use super::address::{self, Trusted};
use super::finding::{Check, Checked, Form};
use super::named_file::{certificates, private_key};
use crate::config::file::{self, Section};
use crate::config::problem::Wrong;
use crate::config::{CertificateFiles, Listen, Operations, OuterServer, Server, Tls, TrustedProxies, default};

const MOST_WORKERS: i64 = 1024;
/// Each takes some memory and three open files: more than this is a slip of the pen.
const MOST_CONNECTIONS: i64 = 1_000_000;

impl Check<'_> {
    pub(super) fn server(&mut self, written: Option<&Section<file::Server>>) -> Checked<Server> {
        let written = self.present("server", 0..0, written, "[server], and in it listen = [\"127.0.0.1:8080\"]")?;
        let server = written.get_ref();
        let listen = self.listen(written);
        let tls = server.tls.as_ref().map(|tls| self.tls(tls)).transpose();
        let trusted_proxies = self.trusted_proxies(server.trusted_proxies.as_deref().unwrap_or_default());
        if let (Ok(proxies), None) = (&trusted_proxies, &server.tls) {
            self.codes_in_the_clear(server, proxies);
        }
        let forward_auth = self.forward_auth(server, trusted_proxies.as_ref().ok());
        let h2c = self.h2c(server);
        let proxy_protocol = self.proxy_protocol(server, trusted_proxies.as_ref().ok());
        let workers = match &server.workers {
            Some(number) => self.at(number.span(), "server.workers", count(*number.get_ref(), MOST_WORKERS, "workers")),
            None => Ok(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        };
        let connections = self.connections("server.connections", server.connections.as_ref());
        let per_client = self.connections("server.connections_per_client", server.connections_per_client.as_ref());
        Ok(Server {
            listen: listen?,
            trusted_proxies: trusted_proxies?,
            forward_auth: forward_auth?,
            h2c: h2c?,
            proxy_protocol: proxy_protocol?,
            tls: tls?,
            workers: workers?,
            connections: connections?,
            connections_per_client: per_client?,
        })
    }

    fn connections(&mut self, key: &str, written: Option<&Spanned<i64>>) -> Checked<Option<NonZeroUsize>> {
        let written = written.map(|number| (number.span(), count(*number.get_ref(), MOST_CONNECTIONS, "connections")));
        written.map(|(span, number)| self.at(span, key, number)).transpose()
    }

    fn listen(&mut self, server: &Section<file::Server>) -> Checked<Vec<Listen>> {
        let (key, example) = ("server.listen", "listen = [\"127.0.0.1:8080\"]");
        let list = self.present(key, server.span(), server.get_ref().listen.as_ref(), example)?;
        let list = self.not_empty(key, server.span(), list, "at least one address, as \"127.0.0.1:8080\"")?;
        let folder = self.folder;
        self.list(key, list, |text| address::listen(text, folder))
    }

    fn tls(&mut self, written: &Section<file::Tls>) -> Checked<Tls> {
        let tls = written.get_ref();
        let first = self.certificate("server.tls", written.span(), tls.certificate.as_ref(), tls.key.as_ref());
        let more = tls.more.iter().flatten().map(|more| {
            let (span, more) = (more.span(), more.get_ref());
            self.certificate("server.tls.more", span, more.certificate.as_ref(), more.key.as_ref())
        });
        // Collected twice, since collecting into a result would stop at the first problem.
        let more: Vec<_> = more.collect();
        Ok(Tls { certificates: std::iter::once(first).chain(more).collect::<Checked<_>>()? })
    }

    /// The two files that a table names.
    fn certificate(
        &mut self,
        table: &str,
        span: Range<usize>,
        certificate: Option<&file::Text>,
        key: Option<&file::Text>,
    ) -> Checked<CertificateFiles> {
        let folder = self.folder;
        let name = format!("{table}.certificate");
        let certificate = self
            .present(&name, span.clone(), certificate, "certificate = \"tls/fullchain.pem\"")
            .and_then(|file| self.one(&name, file, |text| certificates(text, folder)));
        let name = format!("{table}.key");
        let key = self
            .present(&name, span, key, "key = \"tls/key.pem\"")
            .and_then(|file| self.one(&name, file, |text| private_key(text, folder)));
        Ok(CertificateFiles { certificate: certificate?, key: key? })
    }

    fn trusted_proxies(&mut self, written: &[file::Text]) -> Checked<TrustedProxies> {
        let mut proxies = TrustedProxies::default();
        for trusted in self.list("server.trusted_proxies", written, address::trusted)? {
            match trusted {
                Trusted::Network(network) => proxies.networks.push(network),
                Trusted::Unix => proxies.unix = true,
            }
        }
        Ok(proxies)
    }

    /// Whoever is not trusted is told nothing, so there has to be somebody.
    fn forward_auth(&mut self, server: &file::Server, proxies: Option<&TrustedProxies>) -> Checked<Vec<OuterServer>> {
        let key = "server.forward_auth";
        let Some(written) = &server.forward_auth else { return Ok(Vec::new()) };
        let servers = self.list(key, written.get_ref(), outer_server)?;
        if !servers.is_empty() && proxies.is_some_and(is_nobody) {
            let what = "only trusted proxies are answered, and there are none";
            let wrong = Wrong::new(what, "the server in front in trusted_proxies");
            return Err(self.report(written.span(), key, wrong));
        }
        Ok(servers)
    }

    fn h2c(&mut self, server: &file::Server) -> Checked<bool> {
        let Some(written) = server.h2c.as_ref().filter(|written| *written.get_ref()) else { return Ok(false) };
        if server.tls.is_some() {
            let what = "with [server.tls], the handshake says who speaks HTTP/2";
            return Err(self.report(written.span(), "server.h2c", Wrong::new(what, "h2c = false, or no [server.tls]")));
        }
        Ok(true)
    }

    /// Nobody may name clients who is not trusted to: without trusted proxies, nobody could connect.
    fn proxy_protocol(&mut self, server: &file::Server, proxies: Option<&TrustedProxies>) -> Checked<bool> {
        let Some(written) = server.proxy_protocol.as_ref().filter(|written| *written.get_ref()) else {
            return Ok(false);
        };
        if proxies.is_some_and(is_nobody) {
            let what = "only trusted proxies may connect then, and there are none";
            let wrong = Wrong::new(what, "the server in front in trusted_proxies");
            return Err(self.report(written.span(), "server.proxy_protocol", wrong));
        }
        Ok(true)
    }

    /// Without TLS here or in front, whoever sees the traffic sees the session cookie and the codes.
    fn codes_in_the_clear(&mut self, server: &file::Server, proxies: &TrustedProxies) {
        let folder = self.folder;
        for written in server.listen.iter().flat_map(Spanned::get_ref) {
            let Ok(Listen::Tcp(address)) = address::listen(written.get_ref(), folder) else { continue };
            if !address.ip().to_canonical().is_loopback() && proxies.networks.is_empty() {
                let what =
                    "plain HTTP on an address that others reach: session cookies and codes would travel in the clear";
                let right = "[server.tls], or the TLS server in front in trusted_proxies, or a loopback address as \"127.0.0.1:8080\"";
                self.report(written.span(), "server.listen", Wrong::new(what, right));
            }
        }
    }

    pub(super) fn listens_twice(&mut self, file: &file::File, server: &Server) {
        let written = file.server.iter().filter_map(|server| server.get_ref().listen.as_ref());
        let places: Vec<_> = written.flat_map(Spanned::get_ref).map(Spanned::span).collect();
        for (at, (listen, span)) in server.listen.iter().zip(places).enumerate() {
            if server.listen[..at].contains(listen) && !is_any_port(listen) {
                let wrong = Wrong::new("the gateway already listens here", "each address once");
                self.report(span, "server.listen", wrong);
            }
        }
        let Some(operations) = &file.operations.listen else { return };
        let same =
            |listen: &Listen| address::socket_address(operations.get_ref()).is_ok_and(|it| *listen == Listen::Tcp(it));
        if server.listen.iter().any(|listen| same(listen) && !is_any_port(listen)) {
            let wrong = Wrong::new("visitors come in here", "an address of its own, as \"127.0.0.1:9180\"");
            self.report(operations.span(), "operations.listen", wrong);
        }
    }

    pub(super) fn operations(&mut self, written: &file::Operations) -> Checked<Operations> {
        let listen = self.optional("operations.listen", written.listen.as_ref(), address::socket_address);
        Ok(Operations { listen: listen?.unwrap_or(default::OPERATIONS) })
    }
}

fn is_nobody(proxies: &TrustedProxies) -> bool {
    proxies.networks.is_empty() && !proxies.unix
}

fn outer_server(text: &str) -> Form<OuterServer> {
    OuterServer::ALL.into_iter().find(|server| server.name() == text).ok_or_else(|| {
        let right = "\"nginx\", \"traefik\", \"caddy\", \"haproxy\" or \"envoy\"";
        Wrong::new(format!("{text:?} is no server that can ask"), right)
    })
}

/// Whether the system chooses the port, a new one each time.
fn is_any_port(listen: &Listen) -> bool {
    matches!(listen, Listen::Tcp(address) if address.port() == 0)
}

fn count(number: i64, most: i64, what: &str) -> Form<NonZeroUsize> {
    let within = (1..=most).contains(&number).then_some(number);
    let number_of = within.and_then(|number| usize::try_from(number).ok()).and_then(NonZeroUsize::new);
    number_of.ok_or_else(|| Wrong::new(format!("{number} {what} can't be"), format!("1 to {most}")))
}
