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
type Key = (AccountId, Option<SessionId>, String);

/// Who has tunnels open, and where.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The visitor as they were when they passed.
    pub traveler: Traveler,
    /// The name of the site: what one asks of its visitors another may not.
    pub site: String,
}

struct Group {
    holder: Holder,
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
    /// Adds a tunnel that `traveler` opened at the site of that name.
    pub fn open(&self, traveler: &Traveler, site: &str) -> Open {
        let holder = Holder { traveler: traveler.clone(), site: site.to_owned() };
        let key = holder.key();
        let mut groups = self.registry.lock();
        let group = groups.entry(key.clone()).or_insert_with(|| Group {
            holder,
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

    /// Those who have one open: one holder for each site and session (or account, without one).
    pub fn holders(&self) -> Vec<Holder> {
        self.registry.lock().values().map(|group| group.holder.clone()).collect()
    }

    /// Ends every tunnel at that site of the same account and session.
    pub fn end(&self, holder: &Holder) {
        if let Some(group) = self.registry.lock().remove(&holder.key()) {
            group.ended.cancel();
        }
    }

    /// Ends every tunnel, and every one that is opened from now on: the gateway stops.
    pub fn end_all(&self) {
        self.registry.all.cancel();
    }
}

impl Holder {
    fn key(&self) -> Key {
        let Self { traveler, site } = self;
        (traveler.account, traveler.verified.map(|verified| verified.session), site.clone())
    }
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

    fn holder(traveler: &Traveler) -> Holder {
        Holder { traveler: traveler.clone(), site: "s".into() }
    }

    #[test]
    fn ending_a_session_at_a_site_ends_its_tunnels_and_no_others() {
        let tunnels = Tunnels::default();
        let (alice, elsewhere, bob) = (traveler(1, Some(10)), traveler(1, Some(11)), traveler(2, None));
        let all = [(&alice, "s"), (&alice, "s"), (&elsewhere, "s"), (&bob, "s"), (&alice, "another")];
        let opened = all.map(|(traveler, site)| tunnels.open(traveler, site));
        tunnels.end(&holder(&alice));
        let ended = opened.each_ref().map(|open| open.ended.is_cancelled());
        assert_eq!(ended, [true, true, false, false, false]);
        assert_eq!(tunnels.holders().len(), 3);
    }

    #[test]
    fn each_session_is_listed_once_until_its_last_tunnel_closes() {
        let tunnels = Tunnels::default();
        let first = tunnels.open(&traveler(1, Some(10)), "s");
        let second = tunnels.open(&traveler(1, Some(10)), "s");
        assert_eq!(tunnels.holders().len(), 1);
        drop(first);
        assert_eq!(tunnels.holders().len(), 1);
        drop(second);
        assert!(tunnels.holders().is_empty());
    }

    #[test]
    fn a_tunnel_that_was_ended_takes_no_later_one_off_the_list() {
        let tunnels = Tunnels::default();
        let old = tunnels.open(&traveler(1, Some(10)), "s");
        tunnels.end(&holder(&traveler(1, Some(10))));
        let new = tunnels.open(&traveler(1, Some(10)), "s");
        drop(old);
        assert_eq!(tunnels.holders().len(), 1);
        assert!(!new.ended.is_cancelled());
    }

    #[test]
    fn everything_ends_with_the_gateway() {
        let tunnels = Tunnels::default();
        let opened = [tunnels.open(&traveler(1, None), "s"), tunnels.open_to_everybody()];
        tunnels.end_all();
        assert!(opened.iter().all(|open| open.ended.is_cancelled()));
        assert!(tunnels.open(&traveler(2, None), "s").ended.is_cancelled());
    }
}
