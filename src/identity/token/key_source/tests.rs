use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::config::TokenPlace;
use crate::identity::loopback::{Loopback, answer};

const REFRESH: Duration = Duration::from_mins(5);
const PATIENT: Duration = Duration::from_mins(1);

/// An issuer's keys as they are kept, and the milliseconds that their clock shows.
struct Scene {
    source: KeySource,
    millis: Arc<AtomicI64>,
}

impl Scene {
    fn new(issuer: &Loopback, timeout: Duration) -> Self {
        let token = config::Token {
            place: TokenPlace::Bearer,
            algorithms: vec![Algorithm::EdDsa],
            keys: Keys::Address(KeysAddress { timeout, ..address(issuer) }),
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::ZERO,
        };
        let (clock, millis) = Clock::by_hand(Timestamp::from_secs(1_800_000_000));
        Self { source: KeySource::new("insights", &token, clock), millis }
    }

    fn after(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// The set that is had when the one that is being fetched has come. A machine with much to do may take longer for that
    /// than a request waits that has an older one.
    async fn keys(&self, need: Need<'_>) -> Option<Arc<KeySet>> {
        let _ = self.source.keys(need).await;
        let KeySource::Fetched(fetched) = &self.source else { panic!("they are fetched") };
        let under_way = fetched.fetching().under_way.clone();
        if let Some(mut over) = under_way {
            let _ = over.changed().await;
        }
        self.source.keys(need).await.ok()
    }

    /// The id of the only key in it.
    async fn key(&self, need: Need<'_>) -> Option<&'static str> {
        self.keys(need).await.map(|keys| id(&keys))
    }

    fn at_hand(&self) -> Option<&'static str> {
        self.source.at_hand().map(|keys| id(&keys))
    }
}

fn address(issuer: &Loopback) -> KeysAddress {
    let (host, target) = ("login.example".into(), "/keys".into());
    KeysAddress { server: issuer.address(), host, target, refresh: REFRESH, timeout: PATIENT }
}

/// Of a set of one.
fn id(keys: &KeySet) -> &'static str {
    let known = |id: &&str| keys.fitting(Algorithm::EdDsa, Some(id)).next().is_some();
    ["1", "2", "3", "4"].into_iter().find(known).expect("one of these")
}

