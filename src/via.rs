//! How often a request came by the gateway before, by its `Via` (RFC 9110, section 7.6.3).

use http::header::VIA;
use http::{HeaderValue, Version};

use crate::message::Fields;
use crate::tokens::tokens;

/// Under which name the gateway stands there.
const PSEUDONYM: &str = "vestibule";

/// How often a request may come by before it is taken for a loop.
const ROUNDS: usize = 5;

/// The request keeps coming by: the dashboard's address leads back to the gateway.
#[derive(Debug, thiserror::Error)]
#[error("the upstream leads back to this gateway")]
pub struct Loop;

/// How often a request with these fields came by before.
pub(crate) fn rounds(headers: &Fields) -> usize {
    let ours = |via: &&[u8]| via.rsplit(|&byte| byte == b' ').next() == Some(PSEUDONYM.as_bytes());
    tokens(headers, &VIA).filter(ours).count()
}

/// Adds the gateway to those that a request came by, in this version.
pub(crate) fn add(headers: &mut Fields, version: Version) -> Result<(), Loop> {
    if rounds(headers) >= ROUNDS {
        return Err(Loop);
    }
    let via = match version {
        Version::HTTP_2 => "2.0 vestibule",
        Version::HTTP_10 => "1.0 vestibule",
        _ => "1.1 vestibule",
    };
    headers.append(VIA, HeaderValue::from_static(via));
    Ok(())
}

/// Says of a question of our own that it comes by once more than the request that it is asked about.
pub(crate) fn go_on(question: &mut Fields, asked_about: &Fields) -> Result<(), Loop> {
    (0..=rounds(asked_about)).try_for_each(|_| add(question, Version::HTTP_11))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(lines: &[&'static str]) -> Fields {
        lines.iter().map(|line| (VIA, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_request_that_keeps_coming_by_is_a_loop() {
        let mut headers = received(&["1.0 fred, 1.1 vestibule-not", "1.1 p.example.net (vestibule)"]);
        for round in 0..ROUNDS {
            assert_eq!(rounds(&headers), round);
            add(&mut headers, Version::HTTP_11).expect("not yet");
        }
        add(&mut headers, Version::HTTP_11).expect_err("a loop");
        let joined = received(&["1.1 vestibule, 1.1 vestibule,1.0 vestibule, 1.1 a, 1.1 vestibule, 1.1 vestibule"]);
        add(&mut joined.clone(), Version::HTTP_11).expect_err("a loop");
    }

    #[test]
    fn a_question_comes_by_once_more_than_what_it_is_asked_about() {
        let mut question = Fields::new();
        go_on(&mut question, &received(&["1.1 a, 1.1 vestibule, 2.0 vestibule"])).expect("not yet");
        assert_eq!(question.get_all(VIA).collect::<Vec<_>>(), ["1.1 vestibule"; 3]);
        let many = received(&["1.1 vestibule"; ROUNDS]);
        go_on(&mut Fields::new(), &many).expect_err("a loop");
    }
}
