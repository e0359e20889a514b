//! Whatever went wrong, in words that give nothing away.

use maud::Markup;

use crate::Frame;

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
    view.frame.stub("Something went wrong")
}
