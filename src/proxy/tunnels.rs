//! Connections that outlive the head of their answer (by WebSocket, of events), by who opened them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::second_factor::account::AccountId;
use crate::second_factor::policy::Traveler;
use crate::second_factor::session::SessionId;

/// Every live tunnel and event stream of this process. Clones are of the same ones.
#[derive(Clone, Default)]
pub struct Tunnels {
    registry: Arc<Registry>,
}

#[derive(Default)]
struct Registry {
    groups: Mutex<HashMap<Key, Group>>,
    all: CancellationToken,
}

/// What ends together.
type Key = (AccountId, Option<SessionId>);

struct Group {
    traveler: Traveler,
    open: usize,
    ended: CancellationToken,
}

/// One open tunnel. Leaves the list when dropped.
pub struct Open {
    /// Cancelled when the tunnel has to end.
    pub ended: CancellationToken,
    /// `None` for a tunnel on a public path, which nobody's session holds.
    entry: Option<(Arc<Registry>, Key)>,
}

impl Tunnels {
    /// Adds a tunnel that `traveler` opened.
    pub fn open(&self, traveler: &Traveler) -> Open {
        let key = key(traveler);
        let mut groups = self.registry.lock();
        let group = groups.entry(key).or_insert_with(|| Group {
            traveler: traveler.clone(),
            open: 0,
            ended: self.registry.all.child_token(),
        });
        group.open += 1;
        Open { ended: group.ended.clone(), entry: Some((Arc::clone(&self.registry), key)) }
    }

    /// A tunnel on a public path: it ends with the gateway.
    pub fn open_to_everybody(&self) -> Open {
        Open { ended: self.registry.all.clone(), entry: None }
    }

    /// Those who have one open: one traveler for each session (or account, without one).
    pub fn travelers(&self) -> Vec<Traveler> {
        self.registry.lock().values().map(|group| group.traveler.clone()).collect()
    }

    /// Ends every tunnel of the same account and session as `traveler`.
    pub fn end(&self, traveler: &Traveler) {
        if let Some(group) = self.registry.lock().remove(&key(traveler)) {
            group.ended.cancel();
        }
    }

    /// Ends every tunnel, and every one that is opened from now on: the gateway stops.
    pub fn end_all(&self) {
        self.registry.all.cancel();
    }
}

fn key(traveler: &Traveler) -> Key {
    (traveler.account, traveler.verified.map(|verified| verified.session))
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some((registry, key)) = &self.entry else { return };
        let mut groups = registry.lock();
        // A group that was ended is listed no more; what is listed under the same key was opened since then.
        if self.ended.is_cancelled() {
            return;
        }
        if let Some(group) = groups.get_mut(key) {
            group.open -= 1;
            if group.open == 0 {
                groups.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second_factor::Timestamp;
    use crate::second_factor::account::{AccountKey, OrganizationId};
    use crate::second_factor::policy::Verified;
    use crate::second_factor::session::VerifiedBy;

    fn traveler(account: i64, session: Option<i64>) -> Traveler {
        let at = Timestamp::from_secs(0);
        Traveler {
            account: AccountId(account),
            key: Arc::new(AccountKey { realm: "r".into(), organization: "o".into(), user: account.to_string() }),
            organization: OrganizationId(1),
            verified: session.map(|s| Verified { session: SessionId(s), by: VerifiedBy::Totp, at, code_at: at }),
        }
    }

    #[test]
    fn ending_a_session_ends_its_tunnels_and_no_others() {
        let tunnels = Tunnels::default();
        let (alice, elsewhere, bob) = (traveler(1, Some(10)), traveler(1, Some(11)), traveler(2, None));
        let opened = [&alice, &alice, &elsewhere, &bob].map(|traveler| tunnels.open(traveler));
        tunnels.end(&alice);
        assert_eq!(opened.each_ref().map(|open| open.ended.is_cancelled()), [true, true, false, false]);
        assert_eq!(tunnels.travelers().len(), 2);
    }

    #[test]
    fn each_session_is_listed_once_until_its_last_tunnel_closes() {
        let tunnels = Tunnels::default();
        let first = tunnels.open(&traveler(1, Some(10)));
        let second = tunnels.open(&traveler(1, Some(10)));
        assert_eq!(tunnels.travelers().len(), 1);
        drop(first);
        assert_eq!(tunnels.travelers().len(), 1);
        drop(second);
        assert!(tunnels.travelers().is_empty());
    }

    #[test]
    fn a_tunnel_that_was_ended_takes_no_later_one_off_the_list() {
        let tunnels = Tunnels::default();
        let old = tunnels.open(&traveler(1, Some(10)));
        tunnels.end(&traveler(1, Some(10)));
        let new = tunnels.open(&traveler(1, Some(10)));
        drop(old);
        assert_eq!(tunnels.travelers().len(), 1);
        assert!(!new.ended.is_cancelled());
    }

    #[test]
    fn everything_ends_with_the_gateway() {
        let tunnels = Tunnels::default();
        let opened = [tunnels.open(&traveler(1, None)), tunnels.open_to_everybody()];
        tunnels.end_all();
        assert!(opened.iter().all(|open| open.ended.is_cancelled()));
        assert!(tunnels.open(&traveler(2, None)).ended.is_cancelled());
    }
}
