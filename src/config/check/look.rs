//! How a site's own pages look: title, logo, accent color.

use std::path::Path;
use std::sync::Arc;

use super::finding::{Check, Checked, Form};
use super::named_file::{contents, file_path};
use crate::config::problem::Wrong;
use crate::config::{Logo, Look, file};

const BIGGEST_LOGO: usize = 256 * 1024;

impl Check<'_> {
    pub(super) fn look(&mut self, site: &file::Site, issuer: &str) -> Checked<Look> {
        let folder = self.folder;
        let title = self.optional("site.title", site.title.as_ref(), title);
        let logo = self.optional("site.logo", site.logo.as_ref(), |text| logo(text, folder));
        let accent = self.optional("site.accent", site.accent.as_ref(), accent);
        Ok(Look { title: title?.unwrap_or_else(|| issuer.to_owned()), logo: logo?, accent: accent? })
    }
}

fn title(text: &str) -> Form<String> {
    let title = text.trim();
    if title.is_empty() || title.chars().count() > 64 || title.chars().any(char::is_control) {
        return Err(Wrong::new(
            format!("{text:?} is no title"),
            "what visitors call the dashboard: 1 to 64 characters",
        ));
    }
    Ok(title.to_owned())
}

/// `#rgb` or `#rrggbb`, kept as `#rrggbb` in lower case.
fn accent(text: &str) -> Form<String> {
    let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match digits.map(str::to_ascii_lowercase) {
        Some(digits) if digits.len() == 6 => Ok(format!("#{digits}")),
        Some(digits) if digits.len() == 3 => {
            Ok(digits.chars().fold("#".to_owned(), |all, digit| all + &format!("{digit}{digit}")))
        }
        _ => Err(Wrong::new(format!("{text:?} is no color"), "\"#rgb\" or \"#rrggbb\", as \"#0b5fff\"")),
    }
}

fn logo(text: &str, folder: &Path) -> Form<Logo> {
    let path = file_path(text, folder)?;
    let bytes = contents(&path)?;
    if bytes.len() > BIGGEST_LOGO {
        return Err(Wrong::new(format!("{} is too big for a logo", path.display()), "at most 256 KiB"));
    }
    let media_type = media_type(&bytes).ok_or_else(|| {
        Wrong::new(format!("{} is no picture that browsers show", path.display()), "PNG, SVG, JPEG or WebP")
    })?;
    Ok(Logo { media_type, bytes: Arc::from(bytes) })
}

/// By what the file holds: its name may say anything.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => std::str::from_utf8(bytes).is_ok_and(|text| text.contains("<svg")).then_some("image/svg+xml"),
    }
}
