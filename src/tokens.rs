//! Fields that are lists of tokens (RFC 9110, section 5.6.1), as `Connection` is.

use http::HeaderName;

use crate::message::{Fields, Value};

/// The members of such a field, on whatever number of lines; empty ones among them.
pub(crate) fn tokens<'a>(headers: &'a Fields, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).flat_map(of_line)
}

/// Whether one of the members of a line is this one, in any case.
pub(crate) fn has_token(line: Value<'_>, token: &[u8]) -> bool {
    of_line(line).any(|member| member.eq_ignore_ascii_case(token))
}

fn of_line(line: Value<'_>) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}
