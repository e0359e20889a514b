//! Certificates that are exchanged while the gateway runs.

use rustls::HandshakeKind;
use vestibule::config::{CertificateFiles, Tls};
use vestibule::listener::tls::Certificates;
use vestibule::second_factor::Timestamp;

use super::support::{Dashboard, House, ask, believing, certificate, folder, handshake, with_tls, write};

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

#[tokio::test]
async fn a_visitor_is_shown_the_certificate_for_the_name_that_is_asked_for() {
    let dashboard = Dashboard::new("first").await;
    let folder = folder();
    let first = certificate(&folder, "", &["a.example"]);
    let wild = certificate(&folder, "wild-", &["*.wild.example", "second.example"]);
    let exact = certificate(&folder, "exact-", &["one.wild.example", "Second.Example"]);
    let mut written = with_tls(&dashboard);
    for beginning in ["wild-", "exact-"] {
        let table = "\n[[server.tls.more]]\ncertificate = \"PREFIXcertificate.pem\"\nkey = \"PREFIXkey.pem\"";
        written.server.push_str(&table.replace("PREFIX", beginning));
    }
    let house = House::new(folder, &written).await;
    let rows = [
        ("a.example", &first),
        ("second.example", &wild),
        ("SECOND.example", &wild),
        ("two.wild.example", &wild),
        ("one.wild.example", &exact),
    ];
    for (name, expected) in rows {
        let shown = handshake(&believing(&[expected]), name, house.connect().await).await;
        let mut stream = shown.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(ask(&mut stream, "/open/x").await.expect("an answer").0, 200);
    }
    for name in ["wild.example", "a.b.wild.example", "other.example", "192.0.2.1"] {
        let error = handshake(&believing(&[&first]), name, house.connect().await).await.expect_err("another's");
        assert!(
            format!("{error:?}").contains("NotValidForName"),
            "the first one, by an issuer that is believed: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_expired_certificate_is_told_and_no_reason_to_refuse_everybody() {
    let folder = folder();
    let mut parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("names");
    parameters.not_after = rcgen::date_time_ymd(2020, 2, 29);
    let key = rcgen::KeyPair::generate().expect("a key");
    let expired = parameters.self_signed(&key).expect("a certificate");
    let certificate = write(&folder, "certificate.pem", &expired.pem());
    let key = write(&folder, "key.pem", &key.serialize_pem());
    let files = Tls { certificates: vec![CertificateFiles { certificate: certificate.clone(), key }] };
    let read = Certificates::read(&files).expect("a certificate with its key");
    let told = |secs| read.expired(Timestamp::from_secs(secs)).collect::<Vec<_>>();
    let sentence = format!("the certificate in {} has expired on 2020-02-29T00:00:00Z", certificate.display());
    assert_eq!(told(1_582_934_400), [sentence]);
    assert!(told(1_582_934_399).is_empty());
}

#[tokio::test]
async fn a_check_refuses_a_strangers_key_and_warns_of_a_certificate_that_has_expired() {
    let dashboard = Dashboard::new("first").await;
    let folder = folder();
    write(&folder, "vestibule.toml", &with_tls(&dashboard).text());
    let check = || {
        let file = folder.path().join("vestibule.toml");
        let program = std::process::Command::new(env!("CARGO_BIN_EXE_vestibule"));
        let output = { program }.args(["check", "--config"]).arg(file).output().expect("the program");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let mut parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("names");
    parameters.not_after = rcgen::date_time_ymd(2020, 2, 29);
    let key = rcgen::KeyPair::generate().expect("a key");
    write(&folder, "certificate.pem", &parameters.self_signed(&key).expect("a certificate").pem());
    write(&folder, "key.pem", &key.serialize_pem());
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("has expired on 2020-02-29"), "{said}");

    write(&folder, "key.pem", &rcgen::KeyPair::generate().expect("a key").serialize_pem());
    let (code, said) = check();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not that of the certificate in"), "{said}");
}
