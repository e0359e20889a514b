//! What every page has around it.

use maud::{DOCTYPE, Markup, html};

use crate::Accent;

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

/// Which part of a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// The page shown; the first is 1.
    pub page: u64,
    /// How many pages there are; at least 1.
    pub pages: u64,
    /// How many rows there are on all pages.
    pub total: u64,
}

impl Frame<'_> {
    pub(crate) fn stub(&self, title: &str) -> Markup {
        html! { (DOCTYPE) html lang="en" { head { title { (title) " · " (self.site) } } body { main { h1 { (title) } } } } }
    }
}
