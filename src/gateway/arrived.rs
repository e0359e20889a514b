//! A request as it arrived, and what is settled of it before its visitor is looked at: which site it is for, which client it
//! comes from, and what is left of its fields.

use std::sync::{Arc, Weak};

use http::{Method, Version};

use super::{Gateway, Worker};
use crate::audience::Audience;
use crate::failure::Failure;
use crate::forward_auth::Original;
use crate::identity::client::{Arrival, Client, Peer, Scheme};
use crate::listener::framing::{self, Host};
use crate::memory::Memory;
use crate::message::{Fields, RequestHead};
use crate::proxy::headers::{self, Stripped, StrippedFields};
use crate::second_factor::session::Presented;
use crate::site::query;
use crate::telemetry::RequestId;

/// What is known of a request before all else, and still when it fails.
pub struct Arrived<'a> {
    /// What it is called in the log.
    pub id: RequestId,
    /// Where it came in.
    pub arrival: Arrival,
    /// What is remembered of its visitor.
    pub memory: &'a Memory,
    /// Whether the client uses TLS, as far as that is settled.
    pub scheme: Scheme,
    /// Who reads the answer.
    pub audience: Audience,
    /// The number of its site, once that is settled.
    pub site: Option<usize>,
}

/// What follows from the fields of a request, from where it came in, and from the configuration.
#[derive(Debug)]
pub struct Settled {
    /// The host it is for.
    pub host: Host,
    /// The number of its site.
    pub site: usize,
    /// The client it comes from.
    pub client: Client,
    /// The session that its cookie claims.
    pub presented: Option<Presented>,
}

/// What was settled of the last request, for one that has the same fields.
#[derive(Default)]
pub(crate) struct LastSettled(Option<Box<Noted>>);

struct Noted {
    /// What it had is let go of once there is another.
    gateway: Weak<Gateway>,
    arrival: Arrival,
    version: Version,
    received: Fields,
    settled: Arc<Settled>,
    left: StrippedFields,
}

impl Worker {
    /// What is remembered of the visitor whose request has these fields, where it came on the connection of a server that
    /// speaks for others as well. On that of a client, the connection remembers it.
    pub(super) fn visitors_memory(&self, peer: Peer, headers: &Fields) -> Option<Arc<Memory>> {
        (!self.gateway.is_one_client(peer)).then(|| self.memories.of(headers))
    }
}

impl<'a> Arrived<'a> {
    /// A request with this head, of whose visitor so much is remembered.
    pub fn new((id, arrival): (RequestId, Arrival), head: &RequestHead, memory: &'a Memory) -> Self {
        let audience = Audience::of(&head.method, &head.headers);
        Self { id, arrival, memory, scheme: arrival.scheme, audience, site: None }
    }
}

impl Arrived<'_> {
    /// Settles it, with nothing done again for fields that were the last. What is not settled by them is checked in any case:
    /// the method and the target. `outer` is what an outer server asks about, if it does.
    pub fn settle<'a>(
        &mut self,
        gateway: &Arc<Gateway>,
        head: &'a mut RequestHead,
        outer: Option<&Original<'_>>,
    ) -> Result<(Arc<Settled>, Stripped<&'a mut RequestHead>), Failure> {
        // What asks for a WebSocket in HTTP/2 gets fields by its method.
        if outer.is_some() || head.method == Method::CONNECT {
            return self.settle_anew(gateway, head, outer);
        }
        let arrival = self.arrival;
        if let Some((settled, left)) = self.memory.with_settled(|last| last.of(gateway, arrival, head)) {
            framing::check_line(head, &settled.host)?;
            query::strip(&mut head.uri, &gateway.config.sites[settled.site].strip_query);
            (self.site, self.scheme) = (Some(settled.site), settled.client.scheme);
            return Ok((settled, left.put_into(head)));
        }
        let (received, version) = (head.headers.clone_if_shared(), head.version);
        let (settled, mut head) = self.settle_anew(gateway, head, None)?;
        if let Some(received) = received {
            let (gateway, settled, left) = (Arc::downgrade(gateway), Arc::clone(&settled), head.share());
            let noted = Noted { gateway, arrival, version, received, settled, left };
            self.memory.with_settled(|last| *last = LastSettled(Some(Box::new(noted))));
        }
        Ok((settled, head))
    }

    fn settle_anew<'a>(
        &mut self,
        gateway: &Gateway,
        head: &'a mut RequestHead,
        outer: Option<&Original<'_>>,
    ) -> Result<(Arc<Settled>, Stripped<&'a mut RequestHead>), Failure> {
        let host = match outer {
            None => framing::check(head)?,
            Some(original) => original.check(head)?,
        };
        let (index, site) = gateway.sites.for_host(host.name()).ok_or(Failure::UnknownHost)?;
        self.site = Some(index);
        let trusted = &gateway.config.server.trusted_proxies;
        let mut client = Client::of(self.arrival, &head.headers, trusted).before(site, &head.headers);
        if let Some(original) = outer {
            original.is_sent_as_judged(head, site, &client)?;
            client = client.without_hop();
        }
        self.scheme = client.scheme;
        if travels_in_the_clear(&client) {
            return Err(Failure::Insecure);
        }
        query::strip(&mut head.uri, &site.strip_query);
        let mut head = headers::strip(head, site, &client);
        let presented = head.take_cookie(self.memory, client.scheme);
        Ok((Arc::new(Settled { host, site: index, client, presented }), head))
    }
}

