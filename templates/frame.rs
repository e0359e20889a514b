//! What every page has around it.

use maud::{DOCTYPE, Markup, html};

use crate::Accent;
use crate::assets::{self, script, stylesheet};
use crate::icon::{Icon, icon};
use crate::outside::{local, shown};

/// What all pages of a site share, and who is looking.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The name of the site: the product people believe they are using.
    pub site: &'a str,
    /// Its logo: a path on the same origin. Shown 32 pixels high.
    pub logo: Option<&'a str>,
    /// Its color; `None` for the gateway's own.
    pub accent: Option<&'a Accent>,
    /// What all addresses of the gateway begin with, without a slash at the end: `/_2fa`.
    pub prefix: &'a str,
    /// Where the assets are, without a slash at the end: `/_2fa/assets`.
    pub assets: &'a str,
    /// Where the dashboard is: `/`.
    pub dashboard: &'a str,
    /// Who is logged in at the dashboard, if that is known.
    pub person: Option<Person<'a>>,
    /// Which of the gateway's pages the person may go to.
    pub navigation: Navigation,
}

/// Who is logged in at the dashboard.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// What people call them: display name, else e-mail address, else user id.
    pub name: &'a str,
    /// Their organization, where the site has several.
    pub organization: Option<&'a str>,
}

/// Which of the gateway's pages a person may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Navigation {
    /// None: nobody is known, or the second factor is still to be given.
    Hidden,
    /// The profile.
    Profile,
    /// The profile and the organization's settings: an administrator.
    ProfileAndSettings,
}

/// One page, to be put into the frame.
pub(crate) struct Page<'a> {
    /// What it is called, in the title.
    pub title: &'a str,
    /// How it is laid out.
    pub layout: Layout,
    /// Where in the navigation it is.
    pub place: Place,
    /// What is on it: the one `h1` too.
    pub body: Markup,
}

/// How a page is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One card in the middle, and nothing to distract.
    Card,
    /// A wider card, for what takes several steps.
    Steps,
    /// A page with the navigation above.
    Full,
    /// A page that a dialog covers: what is under it can't be reached.
    Covered,
}

/// Where in the navigation a page is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere.
    Outside,
    /// Under the profile.
    Profile,
    /// Under the settings.
    Settings,
}

impl Frame<'_> {
    /// The whole document.
    pub(crate) fn page(&self, page: &Page<'_>) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (self.head(page.title))
                body class=(page.layout.class()) {
                    @if page.layout == Layout::Full { a.skip href="#content" { "Skip to content" } }
                    (self.header(page))
                    main #content { (page.body) }
                    @if matches!(page.layout, Layout::Card | Layout::Steps) { (self.footer()) }
                }
            }
        }
    }

    fn head(&self, title: &str) -> Markup {
        html! {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · " (shown(self.site)) }
                link rel="icon" type="image/svg+xml" href=(self.asset(assets::icon()));
                link rel="stylesheet" href=(self.asset(stylesheet()));
                @if let Some(accent) = self.accent { link rel="stylesheet" href=(self.asset(accent.name())); }
                script src=(self.asset(script())) defer {}
            }
        }
    }

    fn header(&self, page: &Page<'_>) -> Markup {
        let full = matches!(page.layout, Layout::Full | Layout::Covered);
        html! {
            header.top inert[page.layout == Layout::Covered] {
                div.top-row {
                    (self.brand())
                    @if full {
                        @if self.navigation != Navigation::Hidden { (self.navigation(page.place)) }
                        (self.who())
                    }
                }
            }
        }
    }

    fn brand(&self) -> Markup {
        html! {
            p.brand {
                @if let Some(logo) = self.logo {
                    img.logo src=(local(logo)) alt="" height="32";
                } @else {
                    span.mark { (icon(Icon::Door)) }
                }
                bdi { (shown(self.site)) }
            }
        }
    }

    fn navigation(&self, place: Place) -> Markup {
        let current = |of: Place| (place == of).then_some("page");
        html! {
            nav.sections aria-label="Main" {
                ul {
                    li { a href=(local(self.dashboard)) { (icon(Icon::ArrowLeft)) "Dashboard" } }
                    li { a href=(self.at("profile")) aria-current=[current(Place::Profile)] { "Profile" } }
                    @if self.navigation == Navigation::ProfileAndSettings {
                        li { a href=(self.at("settings")) aria-current=[current(Place::Settings)] { "Settings" } }
                    }
                }
            }
        }
    }

    /// Who is logged in, and the way out.
    fn who(&self) -> Markup {
        let Some(person) = self.person else { return Markup::default() };
        html! {
            div.who {
                p {
                    bdi { (shown(person.name)) }
                    @if let Some(organization) = person.organization { " " bdi.quiet { (shown(organization)) } }
                }
                (self.log_out())
            }
        }
    }

    fn footer(&self) -> Markup {
        let Some(person) = self.person else { return Markup::default() };
        html! {
            footer.under {
                p {
                    "Logged in as " bdi { strong { (shown(person.name)) } }
                    @if let Some(organization) = person.organization { ", " bdi { (shown(organization)) } }
                }
                (self.log_out())
            }
        }
    }

    fn log_out(&self) -> Markup {
        html! {
            form method="post" action=(self.at("logout")) { button.link type="submit" { "Log out" } }
        }
    }

    /// The address of one of the gateway's own pages.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    fn asset(&self, name: &str) -> String {
        format!("{}/{name}", self.assets)
    }
}

impl Layout {
    const fn class(self) -> &'static str {
        match self {
            Self::Card => "card-page",
            Self::Steps => "steps-page",
            Self::Full => "full-page",
            Self::Covered => "full-page covered",
        }
    }
}
