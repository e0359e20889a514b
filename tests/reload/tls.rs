//! Certificates that are exchanged while the gateway runs.

use rustls::HandshakeKind;

use super::support::{Dashboard, House, ask, believing, certificate, folder, handshake, with_tls};

#[tokio::test]
async fn a_new_certificate_is_shown_from_the_next_handshake_on_and_sessions_are_still_resumed() {
    let dashboard = Dashboard::new("first").await;
    let folder = folder();
    let old = certificate(&folder, "", &["a.example"]);
    let house = House::new(folder, &with_tls(&dashboard)).await;
    let visitor = believing(&[&old]);
    let mut stream = handshake(&visitor, "a.example", house.connect().await).await.expect("a handshake");
    assert_eq!(ask(&mut stream, "/open/x").await.expect("an answer").0, 200);

    let new = certificate(&house.folder, "", &["a.example"]);
    house.running.take_in(house.parse(&with_tls(&dashboard))).expect("taken in");
    assert_eq!(ask(&mut stream, "/open/x").await.expect("the connection stays").0, 200);
    let resumed = handshake(&visitor, "a.example", house.connect().await).await.expect("a handshake");
    assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));

    let stranger = handshake(&believing(&[&old]), "a.example", house.connect().await).await;
    assert!(stranger.is_err(), "the old certificate is not shown anymore");
    let newcomer = handshake(&believing(&[&new]), "a.example", house.connect().await).await.expect("a handshake");
    assert_eq!(newcomer.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
}
