//! Recovery codes: of somebody else, and out of the store.

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

use crate::house::House;
use crate::support::{Sight, required};

/// REC-04: a code of somebody else is refused, and not used up.
#[tokio::test]
async fn a_code_of_somebody_else_is_refused_and_stays() {
    let house = House::open(required()).await;
    let (bob, carol) = (house.enrolled("bob").await, house.enrolled("carol").await);
    let mut thief = house.challenged(&bob, 2).await;
    thief.recovers_with(&carol.recovery_codes[0]).await.shows(Sight::RecoveryCodeRefused);
    assert_eq!((house.failures("bob", "recovery"), house.failures("carol", "recovery")), (1, 0));
    let kept = format!("SELECT count(*) FROM recovery_codes WHERE account = {}", house.account("carol"));
    assert_eq!(house.number(&kept), 10);
    house.challenged(&carol, 2).await.recovers_with(&carol.recovery_codes[0]).await.shows(Sight::Dashboard);
    assert_eq!(house.number(&kept), 9);
}

/// REC-09, REC-02: what the store has of a code lets nobody in, however it is written.
#[tokio::test]
async fn what_is_kept_of_a_code_is_no_code() {
    let house = House::open(required()).await;
    let bob = house.enrolled("bob").await;
    let digest: Vec<u8> =
        house.store().query_row("SELECT digest FROM recovery_codes", [], |row| row.get(0)).expect("a digest");
    let texts = [
        HEXLOWER.encode(&digest),
        HEXUPPER.encode(&digest),
        BASE32_NOPAD.encode(&digest),
        BASE64.encode(&digest),
        BASE64URL_NOPAD.encode(&digest),
        BASE32_NOPAD.encode(&digest[..10]),
        BASE32_NOPAD.encode(&digest[digest.len() - 10..]),
        HEXLOWER.encode(&digest)[..16].to_owned(),
        String::from_utf8_lossy(&digest).into_owned(),
        format!("{digest:?}"),
    ];
    let mut thief = house.challenged(&bob, 2).await;
    for text in texts {
        house.forgets_failures();
        thief.recovers_with(&text).await.shows(Sight::RecoveryCodeRefused);
    }
    assert_eq!(house.number("SELECT count(*) FROM recovery_codes"), 10);
    assert_eq!(house.number("SELECT count(*) FROM sessions"), 1);
}
