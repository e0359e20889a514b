//! The gateway's own pages: read the form, ask the rules, pick a view. Every route is on this screen.

pub mod appearance;
pub mod stop;

mod audit;
mod challenge;
mod code;
mod enrollment;
pub(crate) mod form;
mod logout;
mod notice;
mod office;
mod profile;
mod recovery;
mod security;
mod settings;
mod status;
mod ticket;
mod ticket_office;
mod view;

use http::Method;

use crate::body::Body;
use crate::failure::Failure;
use crate::identity::probe::Freshness;
use crate::key_file::KeyError;
use crate::listener::Incoming;
use crate::message::Response;
use crate::second_factor::policy::{Decision, Passage};
use crate::store::StoreError;
use crate::visit::{Place, Seen, Visit, Visitor};

/// Answers a request for one of the gateway's own pages.
pub async fn answer(visit: &mut Visit<'_>, body: Incoming) -> Result<Response<Body>, Failure> {
    match route(visit, body).await {
        Ok(response) => Ok(response),
        Err(Halt::Answer(response)) => Ok(*response),
        Err(Halt::Failure(failure)) => Err(failure),
    }
}

async fn route(visit: &mut Visit<'_>, body: Incoming) -> Handled {
    let page = &*visit.own_page().to_owned();
    if let Some(name) = page.strip_prefix("assets/") {
        only(visit, &[Method::GET, Method::HEAD], "GET, HEAD")?;
        return visit.dashboard.appearance.asset(name).ok_or(Halt::Failure(Failure::NotFound));
    }
    let both = ["verify", "enroll", "recover"].contains(&page);
    let shown = ["profile", "settings", "settings/security", "settings/audit", "status"].contains(&page);
    match visit.head.method {
        Method::GET | Method::HEAD if both || shown => show(visit, page).await,
        Method::POST if !shown => take(visit, page, body).await,
        _ if both => Err(Failure::MethodNotAllowed { allow: "GET, HEAD, POST" }.into()),
        _ if shown => Err(Failure::MethodNotAllowed { allow: "GET, HEAD" }.into()),
        _ if is_form(page) => Err(Failure::MethodNotAllowed { allow: "POST" }.into()),
        _ => Err(Failure::NotFound.into()),
    }
}

async fn show(visit: &Visit<'_>, page: &str) -> Handled {
    match page {
        "verify" => challenge::show(visit).await,
        "enroll" => enrollment::show(visit).await,
        "recover" => recovery::show(visit).await,
        "profile" => profile::show(visit).await,
        "settings" => settings::show(visit).await,
        "settings/security" => security::show(visit).await,
        "settings/audit" => audit::show(visit).await,
        "status" => status::show(visit).await,
        _ => Err(Failure::NotFound.into()),
    }
}

const FORMS: [&str; 12] = [
    "verify",
    "enroll",
    "recover",
    "logout",
    "profile/enable",
    "profile/disable",
    "profile/replace",
    "profile/recovery-codes",
    "profile/sessions/end",
    "settings/requirement",
    "settings/security/reset",
    "settings/security/ticket",
];

fn is_form(page: &str) -> bool {
    FORMS.contains(&page)
}

async fn take(visit: &mut Visit<'_>, page: &str, body: Incoming) -> Handled {
    if !is_form(page) {
        return Err(Failure::NotFound.into());
    }
    let form = form::read(visit, body).await?;
    // A form may take its time to come, and no code is good for longer because it came slowly.
    visit.now = visit.gateway.clock.now();
    let visit = &*visit;
    match page {
        "verify" => challenge::take(visit, &form).await,
        "enroll" => enrollment::take(visit, &form).await,
        "recover" => recovery::take(visit, &form).await,
        "logout" => logout::take(visit).await,
        "profile/enable" => profile::enable(visit).await,
        "profile/disable" => profile::disable(visit, &form).await,
        "profile/replace" => profile::replace(visit, &form).await,
        "profile/recovery-codes" => profile::regenerate(visit, &form).await,
        "profile/sessions/end" => profile::end_session(visit, &form).await,
        "settings/requirement" => settings::take(visit, &form).await,
        "settings/security/reset" => security::reset(visit, &form).await,
        "settings/security/ticket" => ticket_office::issue(visit, &form).await,
        _ => Err(Failure::NotFound.into()),
    }
}

fn only(visit: &Visit<'_>, methods: &[Method], allow: &'static str) -> Result<(), Halt> {
    if methods.contains(&visit.head.method) { Ok(()) } else { Err(Failure::MethodNotAllowed { allow }.into()) }
}

/// What a page's handler returns.
type Handled = Result<Response<Body>, Halt>;

/// Why a handler does not get to its end.
enum Halt {
    /// The visitor gets another answer first: to log in, to give a code.
    Answer(Box<Response<Body>>),
    /// Something is wrong.
    Failure(Failure),
}

impl Halt {
    fn answer(response: Response<Body>) -> Self {
        Self::Answer(Box::new(response))
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<KeyError> for Halt {
    fn from(error: KeyError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// The visitor, or the way to the dashboard's login.
async fn visitor(visit: &Visit<'_>, freshness: Freshness) -> Result<Box<Visitor>, Halt> {
    match visit.look(&visit.credentials(), Place::OwnPages, freshness).await? {
        Seen::Somebody(visitor) if may_send_on(visit, &visitor) => Ok(visit.made_sure(visitor).await?),
        Seen::Somebody(visitor) => Ok(visitor),
        Seen::Nobody => Err(Halt::answer(stop::log_in(visit)?)),
        Seen::Unsaid(unknown) => Err(Failure::IdentityUnknown(unknown).into()),
    }
}

/// Whether the page asked for is one of those that send visitors on, to each other too, and may do so with this one.
fn may_send_on(visit: &Visit<'_>, visitor: &Visitor) -> bool {
    match visit.own_page() {
        "verify" => !matches!(visitor.decide(), Decision::Challenge),
        "enroll" => true,
        _ => false,
    }
}

/// The visitor and their passage, or the way to get one.
async fn passenger(visit: &Visit<'_>, freshness: Freshness) -> Result<(Box<Visitor>, Passage), Halt> {
    let (visitor, decision) = visit.decide(visitor(visit, freshness).await?).await?;
    match decision {
        Decision::Pass(passage) => Ok((visitor, passage)),
        Decision::Challenge => Err(Halt::answer(stop::challenge(visit, &visitor).await?)),
        Decision::Enroll => Err(Halt::answer(stop::enroll(visit, &visitor).await?)),
    }
}
