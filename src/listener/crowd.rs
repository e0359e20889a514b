//! How many connections each client has, over all workers, and what happens to one too many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How often the log is told at most: whoever is turned away comes again at once.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Everybody who has a connection. It grows with the connections that are open, of which there are only so many.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    present: HashMap<Household, Present>,
    /// Since the log was told.
    turned_away: u64,
    told: Option<Instant>,
}

/// Whoever counts as one client: an address in IPv4, and a network of 64 bits in IPv6, which is the least that one customer
/// of a provider is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Household {
    Address(Ipv4Addr),
    Network([u8; 8]),
}

#[derive(Debug)]
struct Present {
    connections: usize,
    most: usize,
    /// In HTTP/2, where a connection has many: leave to have requests in progress. As many as connections, since in
    /// HTTP/1 each connection has one.
    requests: Option<Arc<Semaphore>>,
}

/// Leave for one connection of a client.
#[derive(Debug)]
pub(super) struct Leave {
    crowd: Arc<Crowd>,
    household: Household,
}

impl Crowd {
    /// Lets one more connection of this client in, unless it has that many. The log is told of those turned away.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr, most: usize) -> Option<Leave> {
        let household = Household::of(client);
        let mut state = self.lock();
        let present = state.present.entry(household).or_insert(Present { connections: 0, most, requests: None });
        if present.connections < most {
            present.connections += 1;
            return Some(Leave { crowd: Arc::clone(self), household });
        }
        if present.connections == 0 {
            state.present.remove(&household);
        }
        state.turned_away += 1;
        let now = Instant::now();
        if state.told.is_none_or(|told| now - told >= TOLD_EVERY) {
            let turned_away = std::mem::take(&mut state.turned_away);
            state.told = Some(now);
            drop(state);
            tracing::warn!(
                %client, most, turned_away,
                "a client has as many connections as one may have (server.connections_per_client), and more are closed"
            );
        }
        None
    }

    /// Nothing that is done under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Household {
    fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V4(address) => Self::Address(address),
            IpAddr::V6(address) => {
                let mut network = [0; 8];
                network.copy_from_slice(&address.octets()[..8]);
                Self::Network(network)
            }
        }
    }
}

impl Leave {
    /// What the requests of this client in HTTP/2 have to have one of each.
    fn requests(&self) -> Option<Arc<Semaphore>> {
        let mut state = self.crowd.lock();
        let present = state.present.get_mut(&self.household)?;
        Some(Arc::clone(present.requests.get_or_insert_with(|| Arc::new(Semaphore::new(present.most)))))
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut state = self.crowd.lock();
        if let Some(present) = state.present.get_mut(&self.household) {
            present.connections -= 1;
            if present.connections == 0 {
                state.present.remove(&self.household);
            }
        }
    }
}

/// What a connection occupies for as long as it is open.
#[derive(Debug)]
pub(super) struct Seat {
    _permit: OwnedSemaphorePermit,
    leave: Option<Leave>,
}

impl Seat {
    /// For a client that may have so many.
    pub(super) const fn new(permit: OwnedSemaphorePermit, leave: Option<Leave>) -> Self {
        Self { _permit: permit, leave }
    }

    /// In HTTP/2, what the client's requests have to have one of each; `None` if it may have as many as it wants.
    pub(super) fn requests(&self) -> Option<Arc<Semaphore>> {
        self.leave.as_ref().and_then(Leave::requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_client_is_an_address_in_ipv4_and_a_network_in_ipv6() {
        let rows = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("::1", "0.0.0.1", false),
        ];
        for (one, other, same) in rows {
            let crowd = Arc::new(Crowd::default());
            let _inside = crowd.admit(address(one), 1).expect("the first");
            assert_eq!(crowd.admit(address(other), 1).is_none(), same, "{one} and {other}");
        }
    }

    #[test]
    fn one_who_leaves_makes_room_and_leaves_nothing_behind() {
        let (crowd, client) = (Arc::new(Crowd::default()), address("192.0.2.1"));
        let mut inside: Vec<_> = (0..3).map(|_| crowd.admit(client, 3).expect("one of three")).collect();
        assert!(crowd.admit(client, 3).is_none());
        inside.pop();
        let again = crowd.admit(client, 3).expect("there is room again");
        drop((inside, again));
        assert!(crowd.lock().present.is_empty());
        assert!(crowd.admit(client, 0).is_none());
        assert!(crowd.lock().present.is_empty(), "nobody is there who was not let in");
    }

    #[test]
    fn the_connections_of_a_client_share_its_requests() {
        let (crowd, client) = (Arc::new(Crowd::default()), address("192.0.2.1"));
        let leaves = [0; 2].map(|_| crowd.admit(client, 2).expect("let in"));
        let [one, other] = leaves.each_ref().map(|leave| leave.requests().expect("present"));
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(one.available_permits(), 2);
        let elsewhere = crowd.admit(address("192.0.2.2"), 2).expect("let in");
        assert!(!Arc::ptr_eq(&one, &elsewhere.requests().expect("present")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_is_told_now_and_then() {
        let crowd = Arc::new(Crowd::default());
        let turned_away = |times: u64| (0..times).for_each(|_| assert!(crowd.admit(address("192.0.2.1"), 0).is_none()));
        turned_away(5);
        assert_eq!(crowd.lock().turned_away, 4, "the first was told at once");
        tokio::time::advance(TOLD_EVERY).await;
        turned_away(1);
        assert_eq!(crowd.lock().turned_away, 0, "the others with the next");
    }
}
