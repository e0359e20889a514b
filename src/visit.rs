//! One request, and what can be found out about its visitor: identity, account, requirement, session.

use std::sync::Arc;

use http::HeaderValue;

use crate::config::Site;
use crate::entropy;
use crate::gateway::{Dashboard, Gateway};
use crate::identity::client::Client;
use crate::identity::credentials::{Credentials, LastBinding};
use crate::identity::probe::Freshness;
use crate::identity::{Identity, Unknown, Verdict};
use crate::listener::framing::Host;
use crate::memory::Memory;
use crate::message::RequestHead;
use crate::proxy::headers::Stripped;
use crate::second_factor::Timestamp;
use crate::second_factor::account::{Account, AccountId, Requirement};
use crate::second_factor::event::{Actor, EventKind, Occasion};
use crate::second_factor::policy::{Decision, Passage, Standing, decide};
use crate::second_factor::session::{
    Binding, BindingCheck, Kind, Limits, Mismatch, PendingSession, Presented, Proof, SessionToken, TokenDigest,
    VerifiedSession,
};
use crate::session_cookie;
use crate::site;
use crate::standing::Known;
use crate::store::StoreError;
use crate::telemetry::RequestId;
use crate::upstream::Pool;

/// One request on its way through the gateway.
pub struct Visit<'a> {
    /// What is shared by all requests.
    pub gateway: &'a Gateway,
    /// The dashboard it is for.
    pub dashboard: &'a Dashboard,
    /// This worker's connections to it.
    pub pool: &'a Pool,
    /// Its head, without Vestibule's own cookie and what only the gateway may set. What is forwarded is taken from it.
    pub head: Stripped<&'a mut RequestHead>,
    /// The host it is for.
    pub host: &'a Host,
    /// The client it comes from.
    pub client: &'a Client,
    /// What is remembered of its visitor.
    pub memory: &'a Memory,
    /// The session that its cookie claims.
    pub presented: Option<Presented>,
    /// What it is called in the log.
    pub id: RequestId,
    /// When it came; of a form, when all of it had.
    pub now: Timestamp,
    /// How many answers had come by then that may have changed for whom a login stands.
    pub turns: u64,
}

/// What is known of a visitor.
pub enum Seen {
    /// Nobody is logged in at the dashboard.
    Nobody,
    /// It is not known who is.
    Unsaid(Unknown),
    /// This is who it is.
    Somebody(Box<Visitor>),
}

/// A visitor whose first factor is known.
pub struct Visitor {
    /// The account and its organization.
    pub known: Arc<Known>,
    /// What the organization asks of its users, at this site.
    pub requirement: Requirement,
    /// What the site's source just said; `None` where a navigation can't carry the credential.
    pub identity: Option<Arc<Identity>>,
    /// Their verified session.
    pub session: Option<VerifiedSession>,
    /// What the request shows of the credential that sessions are bound to.
    pub binding: BindingCheck,
    limits: Limits,
    now: Timestamp,
}

impl Visitor {
    /// What is to be done with a request of theirs for a protected path.
    pub fn decide(&self) -> Decision {
        let account = &self.known.account;
        let prove = |s| VerifiedSession::prove(s, account.id, self.binding, self.limits, self.now).ok();
        let proof = self.session.as_ref().and_then(prove);
        decide(&Standing::Known { requirement: self.requirement, account, proof })
    }

    /// Whether the dashboard marks them as an administrator: by its answer to this request or, where the request can't
    /// carry a credential to ask with, by the site's list of names alone.
    pub fn is_marked_admin(&self, site: &Site) -> bool {
        let account = &self.known.account;
        match &self.identity {
            Some(identity) => identity.admin,
            None => site.identity.admin.names(&account.key.user, account.email.as_deref()),
        }
    }

    /// Who they are, for the audit log.
    pub fn actor(&self) -> Actor {
        Actor::Account(self.known.account.id)
    }
}

/// A visitor of whom all that there is to know is in memory, for as long as that is looked at.
struct AtHand<'a> {
    identity: &'a Arc<Identity>,
    known: &'a Arc<Known>,
    binding: BindingCheck,
    /// Their verified session.
    proof: Option<Proof<'a>>,
}

/// A pending session, and the cookie to set if it was opened just now.
pub struct Waiting {
    /// The session.
    pub session: PendingSession,
    /// Its cookie, if the browser does not have it yet.
    pub cookie: Option<HeaderValue>,
}

