//! Fields that are lists of tokens (RFC 9110, section 5.6.1), as `Connection` is.

use http::{HeaderMap, HeaderName};

/// The members of such a field, on whatever number of lines; empty ones among them.
pub(crate) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}
