//! The pages under *Settings*: where one is, and where else one can go.

use maud::{Markup, html};

use crate::Frame;
use crate::icon::{Icon, icon};

/// A page under *Settings*.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Organization,
    Security,
    Audit,
}

impl Section {
    const ALL: [Self; 3] = [Self::Organization, Self::Security, Self::Audit];

    const fn path(self) -> &'static str {
        match self {
            Self::Organization => "settings",
            Self::Security => "settings/security",
            Self::Audit => "settings/audit",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Organization => "Organization",
            Self::Security => "2-factor authentication",
            Self::Audit => "Audit log",
        }
    }

    const fn picture(self) -> Icon {
        match self {
            Self::Organization => Icon::Door,
            Self::Security => Icon::Shield,
            Self::Audit => Icon::Clock,
        }
    }
}

/// The page with the sections beside it.
pub(crate) fn beside(frame: &Frame<'_>, here: Section, page: &Markup) -> Markup {
    html! {
        div.with-sections {
            nav.side aria-label="Settings" {
                ul {
                    @for section in Section::ALL {
                        li {
                            a href=(frame.at(section.path())) aria-current=[(section == here).then_some("page")] {
                                (icon(section.picture())) (section.name())
                            }
                        }
                    }
                }
            }
            div { (page) }
        }
    }
}

/// Settings > Security > here.
pub(crate) fn breadcrumb(frame: &Frame<'_>, here: Section) -> Markup {
    html! {
        nav.breadcrumb aria-label="Breadcrumb" {
            ol {
                li { a href=(frame.at("settings")) { "Settings" } }
                @match here {
                    Section::Organization => {}
                    Section::Security | Section::Audit => { li { (icon(Icon::Chevron)) "Security" } }
                }
                li { (icon(Icon::Chevron)) span aria-current="page" { (here.name()) } }
            }
        }
    }
}