/// For which part of the site a visitor is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The dashboard's: what carries no credential is nobody's.
    Dashboard,
    /// The gateway's own pages, and paths that no credential is carried to: at a site whose login lives in a header, a
    /// request without it stands for the session it names.
    OwnPages,
}

impl Visit<'_> {
    /// The target of the request: path and query as sent.
    pub fn target(&self) -> &str {
        site::target(&self.head)
    }

    /// Where the visitor wanted to go: the target, or for a form of ours the page that it stands on.
    pub fn destination(&self) -> String {
        let page = self.own_page();
        let form = if self.head.method.is_safe() { None } else { page.split_once('/') };
        match form {
            Some(("settings", rest)) if rest.starts_with("security/") => self.own("settings/security"),
            Some((page, _)) => self.own(page),
            None => self.target().to_owned(),
        }
    }

    /// Where the query's `next` leads: only ever a path on this site.
    pub fn next(&self) -> String {
        let mut asked = form_urlencoded::parse(self.query().as_bytes()).filter(|(name, _)| name == "next");
        let first = asked.next().filter(|_| asked.next().is_none());
        self.safe_next(first.as_ref().map(|(_, next)| next.as_ref()))
    }

    /// That address if it is a path on this site, else the front page.
    pub fn safe_next(&self, asked: Option<&str>) -> String {
        asked.map_or("/", |asked| site::safe_next(&self.dashboard.site, asked)).to_owned()
    }

    /// The query of the request; empty without one.
    pub fn query(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }

    /// Which of the gateway's own pages is asked for: its path below the prefix; empty if it is none of them.
    pub fn own_page(&self) -> &str {
        let below = self.head.uri.path().strip_prefix(&*self.dashboard.site.prefix);
        below.and_then(|below| below.strip_prefix('/')).unwrap_or_default()
    }

    /// The address of one of the gateway's own pages.
    pub fn own(&self, page: &str) -> String {
        format!("{}/{page}", self.dashboard.site.prefix)
    }

    /// What the request carries of the dashboard's credentials.
    pub fn credentials(&self) -> Credentials {
        self.memory.credentials(&self.dashboard.site, &self.head, self.client, self.host.name())
    }

    /// Who, when and from where, for the audit log.
    pub fn occasion(&self, actor: Actor) -> Occasion {
        Occasion { at: self.now, actor, address: self.client.address, request: Some(self.id.to_string()) }
    }

    /// Finds out who the visitor is. A session that the dashboard's word contradicts is ended on the way.
    pub async fn look(
        &self,
        credentials: &Credentials,
        place: Place,
        freshness: Freshness,
    ) -> Result<Seen, StoreError> {
        match self.dashboard.source.identify(credentials, &self.head, self.client, self.pool, freshness).await {
            Verdict::Identified(identity) => {
                let visitor = match self.visitor_at_hand(credentials, Some(&identity)) {
                    Some(visitor) => visitor,
                    None => Box::new(Box::pin(self.somebody(identity, credentials)).await?),
                };
                Ok(Seen::Somebody(visitor))
            }
            Verdict::Anonymous => {
                Box::pin(self.end_presented()).await?;
                Ok(Seen::Nobody)
            }
            Verdict::NotCarried => match place {
                Place::Dashboard => Ok(Seen::Nobody),
                Place::OwnPages => Box::pin(self.by_session()).await,
            },
            Verdict::Unknown(unknown) => Ok(Seen::Unsaid(unknown)),
        }
    }

    /// The passage of somebody who has one by what is in memory when the request comes. Nearly everybody does: no visitor is
    /// made for it.
    pub fn passage_at_hand(&self, credentials: &Credentials) -> Option<Passage> {
        let passage = self.at_hand(credentials, None, self.now, |AtHand { known, proof, .. }| {
            let requirement = self.requirement(known);
            let decision = decide(&Standing::Known { requirement, account: &known.account, proof });
            self.trace(known, proof.map(Proof::session), &decision);
            match decision {
                Decision::Pass(passage) => Some(passage),
                Decision::Challenge | Decision::Enroll => None,
            }
        });
        passage.flatten()
    }

    /// Tells the log what was decided.
    pub fn trace(&self, known: &Known, session: Option<&VerifiedSession>, decision: &Decision) {
        let account = &known.account;
        tracing::trace!(
            request = %self.id, account = account.id.0, factor = ?account.factor,
            requirement = self.requirement(known).as_str(), session = session.map(|s| s.id.0), ?decision, "decided"
        );
    }

    /// A visitor of whom all is in memory now.
    fn visitor_at_hand(&self, credentials: &Credentials, said: Option<&Arc<Identity>>) -> Option<Box<Visitor>> {
        let now = self.gateway.clock.now();
        self.at_hand(credentials, said, now, |AtHand { identity, known, binding, proof }| {
            let session = proof.map(|proof| proof.session().clone());
            Box::new(self.visitor(Arc::clone(known), Some(Arc::clone(identity)), session, binding))
        })
    }

    /// Looks at somebody of whom all that there is to know is in memory at this moment, and whose session is proof if they
    /// show one. `said` is what the source just said; `None` asks for its last word. What was found for the visitor's last
    /// request is not searched for, but for a name where no session is shown.
    fn at_hand<T>(
        &self,
        credentials: &Credentials,
        said: Option<&Arc<Identity>>,
        now: Timestamp,
        look: impl FnOnce(AtHand<'_>) -> T,
    ) -> Option<T> {
        let (Gateway { standings, keys, .. }, Dashboard { site, source, .. }) = (self.gateway, self.dashboard);
        self.memory.with_found(|last| {
            let identity = match said {
                Some(said) => said,
                None => source.cached(credentials, &mut last.answer, now)?,
            };
            let session = match self.verified_digest() {
                Some(digest) => Some(standings.session_at_hand(digest, &mut last.session, now)?),
                None => None,
            };
            let account = session.as_ref().map(|session| session.account);
            let known = standings.account_at_hand((site, identity), account, &mut last.account, now)?;
            let binding = credentials.binding_check(keys.digests(), &mut last.binding);
            let proof = match &session {
                Some(session) => {
                    let proof = session.prove(known.account.id, binding, self.gateway.config.session, self.now).ok()?;
                    standings.touch(session, self.now);
                    Some(proof)
                }
                None => None,
            };
            Some(look(AtHand { identity, known, binding, proof }))
        })
    }

    /// The same of anybody, by what the store has where it is not in memory. A session that is no proof is ended.
    async fn somebody(&self, identity: Arc<Identity>, credentials: &Credentials) -> Result<Visitor, StoreError> {
        let binding = credentials.binding_check(self.gateway.keys.digests(), &mut LastBinding::default());
        let known = self.gateway.standings.of_identity(&self.dashboard.site, &identity).await?;
        let session = self.session_of(&known, binding).await?;
        Ok(self.visitor(known, Some(identity), session, binding))
    }

    /// What is to be done with the visitor's request: nobody is stopped on the strength of what is remembered.
    pub async fn decide(&self, visitor: Box<Visitor>) -> Result<(Box<Visitor>, Decision), StoreError> {
        match visitor.decide() {
            passed @ Decision::Pass(_) => Ok((visitor, passed)),
            Decision::Challenge | Decision::Enroll => {
                // Boxed: those who pass would carry the room for it along.
                let visitor = Box::pin(self.made_sure(visitor)).await?;
                let decision = visitor.decide();
                Ok((visitor, decision))
            }
        }
    }

    /// The same visitor by what the store has now. Whoever is about to be stopped may have enrolled or given a code at
    /// another gateway a moment ago, of which this one has not heard: two that go by different memories would send a
    /// browser from one to the other and back.
    pub async fn made_sure(&self, visitor: Box<Visitor>) -> Result<Box<Visitor>, StoreError> {
        let standings = &self.gateway.standings;
        let account = visitor.known.account.id;
        standings.forget(account, self.verified_digest());
        let Some(known) = standings.of_account(account).await? else { return Ok(visitor) };
        let session = self.session_of(&known, visitor.binding).await?;
        Ok(Box::new(self.visitor(known, visitor.identity, session, visitor.binding)))
    }

    /// Who stands behind the session that a request without credentials names.
    async fn by_session(&self) -> Result<Seen, StoreError> {
        let Some(presented) = self.presented else { return Ok(Seen::Nobody) };
        let account = match presented.kind {
            Kind::Verified => self.gateway.standings.session(presented.digest).await?.map(|s| s.account),
            Kind::Pending => self.live_pending(presented).await?.map(|s| s.account),
        };
        let Some(account) = account else { return Ok(Seen::Nobody) };
        let Some(known) = self.gateway.standings.of_account(account).await? else { return Ok(Seen::Nobody) };
        if known.organization.realm != self.dashboard.site.realm {
            // A session of another dashboard's user: whom this one's rules name is somebody else.
            return Ok(Seen::Nobody);
        }
        let binding = BindingCheck::NotCarried;
        let session = self.session_of(&known, binding).await?;
        Ok(match (presented.kind, &session) {
            (Kind::Verified, None) => Seen::Nobody,
            _ => Seen::Somebody(Box::new(self.visitor(known, None, session, binding))),
        })
    }

    fn visitor(
        &self,
        known: Arc<Known>,
        identity: Option<Arc<Identity>>,
        session: Option<VerifiedSession>,
        binding: BindingCheck,
    ) -> Visitor {
        let requirement = self.requirement(&known);
        Visitor { known, requirement, identity, session, binding, limits: self.gateway.config.session, now: self.now }
    }

    fn requirement(&self, known: &Known) -> Requirement {
        self.dashboard.site.organization.requirement(known.organization.requirement)
    }

    /// The presented session, if it is proof for this account. One that is not is ended.
    async fn session_of(&self, known: &Known, binding: BindingCheck) -> Result<Option<VerifiedSession>, StoreError> {
        let Some(presented) = self.presented.filter(|p| p.kind == Kind::Verified) else { return Ok(None) };
        let Some(session) = self.gateway.standings.session(presented.digest).await? else { return Ok(None) };
        let mismatch = session.prove(known.account.id, binding, self.gateway.config.session, self.now).err();
        match mismatch {
            None => {
                self.gateway.standings.touch(&session, self.now);
                Ok(Some(session))
            }
            Some(mismatch) => {
                let logged = match mismatch {
                    Mismatch::SomebodyElse | Mismatch::AnotherLogin => Some(EventKind::LoggedOut),
                    Mismatch::Expired => None,
                };
                Box::pin(self.end(presented, logged, session.account)).await?;
                Ok(None)
            }
        }
    }

    /// Under which digest the verified session would be found that the request's cookie claims.
    fn verified_digest(&self) -> Option<TokenDigest> {
        self.presented.filter(|presented| presented.kind == Kind::Verified).map(|presented| presented.digest)
    }

    /// Ends the session that the request's cookie names: the dashboard's login that it belonged to is over.
    pub async fn end_presented(&self) -> Result<(), StoreError> {
        let Some(presented) = self.presented else { return Ok(()) };
        let account = match presented.kind {
            Kind::Verified => self.gateway.standings.session(presented.digest).await?.map(|s| s.account),
            Kind::Pending => self.gateway.store.pending_session(presented.digest).await?.map(|s| s.account),
        };
        match account {
            Some(account) => self.end(presented, Some(EventKind::LoggedOut), account).await,
            None => Ok(()),
        }
    }

    /// Tells the log what was done to an account, and has this process forget what that made out of date.
    pub async fn done(&self, kind: EventKind, account: &Account) -> Result<(), StoreError> {
        self.tell(kind, account);
        self.gateway.standings.catch_up().await
    }

    /// Tells the log what happened to an account. What users are called may hold anything, so it is quoted.
    pub fn tell(&self, kind: EventKind, account: &Account) {
        let (user, organization) = (&account.key.user, &account.key.organization);
        let address = self.client.address.map(tracing::field::display);
        tracing::info!(event = kind.as_str(), account = account.id.0, ?user, ?organization, address, request = %self.id);
    }

    /// Ends a session of that account. `logged` is what the logs say of it; `None` where it simply ran out.
    async fn end(&self, presented: Presented, logged: Option<EventKind>, account: AccountId) -> Result<(), StoreError> {
        let occasion = self.occasion(Actor::Account(account));
        let ended = self.gateway.store.end_session(presented.digest, logged, occasion).await?;
        if let Some(kind) = logged.filter(|_| ended && presented.kind == Kind::Verified) {
            tracing::info!(event = kind.as_str(), account = account.0, request = %self.id);
        }
        self.gateway.standings.catch_up().await
    }

    async fn live_pending(&self, presented: Presented) -> Result<Option<PendingSession>, StoreError> {
        if presented.kind != Kind::Pending {
            return Ok(None);
        }
        let session = self.gateway.store.pending_session(presented.digest).await?;
        Ok(session.filter(|s| s.is_live(self.now)))
    }

    /// The visitor's pending session, if the request names one that is live and theirs.
    pub async fn pending(&self, visitor: &Visitor) -> Result<Option<PendingSession>, StoreError> {
        let Some(presented) = self.presented else { return Ok(None) };
        let session = self.live_pending(presented).await?;
        let theirs = |s: &PendingSession| s.account == visitor.known.account.id && visitor.binding.accepts(s.binding);
        Ok(session.filter(theirs))
    }

    /// The visitor's pending session, opened if there is none.
    pub async fn wait(&self, visitor: &Visitor) -> Result<Waiting, StoreError> {
        if let Some(session) = self.pending(visitor).await? {
            return Ok(Waiting { session, cookie: None });
        }
        let token = SessionToken::new(Kind::Pending, entropy::random());
        let session = PendingSession {
            digest: token.digest(),
            account: visitor.known.account.id,
            binding: carried(visitor.binding),
            opened: self.now,
        };
        self.gateway.store.open_pending(session.clone(), self.client.address).await?;
        Ok(Waiting { session, cookie: Some(session_cookie::set(&token, self.client.scheme)) })
    }
}

