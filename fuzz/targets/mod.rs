//! Everything that reads bytes from outside, held against another reading of the same bytes.
//!
//! A target is a function of any bytes. It panics if our reading and the other one, which its documentation names,
//! can't both be right. `replay.rs` runs all of them with the test suite, `../any.rs` runs one with feedback about
//! coverage.

mod cookie;
mod dashboard;
mod head;
mod identity;
mod login;
mod operator;
mod origin;
mod place;
mod question;
#[cfg(test)]
mod replay;
mod secret;
mod wire;

use http::{HeaderName, HeaderValue};

use crate::config::PathPattern;
use crate::config::Site;
use crate::message::Fields;
use crate::site::sample;

/// What is held against another reading.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called on the command line and in `corpus/`.
    pub name: &'static str,
    /// Panics if the two readings of these bytes differ.
    pub check: fn(&[u8]),
}

macro_rules! targets {
    ($($module:ident: $($name:ident)*;)*) => {
        /// All of them.
        pub const TARGETS: &[Target] =
            &[$($(Target { name: stringify!($name), check: $module::$name },)*)*];

        /// Each by itself, so that a failure says whose it is.
        #[cfg(test)]
        mod every {
            $($(
                #[test]
                fn $name() {
                    super::replay::replay(stringify!($name), super::$module::$name);
                }
            )*)*
        }
    };
}

targets! {
    wire: requests preface proxy_header;
    head: request_head outgoing_head incoming_head trailers audience;
    dashboard: answer outgoing_request;
    cookie: own_cookie set_cookie;
    place: path_rule safe_next query_parameters;
    identity: forwarded json_answer html_answer redirect_answer;
    login: token key_set token_cookie bound_cookie outer_login;
    question: forward_auth;
    origin: form same_origin websocket_origin;
    secret: code recovery_code ticket otpauth key_file sealed;
    operator: configuration certificate;
}

/// A site as an operator might have it.
fn site() -> Site {
    Site {
        public: vec![PathPattern::Path("/login".into()), PathPattern::Below("/static/".into())],
        logout: vec![PathPattern::Path("/logout".into()), PathPattern::Target("/do?a=out".into())],
        strip: vec![HeaderName::from_static("remote-user")],
        ..sample::site()
    }
}

/// The first line, and what follows it.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// The same, where both are text.
fn first_line_of_text(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = str::from_utf8(bytes).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}

/// The fields that these lines are, as far as they are any.
fn fields(lines: &[u8]) -> Fields {
    let field = |line: &[u8]| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    lines.split(|&byte| byte == b'\n').filter_map(field).take(1000).collect()
}

/// What a name is to servers that see no difference between marks, and none between cases.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}
