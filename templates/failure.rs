//! Whatever went wrong, in words that give nothing away.

use maud::{Markup, html};

use crate::Frame;
use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::outside::{local, shown};

/// A page that says what went wrong.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The frame; where the site is not known, with the gateway's own name.
    pub frame: &'a Frame<'a>,
    /// What went wrong.
    pub kind: FailureKind<'a>,
    /// The id of the request, as in the gateway's own log.
    pub request: &'a str,
    /// Where "Try again" leads: the path that was asked for, if asking again can help and is safe.
    pub retry: Option<&'a str>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind<'a> {
    /// 400: the request makes no sense.
    BadRequest,
    /// 421: no site answers to that host.
    UnknownHost,
    /// 404: there is no such page.
    NotFound,
    /// 403: nothing showed that the form was sent from this site.
    SentFromElsewhere,
    /// 403: the request came without TLS from another machine.
    HttpsNeeded,
    /// 401: nobody is logged in at the dashboard.
    LoginNeeded {
        /// The dashboard's login page: a path on the site.
        login: Option<&'a str>,
    },
    /// 502 or 503: the dashboard did not say who is logged in.
    IdentityUnknown,
    /// 502: the dashboard can't be reached.
    UpstreamUnreachable,
    /// 504: the dashboard did not answer in time.
    UpstreamTimedOut,
    /// 503: the gateway's own store does not answer.
    StoreUnavailable,
    /// 413: more was sent than is taken.
    TooLarge,
    /// 415: a form of a kind that is not understood.
    UnsupportedMediaType,
    /// 405: not with that method.
    MethodNotAllowed,
    /// 500: the gateway's own fault.
    Internal,
}

/// Says what went wrong, and what to do.
pub fn failure(view: &Failure<'_>) -> Markup {
    let (heading, text) = words(view.kind);
    let login = if let FailureKind::LoginNeeded { login } = view.kind { login } else { None };
    let body = html! {
        div.card {
            span.card-icon { (icon(picture(view.kind))) }
            h1 { (heading) }
            p.lead { (text) }
            @if let Some(login) = login {
                a.button.primary.wide href=(local(login)) { "Log in" }
            }
            @if let Some(retry) = view.retry {
                a.button.wide href=(local(retry)) { "Try again" }
            }
            p.request { "If you ask for help, mention this number: " code { (shown(view.request)) } }
        }
    };
    view.frame.page(&Page { title: heading, layout: Layout::Card, place: Place::Outside, body })
}

const fn picture(kind: FailureKind<'_>) -> Icon {
    match kind {
        FailureKind::LoginNeeded { .. } => Icon::Key,
        FailureKind::UpstreamTimedOut => Icon::Clock,
        FailureKind::NotFound | FailureKind::UnknownHost => Icon::Search,
        FailureKind::SentFromElsewhere | FailureKind::HttpsNeeded | FailureKind::IdentityUnknown => Icon::ShieldOff,
        FailureKind::BadRequest
        | FailureKind::UpstreamUnreachable
        | FailureKind::StoreUnavailable
        | FailureKind::TooLarge
        | FailureKind::UnsupportedMediaType
        | FailureKind::MethodNotAllowed
        | FailureKind::Internal => Icon::Alert,
    }
}

const fn words(kind: FailureKind<'_>) -> (&'static str, &'static str) {
    match kind {
        FailureKind::BadRequest => (
            "That request makes no sense here",
            "The address or the form could not be read. Go back, reload the page and try again.",
        ),
        FailureKind::UnknownHost => (
            "No site at this address",
            "This server is reached, but it has no site of this name. Please check the address.",
        ),
        FailureKind::NotFound => ("There is no such page", "It may have moved, or the address may be mistyped."),
        FailureKind::SentFromElsewhere => (
            "That form was not accepted",
            "It could not be shown that it came from this site, so nothing was done. Go back, reload the page and try again.",
        ),
        FailureKind::HttpsNeeded => (
            "This site needs a secure connection",
            "Your login would cross the network in the clear. Please open the address with https:// instead.",
        ),
        FailureKind::LoginNeeded { .. } => {
            ("Please log in first", "Nobody is logged in at the dashboard in this browser, or the login has ended.")
        }
        FailureKind::IdentityUnknown => (
            "We can't tell who you are",
            "The dashboard did not say who is logged in, so we can't let anybody through right now. Please try again in \
             a moment.",
        ),
        FailureKind::UpstreamUnreachable => (
            "The dashboard can't be reached",
            "The server behind this page does not answer right now. Please try again in a moment.",
        ),
        FailureKind::UpstreamTimedOut => (
            "The dashboard takes too long",
            "The server behind this page did not answer in time. Please try again in a moment.",
        ),
        FailureKind::StoreUnavailable => (
            "We can't check your login right now",
            "Without that check nobody is let through. Nothing was changed. Please try again in a moment.",
        ),
        FailureKind::TooLarge => ("That is too much at once", "More was sent than is accepted here. Nothing was done."),
        FailureKind::UnsupportedMediaType => {
            ("That form could not be read", "It was sent in a format that is not understood here. Nothing was done.")
        }
        FailureKind::MethodNotAllowed => {
            ("That does not work here", "This address can't be used that way. Go back and try from the page itself.")
        }
        FailureKind::Internal => (
            "Something went wrong on our side",
            "It is not your fault, and it was noted. Please try again in a moment.",
        ),
    }
}
