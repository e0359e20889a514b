//! Accounts and sessions that are found without a wait, and those of a visitor's last request without a search.

use std::sync::Arc;

use super::{Known, Remembered, Standings};
use crate::bookmark::Bookmark;
use crate::config::Site;
use crate::identity::Identity;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId};
use crate::second_factor::session::{TokenDigest, VerifiedSession};

/// An account that was found for a word of a site's source, and may still be remembered.
#[derive(Debug, Default)]
pub struct LastAccount(Option<Named>);

#[derive(Debug)]
struct Named {
    site: Arc<Site>,
    identity: Arc<Identity>,
    id: AccountId,
    known: Option<Bookmark<AccountId, Arc<Known>>>,
}

/// A verified session that was found, and may still be remembered.
#[derive(Debug, Default)]
pub struct LastSession(Option<Bookmark<TokenDigest, Arc<Remembered>>>);

impl Standings {
    /// That account, if it is remembered at this moment and nothing new is said of it; not searched for where it is the
    /// last one.
    pub fn account_at_hand<'a>(
        &self,
        (site, identity): (&Arc<Site>, &Arc<Identity>),
        last: &'a mut LastAccount,
        now: Timestamp,
    ) -> Option<&'a Arc<Known>> {
        let accounts = self.honest(&self.accounts, now)?;
        let is_last =
            |last: &Named| last.known.is_some() && Arc::ptr_eq(&last.site, site) && last.identity == *identity;
        if !last.0.as_ref().is_some_and(is_last) {
            last.0 = None;
            let id = self.id_of(site, identity)?;
            last.0 = Some(Named { site: Arc::clone(site), identity: Arc::clone(identity), id, known: None });
        }
        let named = last.0.as_mut()?;
        accounts.get(&named.id, &mut named.known, |known| has_no_news(identity, &known.account))
    }

    /// That session, if it is remembered at this moment; not searched for where it is the last one.
    pub fn session_at_hand(
        &self,
        digest: TokenDigest,
        last: &mut LastSession,
        now: Timestamp,
    ) -> Option<VerifiedSession> {
        let remembered = self.honest(&self.sessions, now)?.get(&digest, &mut last.0, |_| true)?;
        let session = remembered.session(digest);
        // One that looks unused from here may have been used at another gateway, which tells the store alone.
        (now < session.last_seen.plus(self.idle())).then_some(session)
    }
}

/// Whether the site's source says of somebody what is known already.
pub(super) fn has_no_news(identity: &Identity, account: &Account) -> bool {
    !is_news(identity.email.as_ref(), account.email.as_ref()) && !is_news(identity.name.as_ref(), account.name.as_ref())
}

