//! How a site's own pages look, and the files they load.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use vestibule_templates::{Accent, Frame, Navigation, Person, assets};

use crate::body::Body;
use crate::config::{Logo, Site};
use crate::message::Response;

/// How a site's own pages look.
pub struct Appearance {
    title: String,
    prefix: String,
    assets: String,
    accent: Option<Accent>,
    logo: Option<(String, Logo)>,
}

impl Appearance {
    /// The look of a site.
    pub fn of(site: &Site) -> Self {
        let assets = format!("{}/assets", site.prefix);
        let logo = site.look.logo.clone().map(|logo| (format!("{assets}/logo-{}", fingerprint(&logo.bytes)), logo));
        Self {
            title: site.look.title.clone(),
            prefix: site.prefix.clone(),
            accent: site.look.accent.as_deref().and_then(Accent::parse),
            assets,
            logo,
        }
    }

    /// The look where no site is known: the gateway's own name, and addresses that any site may have.
    pub fn plain() -> Self {
        let prefix = "/_2fa".to_owned();
        Self { title: "Vestibule".to_owned(), assets: format!("{prefix}/assets"), prefix, accent: None, logo: None }
    }

    /// What every page has around it.
    pub fn frame<'a>(&'a self, person: Option<Person<'a>>, navigation: Navigation) -> Frame<'a> {
        Frame {
            site: &self.title,
            logo: self.logo.as_ref().map(|(path, _)| path.as_str()),
            accent: self.accent.as_ref(),
            prefix: &self.prefix,
            assets: &self.assets,
            dashboard: "/",
            person,
            navigation,
        }
    }

    /// The file of that name, which never changes under it: to be cached for ever.
    pub fn asset(&self, name: &str) -> Option<Response<Body>> {
        if let Some(asset) = assets().iter().find(|asset| asset.name == name) {
            return Some(file(asset.content_type, Bytes::from_static(asset.bytes)));
        }
        if let Some(accent) = self.accent.as_ref().filter(|accent| accent.name() == name) {
            return Some(file("text/css; charset=utf-8", Bytes::from(accent.css().to_owned())));
        }
        let (path, logo) = self.logo.as_ref()?;
        let is_logo = path.rsplit('/').next() == Some(name);
        is_logo.then(|| file(logo.media_type, Bytes::from_owner(Arc::clone(&logo.bytes))))
    }
}

fn file(media_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::own(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

fn fingerprint(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    HEXLOWER.encode(&digest.as_ref()[..8])
}