/// The credential that a session opened by this request is bound to.
pub fn carried(check: BindingCheck) -> Option<Binding> {
    match check {
        BindingCheck::Carried(binding) => binding,
        BindingCheck::Unbound | BindingCheck::NotCarried => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http::Request;
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::config::{Config, Credential};
    use crate::identity::client::{Peer, Scheme};
    use crate::proxy::headers::strip;
    use crate::second_factor::account::AccountKey;
    use crate::site::sample;
    use crate::store::Sighting;
    use crate::telemetry::RequestIds;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    /// A gateway before sites of these realms, whose logins all live in a header field.
    async fn gateway(realms: &[&str], folder: &Path) -> Gateway {
        let site = |realm: &&str| {
            let credentials = vec![Credential::Header(AUTHORIZATION)];
            Arc::new(Site { realm: (*realm).into(), credentials, ..sample::site() })
        };
        let config = Config { sites: realms.iter().map(site).collect(), ..sample::config() };
        Gateway::in_folder(config, folder, NOW).await
    }

    /// Whether the gateway's own pages of a site know who stands behind a session when nothing else says so.
    async fn is_known(gateway: &Gateway, dashboard: &Dashboard, presented: Presented) -> bool {
        let head = Request::get("/_2fa/profile").body(()).expect("a request").into_parts().0;
        let mut head = RequestHead::from(head);
        let client =
            Client { address: None, scheme: Scheme::Https, peer: Peer::Unix, trusted: false, outer_login: false };
        let visit = Visit {
            gateway,
            dashboard,
            pool: &Pool::new(&dashboard.site.upstream).expect("an address"),
            head: strip(&mut head, &dashboard.site, &client),
            host: &Host::parse((&HeaderValue::from_static("insights.example")).into()).expect("a host"),
            client: &client,
            memory: &Memory::default(),
            presented: Some(presented),
            id: RequestIds::default().next(),
            now: NOW,
            turns: 0,
        };
        let seen =
            visit.look(&visit.credentials(), Place::OwnPages, Freshness::Cached).await.expect("the store answers");
        matches!(seen, Seen::Somebody(_))
    }

    #[tokio::test]
    async fn a_session_of_another_dashboards_user_stands_for_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let gateway = gateway(&["ours", "theirs"], folder.path()).await;
        let store = &gateway.store;
        let key = AccountKey { realm: "ours".into(), organization: "acme".into(), user: "7".into() };
        let sighting = Sighting { key, email: None, name: None, initial: Requirement::Optional, at: NOW };
        let (account, _) = store.sight(sighting).await.expect("an account");
        let token = SessionToken::new(Kind::Pending, [1; 32]);
        let digest = token.digest();
        let session = PendingSession { digest, account: account.id, binding: None, opened: NOW };
        store.open_pending(session, None).await.expect("opened");

        let presented = Presented { kind: Kind::Pending, digest };
        assert!(is_known(&gateway, &gateway.dashboards[0], presented).await);
        assert!(!is_known(&gateway, &gateway.dashboards[1], presented).await);
    }
}