/// A set with the key of RFC 8037, appendix A.2, under another id.
fn set(id: impl std::fmt::Display) -> String {
    let key = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    format!(r#"{{"keys":[{{{key},"kid":"{id}"}}]}}"#)
}

/// One with another key for each who asks: the first has the id `1`.
async fn rotating() -> Loopback {
    Loopback::answering(|number| Some(answer("200 OK", &set(number)))).await
}

/// One that is down after so many answers.
async fn failing_after(answers: usize) -> Loopback {
    Loopback::answering(move |number| {
        Some(if number > answers { answer("503 Service Unavailable", "") } else { answer("200 OK", &set(number)) })
    })
    .await
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_wanted_first_and_when_they_are_old() {
    let issuer = rotating().await;
    let scene = Scene::new(&issuer, PATIENT);
    assert_eq!(scene.at_hand(), None);
    assert_eq!(scene.key(Need::Kept).await, Some("1"));
    scene.after(299_999);
    assert_eq!((scene.at_hand(), scene.key(Need::Kept).await), (Some("1"), Some("1")));
    scene.after(1);
    assert_eq!(scene.at_hand(), None);
    assert_eq!((scene.key(Need::Kept).await, scene.at_hand()), (Some("2"), Some("2")));
    scene.after(-1);
    assert_eq!(scene.at_hand(), None, "keys from the future are not believed to be young");
    assert_eq!(scene.key(Need::Kept).await, Some("3"), "nor a fetch there to have been a moment ago");
    assert_eq!(issuer.times(), 3);
}

#[tokio::test]
async fn whoever_wants_others_or_fresh_ones_gets_them_once_in_ten_seconds() {
    let issuer = rotating().await;
    let scene = Scene::new(&issuer, PATIENT);
    let first = scene.keys(Need::Kept).await.expect("fetched");
    scene.after(9_999);
    assert_eq!((scene.key(Need::Fresh).await, scene.key(Need::Other(&first)).await), (Some("1"), Some("1")));
    assert_eq!(issuer.times(), 1);
    scene.after(1);
    assert_eq!(scene.key(Need::Other(&first)).await, Some("2"));
    scene.after(10_000);
    assert_eq!(scene.key(Need::Other(&first)).await, Some("2"), "they are others already");
    assert_eq!((scene.key(Need::Kept).await, issuer.times()), (Some("2"), 2));
    assert_eq!((scene.key(Need::Fresh).await, issuer.times()), (Some("3"), 3));
}

#[tokio::test]
async fn whoever_comes_while_keys_are_fetched_waits_for_the_same() {
    let issuer = rotating().await;
    let scene = Scene::new(&issuer, PATIENT);
    let both = tokio::join!(scene.key(Need::Kept), scene.key(Need::Fresh));
    assert_eq!((both, issuer.times()), ((Some("1"), Some("1")), 1));
}

#[tokio::test]
async fn the_last_good_keys_are_used_for_a_day_if_there_are_no_newer_ones() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let issuer = failing_after(1).await;
    let scene = Scene::new(&issuer, PATIENT);
    assert_eq!(scene.key(Need::Kept).await, Some("1"));
    scene.after(DAY - 1);
    assert_eq!((scene.key(Need::Kept).await, scene.at_hand()), (Some("1"), None));
    scene.after(1);
    assert_eq!(scene.key(Need::Kept).await, None);
    assert_eq!(issuer.times(), 2, "it was asked a moment ago");
    scene.after(9_999);
    assert_eq!((scene.key(Need::Kept).await, issuer.times()), (None, 3));
}

#[tokio::test]
async fn the_same_text_is_the_same_set() {
    let issuer = Loopback::answering(|number| Some(answer("200 OK", &set(1 + number / 3)))).await;
    let scene = Scene::new(&issuer, PATIENT);
    let mut sets = Vec::new();
    for _ in 0..3 {
        sets.push(scene.keys(Need::Kept).await.expect("fetched"));
        scene.after(300_000);
    }
    assert!(Arc::ptr_eq(&sets[0], &sets[1]) && !Arc::ptr_eq(&sets[1], &sets[2]));
    assert_eq!((issuer.times(), id(&sets[2])), (3, "2"));
}

#[tokio::test]
async fn what_is_no_set_gives_no_keys() {
    let padded = |length: usize| format!("{}{}", set(1), " ".repeat(length - set(1).len()));
    let rows = [
        (answer("200 OK", &set(1)), None),
        (answer("200 OK", &padded(LONGEST)), None),
        (answer("200 OK", &padded(LONGEST + 1)), Some("the answer broke off, or is longer than 256 KiB")),
        (
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{".to_vec(),
            Some("the answer broke off, or is longer than 256 KiB"),
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\"\xff\"".to_vec(), Some("the answer can't be used")),
        (answer("200 OK", r#"{"keys":[]}"#), Some("the answer can't be used")),
        (answer("201 Created", &set(1)), Some("the status of the answer is 201 Created")),
        (answer("302 Found", &set(1)), Some("the status of the answer is 302 Found")),
        (b"what?\r\nconnection: close\r\n\r\n".to_vec(), Some("the server can't be asked")),
    ];
    for (said, expected) in rows {
        let issuer = Loopback::answering(move |_| Some(said.clone())).await;
        let tried = try_out(&address(&issuer), &[Algorithm::EdDsa]).await;
        assert_eq!(tried.err().map(|error| error.to_string()).as_deref(), expected);
        let scene = Scene::new(&issuer, PATIENT);
        assert_eq!(scene.key(Need::Kept).await.is_some(), expected.is_none(), "{expected:?}");
    }
}

#[tokio::test]
async fn nobody_waits_for_an_issuer_for_ever() {
    let silent = Loopback::answering(|_| None).await;
    let hasty = KeysAddress { timeout: Duration::from_millis(50), ..address(&silent) };
    assert!(matches!(try_out(&hasty, &[Algorithm::EdDsa]).await, Err(FetchError::TimedOut | FetchError::Server(_))));
    assert_eq!(Scene::new(&silent, hasty.timeout).key(Need::Kept).await, None);
}
