//! Every page in every state, with made-up people: for the gallery, the snapshots and the accessibility checks.

mod accounts;
mod codes;
mod troubles;

use crate::{Accent, Frame, Markup, Moment, Navigation, Person};

/// A page in one state.
pub struct Sample {
    /// What names it, in file names too: `challenge-refused`.
    pub slug: &'static str,
    /// The page and its state, in words.
    pub title: &'static str,
    /// The page.
    pub page: Markup,
}

/// Where the samples live and what they load.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Where the assets are, without a slash at the end.
    pub assets: &'a str,
    /// The site's color.
    pub accent: Option<&'a Accent>,
}

impl Default for Setting<'_> {
    /// As the gateway serves them: the assets at `/_2fa/assets`, in the gateway's own color.
    fn default() -> Self {
        Self { assets: "/_2fa/assets", accent: None }
    }
}

/// Every page in every state.
pub fn samples(setting: Setting<'_>) -> Vec<Sample> {
    let frames = Frames::of(setting);
    [codes::samples(&frames), accounts::samples(&frames), troubles::samples(&frames)].into_iter().flatten().collect()
}

/// The same site, seen by four visitors.
struct Frames<'a> {
    /// Nobody known.
    nobody: Frame<'a>,
    /// Logged in at the dashboard, second factor still to be given.
    pending: Frame<'a>,
    /// Verified.
    member: Frame<'a>,
    /// Verified, and an administrator.
    admin: Frame<'a>,
}

impl<'a> Frames<'a> {
    fn of(setting: Setting<'a>) -> Self {
        let nobody = Frame {
            site: "Acme Insights",
            logo: None,
            accent: setting.accent,
            prefix: "/_2fa",
            assets: setting.assets,
            dashboard: "/",
            person: None,
            navigation: Navigation::Hidden,
        };
        let person = Some(Person { name: "Ada Lovelace", organization: Some("Acme Research") });
        Self {
            nobody,
            pending: Frame { person, ..nobody },
            member: Frame { person, navigation: Navigation::Profile, ..nobody },
            admin: Frame { person, navigation: Navigation::ProfileAndSettings, ..nobody },
        }
    }
}

/// When the samples are looked at.
const NOW: Moment = Moment::from_unix(1_795_515_151);

/// Minutes before that.
const fn ago(minutes: i64) -> Moment {
    Moment::from_unix(1_795_515_151 - minutes * 60)
}

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

const fn sample(slug: &'static str, title: &'static str, page: Markup) -> Sample {
    Sample { slug, title, page }
}
