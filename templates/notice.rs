//! Notices: what just happened, above everything else.

use maud::{Markup, html};

use crate::icon::{Icon, icon};

/// A success at the top of the page, said by screen readers when they come to it. `clean` is the page without it.
pub(crate) fn snackbar(text: &Markup, clean: &str) -> Markup {
    html! {
        div.snackbar role="status" data-snackbar {
            (icon(Icon::Check))
            p { (text) }
            a.icon-button href=(clean) aria-label="Dismiss" data-dismiss { (icon(Icon::Close)) }
        }
    }
}

/// Something that went wrong, said by screen readers at once.
pub(crate) fn alert(id: &str, title: &str, body: &Markup) -> Markup {
    html! {
        div.notice.bad role="alert" id=(id) {
            (icon(Icon::Alert))
            div { p.notice-title { (title) } (body) }
        }
    }
}

/// Something to know before it hurts.
pub(crate) fn warning(title: &str, body: &Markup) -> Markup {
    html! {
        div.notice.warn {
            (icon(Icon::Alert))
            div { p.notice-title { (title) } (body) }
        }
    }
}
