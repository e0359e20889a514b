//! Which file to read, where nobody says.

use std::path::{Path, PathBuf};

const PLACES: [&str; 2] = ["vestibule.toml", "/etc/vestibule/vestibule.toml"];

/// There is no file at any of the usual places.
#[derive(Debug, thiserror::Error)]
#[error("no configuration: there is neither {} here nor {}; name a file with --config", PLACES[0], PLACES[1])]
pub struct NotFound;

/// The configuration file: the one that was given, or the first that there is.
pub fn find(given: Option<&Path>) -> Result<PathBuf, NotFound> {
    match given {
        Some(path) => Ok(path.to_owned()),
        None => PLACES.into_iter().map(PathBuf::from).find(|path| path.exists()).ok_or(NotFound),
    }
}
