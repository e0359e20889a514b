//! The comparisons themselves, called in this process: one guess, by a secret that it is nearly and by another.

use vestibule::config;
use vestibule::second_factor::Timestamp;
use vestibule::second_factor::account::AccountKey;
use vestibule::second_factor::key_check::KeyCheck;
use vestibule::second_factor::recovery::{CODE_BYTES, RecoveryCode};
use vestibule::second_factor::sealing::Keyring;
use vestibule::second_factor::session::{Kind, Presented, SessionToken};
use vestibule::second_factor::totp::{Code, SECRET_BYTES, Secret, Step};

use crate::Comparison;
use crate::statistics::compare;

/// RFC 6238, appendix B: a time, and the code of the secret there.
const NOW: Timestamp = Timestamp::from_secs(1_234_567_890);
const SECRET: [u8; SECRET_BYTES] = *b"12345678901234567890";
const RIGHT: &str = "005924";

pub(crate) fn measure(samples: usize) {
    let line = |what: &str, guess: &mut dyn FnMut(bool) -> usize| {
        compare(&mut Comparison { what, samples, prepare: &mut || {}, guess });
    };
    that_it_can_tell(line);
    codes(line);
    others(line);
}

/// What has to show no difference, and what has to show one.
fn that_it_can_tell(line: impl Fn(&str, &mut dyn FnMut(bool) -> usize)) {
    let same = [Secret::new(SECRET), Secret::new(SECRET)];
    line("code: by a secret, by the same", &mut |is_first| matches(&same[usize::from(!is_first)], "994861", None));
    let known = [[7_u8; 256], [8; 256]];
    let mut shown = known[0];
    shown[255] = 8;
    line("what ends at once: last byte wrong, first byte wrong", &mut |is_near| {
        known[usize::from(!is_near)].iter().zip(&shown).take_while(|(one, other)| one == other).count()
    });
}

fn codes(line: impl Fn(&str, &mut dyn FnMut(bool) -> usize)) {
    let compare = |what: &str, shown: &str, other: Secret, last: Option<Step>| {
        let secrets = [Secret::new(SECRET), other];
        line(what, &mut |is_near| matches(&secrets[usize::from(!is_near)], shown, last));
    };
    let but_for_the_first = ["105925", "205925", "305925", "405925", "505925", "605925", "705925", "805925", "905925"];
    compare("code: last digit wrong, first digit wrong", "005925", secret_of(&but_for_the_first), None);
    compare("code: last digit wrong, all digits wrong", "005925", secret_of(&["994861"]), None);
    compare("code: used, wrong", RIGHT, secret_of(&["994861"]), Some(Step::at(NOW)));
}

/// A secret that has one of these codes now. Of ever so many one has.
fn secret_of(codes: &[&str]) -> Secret {
    let secret = |number: u64| {
        let mut bytes = SECRET;
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Secret::new(bytes)
    };
    let has_one = |secret: &Secret| {
        let step = |code: &&str| secret.matching_step(&Code::parse(code).expect("six digits"), NOW, None);
        codes.iter().any(|code| step(code) == Some(Step::at(NOW)))
    };
    (0..u64::MAX).map(secret).find(has_one).expect("one in a million")
}

fn matches(secret: &Secret, typed: &str, last: Option<Step>) -> usize {
    let code = Code::parse(typed).expect("six digits");
    usize::from(secret.matching_step(&code, NOW, last).is_some())
}

fn others(line: impl Fn(&str, &mut dyn FnMut(bool) -> usize)) {
    let secrets = [b"a secret of 32 bytes or even more", b"b secret of 32 bytes or even morf"];
    let secrets = secrets.map(|secret| config::Secret::new(secret.to_vec()));
    line("shared secret: last byte wrong, first byte wrong", &mut |is_near| {
        usize::from(secrets[usize::from(!is_near)].is(b"a secret of 32 bytes or even morf"))
    });

    let keys = KeyCheck::new(&Keyring::parse(&Keyring::new_file(&[7; 32])).expect("a key file")).digests;
    let account = AccountKey { realm: "site".into(), organization: "acme".into(), user: "7".into() };
    let mut near = [7; CODE_BYTES];
    near[CODE_BYTES - 1] = 8;
    let kept = [near, [8; CODE_BYTES]].map(|code| RecoveryCode::new(code).digest(&keys, &account));
    let typed = RecoveryCode::new([7; CODE_BYTES]).text();
    line("recovery code: last characters wrong, all wrong", &mut |is_near| {
        let code = RecoveryCode::parse(&typed).expect("a code");
        usize::from(code.digest(&keys, &account) == kept[usize::from(!is_near)])
    });

    let mut near = [7; 32];
    near[31] = 8;
    let kept = [near, [8; 32]].map(|token| SessionToken::new(Kind::Verified, token).digest());
    let shown = SessionToken::new(Kind::Verified, [7; 32]).cookie_value();
    line("session token: last byte wrong, all wrong", &mut |is_near| {
        let presented = Presented::parse(shown.as_bytes()).expect("a token");
        usize::from(presented.digest == kept[usize::from(!is_near)])
    });
}
