//! *Limited access*: what somebody sees who may not administer.

use maud::{Markup, html};

use crate::Frame;
use crate::frame::{Layout, Page, Place};
use crate::icon::{Icon, icon};
use crate::outside::local;

/// The *Limited access* popup, with status 403, for administrators' pages and actions.
#[derive(Debug, Clone, Copy)]
pub struct LimitedAccess<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// What is missing.
    pub limitation: Limitation,
}

/// Why somebody may not administer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limitation {
    /// They are no administrator of this organization.
    NotAnAdministrator,
    /// They are, but have no second factor of their own.
    SecondFactorMissing,
    /// They are, but came in with a recovery code.
    SignedInWithRecoveryCode,
}

/// The *Limited access* popup.
pub fn limited_access(view: &LimitedAccess<'_>) -> Markup {
    let LimitedAccess { frame, limitation } = *view;
    let dashboard = local(frame.dashboard);
    let body = html! {
        div.curtain {
            dialog.dialog open role="alertdialog" aria-modal="true" aria-labelledby="dialog-title" aria-describedby="dialog-text"
                data-cancel=(dashboard) {
                span.dialog-icon { (icon(Icon::Lock)) }
                h1 #dialog-title { "Limited access" }
                p #dialog-text { (text(limitation)) }
                div.dialog-actions {
                    @match limitation {
                        Limitation::NotAnAdministrator => {}
                        Limitation::SecondFactorMissing => { a.button href=(frame.at("profile")) { "Set it up" } }
                        Limitation::SignedInWithRecoveryCode => { a.button href=(frame.at("profile")) { "Replace it" } }
                    }
                    a.button.primary href=(dashboard) autofocus { "Back to the dashboard" }
                }
            }
        }
    };
    frame.page(&Page { title: "Limited access", layout: Layout::Covered, place: Place::Outside, body })
}

const fn text(limitation: Limitation) -> &'static str {
    match limitation {
        Limitation::NotAnAdministrator => {
            "This part is for administrators of your organization. If you need something from here, please ask one of them."
        }
        Limitation::SecondFactorMissing => {
            "This part is for administrators who use 2-factor authentication themselves. Set it up in your profile, then \
             come back."
        }
        Limitation::SignedInWithRecoveryCode => {
            "You logged in with a recovery code, which is not enough here. Replace your authenticator in your profile, \
             then come back."
        }
    }
}
