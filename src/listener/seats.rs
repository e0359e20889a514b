//! How many connections there is room for.

use crate::config;

/// How many may be open where nobody says how many. Those that are busy take some 100 kB each, a gigabyte in all.
const MOST: usize = 10_000;

/// Fewer than this are too few to be of use, whatever the limit on open files is.
const FEWEST: usize = 16;

/// Open files beside those of visitors: the store, the log, the operator, and connections to dashboards that are kept.
const BESIDE: u64 = 200;

/// Open files of one worker, beside its sockets: what its runtime waits with.
const WORKER: u64 = 8;

/// How many connections may be open at once: what the configuration says, or [`MOST`], as far as so many open files leave
/// room for it. Running out of files would refuse requests that were let in, and the store its own.
pub(super) fn number(server: &config::Server, files: Option<u64>) -> usize {
    let wanted = server.connections.map_or(MOST, usize::from);
    let Some(files) = files else { return wanted };
    let workers = server.workers.get() as u64 * (WORKER + server.listen.len() as u64);
    let room = files.saturating_sub(BESIDE + workers) / each(server);
    let number = usize::try_from(room).unwrap_or(usize::MAX).max(FEWEST).min(wanted);
    if number < wanted {
        tracing::warn!(
            connections = number,
            wanted,
            open_files = files,
            "the limit on open files leaves room for fewer connections: raise its hard limit (LimitNOFILE)"
        );
    }
    number
}

/// A client's socket, and two to its dashboard: one for what is asked about its request, and kept for the next, and one for
/// the request. In HTTP/2 there are as many requests beside, and each needs two as well.
const fn each(server: &config::Server) -> u64 {
    if server.h2c || server.tls.is_some() { 5 } else { 3 }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::config::{Listen, Server, TrustedProxies};

    fn server(connections: Option<usize>, h2c: bool) -> Server {
        Server {
            listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into()); 2],
            trusted_proxies: TrustedProxies::default(),
            forward_auth: Vec::new(),
            h2c,
            proxy_protocol: false,
            tls: None,
            workers: NonZeroUsize::new(10).expect("not zero"),
            connections: connections.and_then(NonZeroUsize::new),
            connections_per_client: None,
        }
    }

    #[test]
    fn there_are_as_many_as_wanted_if_so_many_files_may_be_open() {
        // 300 files are for the rest: 200, and 10 each of 10 workers with two sockets.
        let rows = [
            (None, false, None, 10_000),
            (None, false, Some(1 << 20), 10_000),
            (None, false, Some(30_300), 10_000),
            (None, false, Some(30_297), 9_999),
            (None, true, Some(50_300), 10_000),
            (None, true, Some(30_300), 6_000),
            (None, false, Some(1_024), 241),
            (None, false, Some(100), FEWEST),
            (Some(50_000), false, Some(1 << 20), 50_000),
            (Some(50_000), false, None, 50_000),
            (Some(50_000), false, Some(30_300), 10_000),
            (Some(100), false, Some(30_300), 100),
            (Some(4), false, Some(100), 4),
        ];
        for (wanted, h2c, files, number_of) in rows {
            assert_eq!(number(&server(wanted, h2c), files), number_of, "{wanted:?} {h2c} {files:?}");
        }
    }
}
