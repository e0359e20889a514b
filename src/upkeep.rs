//! What has to be done time and again while the gateway runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::audit_chain;
use crate::gateway::Gateway;
use crate::proxy::tunnels::Holder;
use crate::reload::Running;
use crate::second_factor::event::Occasion;
use crate::second_factor::guessing::Alarm;
use crate::store::{Expired, StoreError};
use crate::telemetry::causes;

/// How often the change feed is read.
const LISTEN_EVERY: Duration = Duration::from_millis(250);
/// How often is looked whether live tunnels still stand.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long a tunnel stays when nobody can say whether it may.
const UNVOUCHED: Duration = Duration::from_secs(10);
/// How often new entries of the audit log are linked to those before.
const LINK_EVERY: Duration = Duration::from_secs(1);
/// How often the store hears which sessions were used, and what has expired goes.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// How many expired rows of each kind go at a time, and old entries of the audit log.
const PRUNED_AT_ONCE: u16 = 200;
/// How long the store is everybody else's before more of them go: so 10,000 of each kind go in a second, at most.
const PRUNED_APART: Duration = Duration::from_millis(20);
/// How often is looked whether codes are being guessed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often the allocator has the occasion to give memory back.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(1);
/// What it is asked for, in bytes: so much that it has to look for it, and nothing of it is touched.
const OCCASION: usize = 4 << 20;

/// Does it until `over`. One does not wait for the other: while the store does not answer, there are tunnels to be ended.
pub(crate) async fn upkeep(running: Arc<Running>, over: CancellationToken) {
    let running = &running;
    let listen = every(LISTEN_EVERY, "read what changed", running, async |g| g.standings.catch_up().await);
    let note = every(KEEP_EVERY, "write down what was used", running, async |g| g.standings.write_seen().await);
    let prune = every(KEEP_EVERY, "drop what expired", running, drop_expired);
    let link = every(LINK_EVERY, "link the audit log", running, link_audit_log);
    let forget = every(KEEP_EVERY, "delete old entries of the audit log", running, forget_old_entries);
    let look = every(LOOK_EVERY, "look for guessing", running, raise_alarms);
    tokio::select! {
        () = over.cancelled() => {}
        _ = async { tokio::join!(listen, note, prune, link, forget, look, watch(running), give_back()) } => {}
    }
}

/// Does something so often, for good. What can't be done now is told, and tried the next time.
async fn every<F>(period: Duration, what: &str, running: &Running, work: F)
where
    F: AsyncFn(&Gateway) -> Result<(), StoreError>,
{
    let mut beat = beat(period);
    loop {
        beat.tick().await;
        if let Err(error) = work(&running.gateway()).await {
            tracing::error!(error = causes(&error), "can't {what}");
        }
    }
}

/// The allocator gives back what was freed when it has to look for more, some time later. A gateway that has nothing to do
/// anymore would never ask, and hold what its last visitors needed.
async fn give_back() {
    let mut beat = beat(GIVE_BACK_EVERY);
    loop {
        beat.tick().await;
        drop(std::hint::black_box(Vec::<u8>::with_capacity(OCCASION)));
    }
}

/// After something took longer than it should, what was left out is not made up for.
fn beat(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Goes on until there is less than would go at a time.
async fn drop_expired(gateway: &Gateway) -> Result<(), StoreError> {
    loop {
        let now = gateway.clock.now();
        let limits = gateway.config.session;
        let expired = Expired { now, idle_since: now.minus(limits.idle), verified_before: now.minus(limits.lifetime) };
        if gateway.store.prune(expired, PRUNED_AT_ONCE.into()).await? < PRUNED_AT_ONCE.into() {
            return Ok(());
        }
        sleep(PRUNED_APART).await;
    }
}

async fn link_audit_log(gateway: &Gateway) -> Result<(), StoreError> {
    audit_chain::grow(gateway.store.as_ref(), gateway.keys.digests()).await
}

async fn forget_old_entries(gateway: &Gateway) -> Result<(), StoreError> {
    let Some(retention) = gateway.config.store.audit_retention else { return Ok(()) };
    let (store, keys, before) = (gateway.store.as_ref(), gateway.keys.digests(), gateway.clock.now().minus(retention));
    while audit_chain::forget(store, keys, before, PRUNED_AT_ONCE.into()).await? >= PRUNED_AT_ONCE.into() {
        sleep(PRUNED_APART).await;
    }
    Ok(())
}

/// Tells the log of guessing, each time it is noticed.
async fn raise_alarms(gateway: &Gateway) -> Result<(), StoreError> {
    for alarm in gateway.store.raise_alarms(Occasion::of_the_gateway(gateway.clock.now())).await? {
        gateway.metrics.count_alarm(&alarm);
        let event = alarm.kind().as_str();
        match alarm {
            Alarm::AtAccount { account, organization, failures } => {
                tracing::warn!(event, account = account.0, ?organization, failures, "somebody may be guessing codes");
            }
            Alarm::AtOrganization { organization, accounts } => {
                tracing::warn!(event, ?organization, accounts, "somebody may be guessing codes at many accounts");
            }
        }
    }
    Ok(())
}

/// Looks after live tunnels, for good.
async fn watch(running: &Running) {
    let mut beat = beat(WATCH_EVERY);
    let mut vouched = Instant::now();
    loop {
        beat.tick().await;
        match watch_tunnels(&running.gateway(), vouched + UNVOUCHED).await {
            Ok(()) => vouched = Instant::now(),
            Err(error) => tracing::error!(error = causes(&error), "can't look after live connections"),
        }
    }
}

/// Ends the tunnels of those who would not get through any more; and of those of whom nobody can say so, if that is not
/// known by `until`.
async fn watch_tunnels(gateway: &Gateway, until: Instant) -> Result<(), StoreError> {
    let mut unvouched = 0_u32;
    for holder in gateway.tunnels.holders() {
        match timeout_at(until, gateway.still_stands(&holder)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => gateway.tunnels.end(&holder),
            Ok(Err(error)) if Instant::now() < until => return Err(error),
            Ok(Err(_)) | Err(_) => {
                gateway.tunnels.end(&holder);
                unvouched += 1;
            }
        }
    }
    if unvouched > 0 {
        tracing::warn!(sessions = unvouched, "closed live connections: the store does not say whether they may stay");
    }
    Ok(())
}

impl Gateway {
    /// Whether somebody who passed some time ago still would, at the same site: there may be no such site anymore, and it
    /// may ask for more, or have other users.
    async fn still_stands(&self, Holder { traveler, site }: &Holder) -> Result<bool, StoreError> {
        let Some(dashboard) = self.dashboards.iter().find(|d| d.site.name == *site) else { return Ok(false) };
        self.standings.still_passes(traveler, &dashboard.site, self.config.session).await
    }
}
