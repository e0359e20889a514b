//! Accounts and sessions that are found without a wait, and those of a visitor's last request without a search, but for the
//! name of whoever shows no session.

use std::sync::Arc;

use super::name::Name;
use super::{Known, Remembered, Standings};
use crate::bookmark::Bookmark;
use crate::config::Site;
use crate::identity::Identity;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId};
use crate::second_factor::session::{TokenDigest, VerifiedSession};

/// An account that was found, and may still be remembered.
#[derive(Debug, Default)]
pub struct LastAccount(Option<Bookmark<AccountId, Arc<Known>>>);

/// A verified session that was found, and may still be remembered.
#[derive(Debug, Default)]
pub struct LastSession(Option<Bookmark<TokenDigest, Arc<Remembered>>>);

impl Standings {
    /// The account that the word of a site's source names, if it is remembered at this moment and nothing new is said of
    /// it; not searched for where it is the last one. `id` is the account of the session that was shown, if one was: where
    /// somebody else is named, nobody's account is at hand. That is the only place where the two are compared, since a session
    /// is proof for its own account.
    pub fn account_at_hand<'a>(
        &self,
        (site, identity): (&Site, &Identity),
        id: Option<AccountId>,
        last: &'a mut LastAccount,
        now: Timestamp,
    ) -> Option<&'a Arc<Known>> {
        let accounts = self.honest(&self.accounts, now)?;
        let name = (&*site.realm, &*identity.organization, &*identity.user);
        let id = match id {
            Some(id) => id,
            None => self.ids.get(&name as &dyn Name)?,
        };
        let known = accounts.get(&id, &mut last.0)?;
        (known.account.key.parts() == name && has_no_news(identity, &known.account)).then_some(known)
    }

    /// That session, if it is remembered at this moment; not searched for where it is the last one.
    pub fn session_at_hand(
        &self,
        digest: TokenDigest,
        last: &mut LastSession,
        now: Timestamp,
    ) -> Option<VerifiedSession> {
        let remembered = self.honest(&self.sessions, now)?.get(&digest, &mut last.0)?;
        let session = remembered.session(digest);
        // One that looks unused from here may have been used at another gateway, which tells the store alone.
        (now < session.last_seen.plus(self.idle())).then_some(session)
    }
}

/// Whether the site's source says of somebody what is known already.
fn has_no_news(identity: &Identity, account: &Account) -> bool {
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

        /// Which account is at hand for the name, to somebody who shows a session of that account, if any.
        fn account(&self, who: &Identity, session: Option<AccountId>, last: &mut LastAccount) -> Option<AccountId> {
            let known = self.standings.account_at_hand((&self.site, who), session, last, self.moment())?;
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
    async fn an_account_is_at_hand_until_whatever_makes_it_void() {
        let events: [Event; 3] = [
            ("it is forgotten", |world| world.standings.forget(AccountId(1), None)),
            ("all are forgotten", |world| world.standings.accounts.forget_all()),
            ("nothing", |_| {}),
        ];
        for (what, event) in events.into_iter().chain(SILENT) {
            for session in [None, Some(AccountId(1))] {
                let (world, who, mut last) = (World::new().await, identity("7"), LastAccount::default());
                assert_eq!(world.account(&who, session, &mut last), None, "not known yet");
                assert_eq!(world.known().await.account.id, AccountId(1));
                assert_eq!(world.account(&who, session, &mut last), Some(AccountId(1)));
                event(&world);
                let expected = (what == "nothing").then_some(AccountId(1));
                assert_eq!(world.account(&who, session, &mut last), expected, "{what}, {session:?}");
            }
        }
    }

    #[tokio::test]
    async fn an_account_that_the_feed_names_is_not_at_hand() {
        for change in ["account", "organization"] {
            let (world, who, mut last) = (World::new().await, identity("7"), LastAccount::default());
            world.known().await;
            assert!(world.account(&who, None, &mut last).is_some());
            world.write(&format!("INSERT INTO changes (at, {change}) VALUES ({}, 1)", NOW.as_millis()));
            assert!(world.account(&who, None, &mut last).is_some(), "nobody has heard of it");
            world.standings.catch_up().await.expect("the feed is readable");
            assert_eq!(world.account(&who, None, &mut last), None, "{change}");
        }
    }

    #[tokio::test]
    async fn what_was_at_hand_before_a_silence_is_not_after_it() {
        let (world, who, mut last) = (World::with_sessions().await, identity("7"), LastAccount::default());
        let mut last_session = LastSession::default();
        assert!(world.account(&who, None, &mut last).is_some() && world.session(DIGEST, &mut last_session).is_some());
        world.now.fetch_add(2_001, Ordering::SeqCst);
        world.standings.catch_up().await.expect("the feed is readable");
        assert_eq!((world.account(&who, None, &mut last), world.session(DIGEST, &mut last_session)), (None, None));
    }

    #[tokio::test]
    async fn an_account_is_at_hand_for_its_own_name_and_realm_whoever_s_session_is_shown() {
        let (mut world, who, mut last) = (World::new().await, identity("7"), LastAccount::default());
        let id = world.known().await.account.id;
        let other = world.standings.of_identity(&world.site, &identity("8")).await.expect("an account").account.id;
        for session in [None, Some(id)] {
            assert_eq!(world.account(&who, session, &mut last), Some(id));
        }
        assert_eq!(world.account(&who, Some(other), &mut last), None);
        assert_eq!(world.account(&identity("8"), Some(id), &mut last), None);
        assert_eq!(
            world.account(&Identity { organization: "other".into(), ..identity("7") }, Some(id), &mut last),
            None
        );
        world.site = Arc::new(Site { realm: "other".into(), ..(*world.site).clone() });
        for session in [None, Some(id)] {
            assert_eq!(world.account(&who, session, &mut last), None);
        }
    }

    #[tokio::test]
    async fn an_account_of_which_something_new_is_said_is_not_at_hand() {
        let (world, who, mut last) = (World::new().await, identity("7"), LastAccount::default());
        let id = world.known().await.account.id;
        let renamed = Identity { name: Some("Ann".into()), ..identity("7") };
        for session in [None, Some(id)] {
            assert_eq!(world.account(&renamed, session, &mut last), None);
            assert_eq!(world.account(&who, session, &mut last), Some(id));
        }
    }

    #[tokio::test]
    async fn who_shows_a_session_needs_no_search_for_the_name() {
        let (world, who, mut last) = (World::new().await, identity("7"), LastAccount::default());
        let id = world.known().await.account.id;
        world.standings.ids.clear();
        assert_eq!(world.account(&who, None, &mut last), None);
        assert_eq!(world.account(&who, Some(id), &mut last), Some(id));
    }

    #[tokio::test]
    async fn what_one_gateway_has_found_is_not_at_hand_at_another() {
        let (mut world, who, mut last) = (World::with_sessions().await, identity("7"), LastAccount::default());
        let mut last_session = LastSession::default();
        assert!(world.account(&who, None, &mut last).is_some() && world.session(DIGEST, &mut last_session).is_some());
        world.standings = world.others().await;
        assert_eq!((world.account(&who, None, &mut last), world.session(DIGEST, &mut last_session)), (None, None));
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