/// There are secrets among the fields.
impl std::fmt::Debug for LastSettled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastSettled")
    }
}

impl LastSettled {
    fn of(
        &self,
        gateway: &Arc<Gateway>,
        arrival: Arrival,
        head: &RequestHead,
    ) -> Option<(Arc<Settled>, StrippedFields)> {
        let last = self.0.as_ref()?;
        let is_same = last.received.is_copy_of(&head.headers)
            && last.version == head.version
            && last.arrival == arrival
            && std::ptr::eq(last.gateway.as_ptr(), Arc::as_ptr(gateway));
        is_same.then(|| (Arc::clone(&last.settled), last.left.clone()))
    }
}

/// Whether the session cookie would cross a network without TLS.
fn travels_in_the_clear(client: &Client) -> bool {
    let on_this_machine = match client.address {
        Some(address) => address.to_canonical().is_loopback(),
        None => client.peer.address().is_none(),
    };
    client.scheme == Scheme::Http && !on_this_machine
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http::HeaderValue;
    use http::header::{CONNECTION, COOKIE, HOST};

    use super::*;
    use crate::config::{Config, Hosts, Site, TrustedProxies};
    use crate::identity::client::FORWARDED_FOR;
    use crate::second_factor::Timestamp;
    use crate::second_factor::session::{Kind, SessionToken};
    use crate::site::sample;
    use crate::telemetry::RequestIds;

    /// Before two sites, one of which has something stripped, with a peer that speaks for others.
    async fn gateway(folder: &Path) -> Arc<Gateway> {
        let site = |host: &str| Site { name: host.into(), hosts: Hosts::Named(vec![host.into()]), ..sample::site() };
        let stripping = Site { strip: vec![CONNECTION, COOKIE], strip_query: vec!["t".into()], ..site("b") };
        let mut config = Config { sites: [site("a"), stripping].map(Arc::new).into(), ..sample::config() };
        config.server.trusted_proxies =
            TrustedProxies { networks: vec!["10.0.0.0/8".parse().expect("a network")], unix: false };
        Arc::new(Gateway::in_folder(config, folder, Timestamp::from_secs(1_800_000_000)).await)
    }

    fn shared(lines: &[(http::HeaderName, String)]) -> Fields {
        let lines = lines.iter().map(|(name, value)| (name, HeaderValue::from_str(value).expect("a value")));
        let mut fields: Fields = lines.collect();
        fields.share();
        fields
    }

    /// Everything that comes of settling such a request.
    fn settle(gateway: &Arc<Gateway>, (arrival, head): &(Arrival, RequestHead), memory: &Memory) -> String {
        let mut head = head.clone();
        let mut arrived = Arrived::new((RequestIds::default().next(), *arrival), &head, memory);
        let settled = arrived.settle(gateway, &mut head, None);
        let settled = settled.map(|(settled, head)| {
            let Settled { host, site, client, presented } = &*settled;
            format!("{host:?} {site} {client:?} {presented:?} {} {:?}", head.uri, head.headers)
        });
        format!("{settled:?} {:?} {:?}", arrived.scheme, arrived.site)
    }

    #[tokio::test]
    async fn whatever_the_last_request_was_what_is_settled_is_of_this_one() {
        let folder = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let first = gateway(folder[0].path()).await;
        let mut config = first.config.clone();
        config.server.trusted_proxies = TrustedProxies::default();
        let gateways = [Arc::new(first.by(config)), first];

        let cookie = |number| SessionToken::new(Kind::Verified, [number; 32]).cookie_value();
        let lines = |host: &str, number| {
            let cookies = format!("login=x; vestibule={0}; __Host-vestibule={0}", cookie(number));
            shared(&[(HOST, host.into()), (COOKIE, cookies), (FORWARDED_FOR, "192.0.2.1".into())])
        };
        let fields = [lines("a", 1), lines("a", 2), lines("b", 1), lines("c", 1), shared(&[])];
        let peers = [[10, 0, 0, 1], [127, 0, 0, 1], [192, 0, 2, 9]].map(|address| Peer::Tcp(address.into()));
        let lines = [("GET", "/"), ("POST", "/x?t=1"), ("GET", "http://b/?t=1"), ("TRACE", "/"), ("GET", "/\\")];
        let mut requests = Vec::new();
        for fields in &fields {
            for arrival in
                peers.into_iter().flat_map(|peer| [Scheme::Http, Scheme::Https].map(|scheme| Arrival { peer, scheme }))
            {
                for (method, target) in lines {
                    let method = Method::from_bytes(method.as_bytes()).expect("a method");
                    let (uri, headers) = (target.parse().expect("a target"), fields.clone());
                    requests.push((arrival, RequestHead { method, uri, headers, ..RequestHead::default() }));
                }
            }
        }
        let memory = Memory::default();
        for last in &requests {
            for request in &requests {
                for gateway in &gateways {
                    for request in [last, request, request] {
                        let anew = settle(gateway, request, &Memory::default());
                        assert_eq!(settle(gateway, request, &memory), anew, "after {last:?}");
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_settled_again_for_the_same_fields() {
        let folder = tempfile::tempdir().expect("a folder");
        let (gateway, memory) = (gateway(folder.path()).await, Memory::default());
        let settled = |fields: &Fields| {
            let arrival = Arrival { peer: Peer::Tcp([192, 0, 2, 9].into()), scheme: Scheme::Https };
            let mut head = RequestHead { headers: fields.clone(), ..RequestHead::default() };
            let mut arrived = Arrived::new((RequestIds::default().next(), arrival), &head, &memory);
            match arrived.settle(&gateway, &mut head, None) {
                Ok((settled, _)) => settled,
                Err(failure) => panic!("{failure}"),
            }
        };
        let fields = shared(&[(HOST, "a".into()), (COOKIE, "login=secret".into())]);
        let first = settled(&fields);
        assert!(Arc::ptr_eq(&first, &settled(&fields)));
        let alike = shared(&[(HOST, "a".into()), (COOKIE, "login=secret".into())]);
        assert!(!Arc::ptr_eq(&first, &settled(&alike)));
        assert!(!format!("{memory:?}").contains("secret"));
    }

    #[tokio::test]
    async fn visitors_are_told_apart_where_a_server_speaks_for_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let worker = Worker::new(gateway(folder.path()).await, &[]);
        let memory = |peer: [u8; 4], cookies: &str| {
            let fields = shared(&[(HOST, "a".into()), (COOKIE, cookies.into())]);
            worker.visitors_memory(Peer::Tcp(peer.into()), &fields)
        };
        let (client, server, other_server) = ([192, 0, 2, 9], [10, 0, 0, 1], [10, 0, 0, 2]);
        assert!(memory(client, "login=1").is_none(), "its connection remembers");
        let first = memory(server, "login=1").expect("a memory");
        assert!(!Arc::ptr_eq(&first, &memory(server, "login=2").expect("a memory")));
        assert!(Arc::ptr_eq(&first, &memory(other_server, "login=1").expect("a memory")));
    }
}