/// Whether the source says something else than what is known. Where it says nothing, what is known stays.
fn is_news(said: Option<&String>, known: Option<&String>) -> bool {
    said.is_some() && said != known
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;
    use crate::second_factor::session::{Limits, SessionId};
    use crate::standing::tests::{LIMITS, NOW, World, identity};

    const DIGEST: TokenDigest = TokenDigest([1; 32]);
    const OTHER: TokenDigest = TokenDigest([2; 32]);

    /// Something that happens to a gateway.
    type Event = (&'static str, fn(&World));

    /// After these, nothing that was found before is at hand.
    const SILENT: [Event; 2] = [
        ("the feed falls silent", |world| _ = world.now.fetch_add(2_001, Ordering::SeqCst)),
        ("the clock is set back", |world| _ = world.now.fetch_sub(2_001, Ordering::SeqCst)),
    ];

    impl World {
        fn moment(&self) -> Timestamp {
            Timestamp::from_millis(self.now.load(Ordering::SeqCst))
        }

        fn account(&self, identity: &Arc<Identity>, last: &mut LastAccount) -> Option<AccountId> {
            let known = self.standings.account_at_hand((&self.site, identity), last, self.moment())?;
            Some(known.account.id)
        }

        fn session(&self, digest: TokenDigest, last: &mut LastSession) -> Option<SessionId> {
            self.standings.session_at_hand(digest, last, self.moment()).map(|session| session.id)
        }

        /// With an account and two sessions of it, all of which are remembered.
        async fn with_sessions() -> Self {
            let world = Self::new().await;
            let account = world.known().await.account.id;
            for (number, digest) in [(1, DIGEST), (2, OTHER)] {
                world.write(&format!(
                    "INSERT INTO sessions (id, digest, account, verified_by, verified_at, code_at, last_seen, browser)
                     VALUES ({number}, x'{}', {}, 'totp', {now}, {now}, {now}, 'Firefox')",
                    data_encoding::HEXLOWER.encode(&digest.0),
                    account.0,
                    now = NOW.as_millis(),
                ));
                world.standings.session(digest).await.expect("the store answers").expect("a session");
            }
            world
        }
    }

    #[tokio::test]
    async fn an_account_is_found_again_without_its_name_until_whatever_makes_it_void() {
        let events: [Event; 3] = [
            ("it is forgotten", |world| world.standings.forget(AccountId(1), None)),
            ("all are forgotten", |world| world.standings.accounts.forget_all()),
            ("nothing", |_| {}),
        ];
        for (what, event) in events.into_iter().chain(SILENT) {
            let (world, who, mut last) = (World::new().await, Arc::new(identity("7")), LastAccount::default());
            assert_eq!(world.account(&who, &mut last), None, "not known yet");
            let id = world.known().await.account.id;
            assert_eq!((id, world.account(&who, &mut last)), (AccountId(1), Some(id)));
            world.standings.ids.clear();
            event(&world);
            assert_eq!(world.account(&who, &mut LastAccount::default()), None, "there is no name to find it by");
            let expected = (what == "nothing").then_some(id);
            assert_eq!(world.account(&who, &mut last), expected, "{what}");
        }
    }

    #[tokio::test]
    async fn an_account_that_the_feed_names_is_not_at_hand() {
        for change in ["account", "organization"] {
            let (world, who, mut last) = (World::new().await, Arc::new(identity("7")), LastAccount::default());
            world.known().await;
            assert!(world.account(&who, &mut last).is_some());
            world.write(&format!("INSERT INTO changes (at, {change}) VALUES ({}, 1)", NOW.as_millis()));
            assert!(world.account(&who, &mut last).is_some(), "nobody has heard of it");
            world.standings.catch_up().await.expect("the feed is readable");
            assert_eq!(world.account(&who, &mut last), None, "{change}");
        }
    }

    #[tokio::test]
    async fn what_was_at_hand_before_a_silence_is_not_after_it() {
        let (world, who, mut last) = (World::with_sessions().await, Arc::new(identity("7")), LastAccount::default());
        let mut last_session = LastSession::default();
        assert!(world.account(&who, &mut last).is_some() && world.session(DIGEST, &mut last_session).is_some());
        world.now.fetch_add(2_001, Ordering::SeqCst);
        world.standings.catch_up().await.expect("the feed is readable");
        assert_eq!((world.account(&who, &mut last), world.session(DIGEST, &mut last_session)), (None, None));
    }

    #[tokio::test]
    async fn an_account_is_at_hand_for_its_own_name_and_site_and_until_something_new_is_said_of_it() {
        let (mut world, who, mut last) = (World::new().await, Arc::new(identity("7")), LastAccount::default());
        let id = world.known().await.account.id;
        assert_eq!(world.account(&who, &mut last), Some(id));
        assert_eq!(world.account(&Arc::new(identity("7")), &mut last), Some(id), "the same is said anew");
        assert_eq!(world.account(&Arc::new(identity("8")), &mut last), None);
        assert_eq!(world.account(&who, &mut last), Some(id));
        let renamed = Arc::new(Identity { name: Some("Ann".into()), ..identity("7") });
        assert_eq!(world.account(&renamed, &mut last), None);
        assert_eq!(world.account(&who, &mut last), Some(id));
        world.site = Arc::new(Site { realm: "other".into(), ..(*world.site).clone() });
        assert_eq!(world.account(&who, &mut last), None);
    }

    #[tokio::test]
    async fn what_one_gateway_has_found_is_not_at_hand_at_another() {
        let (mut world, who, mut last) =
            (World::with_sessions().await, Arc::new(identity("7")), LastAccount::default());
        let mut last_session = LastSession::default();
        assert!(world.account(&who, &mut last).is_some() && world.session(DIGEST, &mut last_session).is_some());
        world.standings = world.others().await;
        assert_eq!((world.account(&who, &mut last), world.session(DIGEST, &mut last_session)), (None, None));
    }

    #[tokio::test]
    async fn a_session_is_at_hand_until_whatever_makes_it_void() {
        let events: [Event; 5] = [
            ("it is forgotten", |world| world.standings.forget(AccountId(1), Some(DIGEST))),
            ("all are forgotten", |world| world.standings.sessions.forget_all()),
            ("it was not used for long", |world| {
                let later = world.now.fetch_add(3_600_000, Ordering::SeqCst) + 3_600_000;
                world.standings.heard.store(later, Ordering::SeqCst);
            }),
            ("sessions end sooner", |world| {
                world.now.fetch_add(1_000, Ordering::SeqCst);
                world.standings.limit(Limits { idle: Duration::from_secs(1), ..LIMITS });
            }),
            ("nothing", |_| {}),
        ];
        for (what, event) in events.into_iter().chain(SILENT) {
            let (world, mut last) = (World::with_sessions().await, LastSession::default());
            assert_eq!(world.session(DIGEST, &mut last), Some(SessionId(1)));
            event(&world);
            let expected = (what == "nothing").then_some(SessionId(1));
            assert_eq!(world.session(DIGEST, &mut last), expected, "{what}");
        }
    }

    #[tokio::test]
    async fn a_session_that_the_feed_names_is_not_at_hand() {
        let (world, mut last) = (World::with_sessions().await, LastSession::default());
        assert!(world.session(DIGEST, &mut last).is_some());
        world.write(&format!("INSERT INTO changes (at, session) SELECT {}, digest FROM sessions", NOW.as_millis()));
        world.standings.catch_up().await.expect("the feed is readable");
        assert_eq!(world.session(DIGEST, &mut last), None);
    }

    #[tokio::test]
    async fn a_session_is_at_hand_under_its_own_digest_alone() {
        let (world, mut last) = (World::with_sessions().await, LastSession::default());
        for _ in 0..2 {
            assert_eq!(world.session(DIGEST, &mut last), Some(SessionId(1)));
            assert_eq!(world.session(OTHER, &mut last), Some(SessionId(2)));
            assert_eq!(world.session(TokenDigest([3; 32]), &mut last), None);
        }
    }

    #[tokio::test]
    async fn whoever_uses_a_session_it_is_used_for_all_who_have_it_at_hand() {
        let (world, mut last) = (World::with_sessions().await, LastSession::default());
        let session = world.standings.session_at_hand(DIGEST, &mut last, NOW).expect("at hand");
        assert_eq!(session.last_seen, NOW);
        let later = NOW.plus(Duration::from_mins(1));
        world.standings.touch(&session, later);
        let session = world.standings.session_at_hand(DIGEST, &mut last, NOW).expect("at hand");
        assert_eq!(session.last_seen, later);
    }
}
