//! Cookies of a dashboard: recognized wherever in a request it may see one.

use http::header::COOKIE;

use crate::message::Fields;

/// Whatever in a request's `Cookie` lines some server may take for a cookie, from its name on.
///
/// Servers end a cookie at a semicolon and, one or another of them, at a comma (RFC 2965), at white space, of Latin-1 or
/// Unicode as well, after a quoted value, or at what no cookie may have in it; and they take white space, quotes and `=`
/// off a name. So a piece ends at each of these, within quotes too, and is made of visible ASCII alone.
pub(crate) fn pieces(headers: &Fields) -> impl Iterator<Item = &str> {
    headers.get_all(COOKIE).flat_map(|line| pieces_of(line.as_bytes()))
}

/// What stands between semicolons and has such a piece in it, whole: a server that ends a cookie at none of the other marks
/// has all of it in the value.
pub(crate) fn around(headers: &Fields, is_one: impl Fn(&str) -> bool) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(COOKIE);
    let parts = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
    parts.filter(move |part| pieces_of(part).any(&is_one))
}

fn pieces_of(line: &[u8]) -> impl Iterator<Item = &str> {
    let pieces = line.split(|&byte| is_end(byte)).filter_map(|piece| str::from_utf8(piece).ok());
    pieces.map(|piece| piece.trim_start_matches('=')).filter(|piece| !piece.is_empty())
}

const fn is_end(byte: u8) -> bool {
    !byte.is_ascii_graphic() || matches!(byte, b';' | b',' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_piece_begins_wherever_some_server_sees_a_name() {
        let rows: &[(&[&[u8]], &[&str])] = &[
            (&[], &[]),
            (&[b"", b";; =;\t,\"\""], &[]),
            (&[b"a=1; b=2", b"c=3"], &["a=1", "b=2", "c=3"]),
            (&[b"a=1 b=2\tc=3,d=4"], &["a=1", "b=2", "c=3", "d=4"]),
            (&[b"a=\"x; b=2\"c=3"], &["a=", "x", "b=2", "c=3"]),
            (&[b"\xa0a=1; \x85b=2; \xc2\xa0c\xe2\x80\x83=3\\d=4"], &["a=1", "b=2", "c", "3", "d=4"]),
            (&[b"==a=b==; $Version=1"], &["a=b==", "$Version=1"]),
        ];
        for (lines, expected) in rows {
            let mut headers = Fields::new();
            for line in *lines {
                headers.append(COOKIE, HeaderValue::from_bytes(line).expect("a field value"));
            }
            assert_eq!(pieces(&headers).collect::<Vec<_>>(), *expected);
        }
    }

    #[test]
    fn around_a_piece_is_all_that_some_server_has_in_the_value() {
        let lines = HeaderValue::from_static("a=1, sid=2 x=\"y\" ;  b=2; c=sid ;sid=3");
        let headers = Fields::from_iter([(COOKIE, lines)]);
        let around: Vec<_> = around(&headers, |piece| piece.starts_with("sid=")).collect();
        assert_eq!(around, [&b"a=1, sid=2 x=\"y\""[..], b"sid=3"]);
    }
}
