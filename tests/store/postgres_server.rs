//! What is PostgreSQL's own: the server, whom it lets in and how; the database and its shape.

use std::error::Error as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Client;
use vestibule::second_factor::account::Requirement;
use vestibule::second_factor::policy::Authority;
use vestibule::store::postgres::{Database, Host, OpenError, Password, PostgresClaim, PostgresStore, Server};
use vestibule::store::{Counts, Effect, Store};

use crate::cluster::{Cluster, connect};
use crate::engines::{Place, on_postgres, runtime};
use crate::world::{NOON, World, at, by, by_operator, confirmation, pending_enrollment, session_of, sighting};

/// The server itself, past the store.
async fn server(world: &World) -> Client {
    let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
    connect(database).await
}

async fn refused(database: &Database) -> OpenError {
    match PostgresStore::open(database, None).await {
        Ok(_) => panic!("{database} was opened"),
        Err(error) => error,
    }
}

/// The text and its causes, as they are printed.
fn told(error: &OpenError) -> String {
    let mut told = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    told.join(": ")
}

#[test]
fn what_is_wrong_with_the_way_to_the_store_is_told_without_the_password() {
    let port = free_port();
    let only_with_password = |folder: &Path| {
        let rules = "local all vestibule trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(folder.join("pg_hba.conf"), rules).expect("written");
    };
    let options = ["fsync = off", "listen_addresses = '127.0.0.1'"];
    let cluster = Cluster::start(port, &options, only_with_password);
    runtime().block_on(async {
        let admin = connect(&cluster.at("postgres")).await;
        let users =
            "CREATE ROLE owner LOGIN PASSWORD 'correct horse'; CREATE ROLE guest LOGIN PASSWORD 'correct horse';";
        admin.batch_execute(users).await.expect("made");
        admin.batch_execute("CREATE DATABASE kept OWNER owner").await.expect("made");
        admin.batch_execute("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0").await.expect("made");
        let database = |user: &str, password: &str, name: &str| Database {
            servers: vec![Server { host: Host::Tcp("127.0.0.1".into()), port }],
            user: user.into(),
            password: Some(Password::new(password.into())).filter(|_| !password.is_empty()),
            ..cluster.at(name)
        };
        let good = database("owner", "correct horse", "kept");
        PostgresStore::try_out(&good, None).await.expect("it can be used");
        assert!(told(&refused(&database("owner", "battery staple", "kept")).await).contains("turned the user"));
        assert!(told(&refused(&database("owner", "", "kept")).await).contains("turned the user"));
        assert!(told(&refused(&database("nobody", "battery staple", "kept")).await).contains("turned the user"));
        assert!(told(&refused(&database("owner", "correct horse", "lost")).await).contains("does not exist"));
        assert!(told(&refused(&database("guest", "correct horse", "kept")).await).contains("CREATE on its schema"));
        let latin = refused(&cluster.at("latin")).await;
        assert!(matches!(&latin, OpenError::Encoding { found, .. } if found == "LATIN1"), "{latin:?}");
        let elsewhere = Server { host: Host::Tcp("127.0.0.1".into()), port: free_port() };
        let nobody_there = refused(&Database { servers: vec![elsewhere], ..good.clone() }).await;
        assert!(matches!(nobody_there, OpenError::Unreachable { .. }), "{nobody_there:?}");
        let over_tls = PostgresStore::open(&good, Some(client(&[]))).await.err().expect("it offers none");
        assert!(matches!(over_tls, OpenError::Tls { .. }), "{over_tls:?}");
        for error in [&latin, &nobody_there, &over_tls, &refused(&database("owner", "battery staple", "kept")).await] {
            let shown = format!("{} {error:?}", told(error));
            assert!(!shown.contains("staple") && !shown.contains("horse"), "{shown}");
            assert!(shown.contains("127.0.0.1") || shown.contains(".s.PGSQL"), "{shown}");
        }
        PostgresStore::open(&good, None).await.expect("it can be used").ready().await.expect("ready");
    });
}

#[test]
fn a_server_is_believed_by_its_certificate_for_its_host_alone() {
    let authority = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).expect("signed");
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(["localhost".to_owned()]).expect("a name").signed_by(&key, &issuer);
    let certificate = certificate.expect("signed");
    let port = free_port();
    let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";
    let options = ["fsync = off", "listen_addresses = 'localhost'", "ssl = on", "ssl_cert_file = '../server.crt'"];
    let options = [&options[..], &["ssl_key_file = '../server.key'"]].concat();
    let cluster = Cluster::start(port, &options, |folder| {
        for (name, content) in
            [("pg_hba.conf", rules.to_owned()), ("server.crt", certificate.pem()), ("server.key", key.serialize_pem())]
        {
            fs::write(folder.join(name), content).expect("written");
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).expect("ours");
        }
    });
    runtime().block_on(async {
        let at = |host: &str| Database {
            servers: vec![Server { host: Host::Tcp(host.into()), port }],
            ..cluster.at("postgres")
        };
        let known = client(&[root.der().clone()]);
        PostgresStore::try_out(&at("localhost"), Some(Arc::clone(&known))).await.expect("believed");
        for (host, tls) in [("127.0.0.1", &known), ("localhost", &client(&[]))] {
            let error = PostgresStore::try_out(&at(host), Some(Arc::clone(tls))).await.expect_err("not believed");
            assert!(matches!(error, OpenError::Tls { .. }), "{error:?}");
            assert!(told(&error).contains("certificate"), "{}", told(&error));
        }
        let error = refused(&at("localhost")).await;
        assert!(matches!(error, OpenError::Refused { .. }), "the server wants TLS: {error:?}");
    });
}

/// A client that believes these authorities.
fn client(authorities: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("good");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Nobody else gets it for a while.
fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

#[test]
fn many_gateways_that_start_at_once_make_one_store() {
    let cluster = Cluster::shared();
    runtime().block_on(async {
        for round in 0..3 {
            let database = cluster.at(&format!("at_once_{round}"));
            let admin = connect(&cluster.at("postgres")).await;
            admin.batch_execute(&format!("CREATE DATABASE {}", database.name)).await.expect("made");
            let starts = (0..8).map(|_| {
                let database = database.clone();
                tokio::spawn(async move { PostgresStore::open(&database, None).await.expect("started") })
            });
            let mut accounts = vec![];
            for start in starts.collect::<Vec<_>>() {
                let store = start.await.expect("it ends well");
                accounts.push(store.sight(sighting("acme", "ann")).await.expect("sighted"));
            }
            assert!(accounts.iter().all(|account| *account == accounts[0]));
            cluster.drop(&database).await;
        }
    });
}

#[test]
fn a_database_of_something_else_is_refused_and_left_as_it_is() {
    on_postgres(async |world: World| {
        let server = server(&world).await;
        server.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.expect("emptied");
        server.batch_execute("CREATE TABLE accounts (id INT); CREATE TABLE notes (t TEXT)").await.expect("made");
        let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
        let error = refused(database).await;
        assert!(matches!(error, OpenError::NotAStore { .. }), "{error:?}");
        let tables = "SELECT relname::TEXT FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                      ORDER BY 1";
        let left: Vec<String> = server.query(tables, &[]).await.expect("read").iter().map(|row| row.get(0)).collect();
        assert_eq!(left, ["accounts", "notes"]);
    });
}

#[test]
fn a_store_that_a_later_release_brought_further_is_used_if_that_release_allows_it() {
    on_postgres(async |world: World| {
        let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
        let server = server(&world).await;
        server.batch_execute("UPDATE vestibule_schema SET version = 99, oldest = 1").await.expect("set");
        PostgresStore::open(database, None).await.expect("it only added").ready().await.expect("ready");
        let version = server.query_one("SELECT version FROM vestibule_schema", &[]).await.expect("read");
        assert_eq!(version.get::<_, i64>(0), 99, "it stays as it is");
        let claim = tokio::task::LocalSet::new().run_until(PostgresClaim::new(database, None)).await;
        let claim = claim.err().expect("what it can't copy in full is not copied");
        assert!(matches!(claim, OpenError::Newer { found: 99, .. }), "{claim:?}");
        server.batch_execute("UPDATE vestibule_schema SET oldest = 98").await.expect("set");
        let error = refused(database).await;
        assert!(matches!(error, OpenError::Newer { found: 99, known: 5, .. }), "{error:?}");
    });
}

#[test]
fn a_store_of_the_first_release_is_brought_up_to_date_and_that_release_goes_on() {
    on_postgres(async |world: World| {
        let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
        let server = server(&world).await;
        let ann = world.visitor("acme", "ann").await;
        let begun = world.enrollment(ann.id).await;
        let back = "DROP TRIGGER account_listed ON accounts; DROP TRIGGER account_listed_anew ON accounts;
                    DROP FUNCTION list_account; DROP TABLE listings;
                    DROP TABLE tickets; ALTER TABLE pending_enrollments DROP COLUMN ticket;
                    UPDATE vestibule_schema SET version = 3";
        server.batch_execute(back).await.expect("good SQL");
        let store = PostgresStore::open(database, None).await.expect("brought up to date");
        assert_eq!(store.pending_enrollment(begun.session, NOON).await.expect("read"), Some(begun.clone()));
        world.ticket(&ann).await;
        // What a gateway of that release writes.
        let sql = "UPDATE pending_enrollments SET secret = 'new' WHERE session = $1";
        assert_eq!(server.execute(sql, &[&begun.session.0.as_slice()]).await.expect("written"), 1);
        let sql = "INSERT INTO pending_enrollments (session, account, secret, started, replaces)
                   VALUES ('other', $1, 'other', $2, NULL)";
        assert_eq!(server.execute(sql, &[&ann.id.0, &NOON.as_millis()]).await.expect("written"), 1);
        assert_eq!(unlike_their_accounts(&server).await, 0, "who was there before is listed");
        let sql =
            "INSERT INTO accounts (organization, user_id, listing) SELECT organization, 'bob', 'bob' FROM accounts";
        assert_eq!(server.execute(sql, &[]).await.expect("written"), 1);
        let sql = "UPDATE accounts SET listing = 'anna' || listing, secret = '', enrolled_at = 1, last_step = 1";
        assert_eq!(server.execute(sql, &[]).await.expect("written"), 2);
        assert_eq!(unlike_their_accounts(&server).await, 0, "who came since as well, as they are now");
        let version = server.query_one("SELECT oldest FROM vestibule_schema", &[]).await.expect("read");
        assert_eq!(version.get::<_, i64>(0), 1, "nobody is turned away");
    });
}

/// How many accounts are in lists otherwise than they are, or not at all; and how many that there are not.
async fn unlike_their_accounts(server: &Client) -> i64 {
    let sql = "SELECT count(*) FROM accounts a FULL JOIN listings l
                   ON (a.id, a.organization, a.listing) = (l.id, l.organization, l.listing)
                      AND a.enrolled_at IS NOT DISTINCT FROM l.enrolled_at
               WHERE a.id IS NULL OR l.id IS NULL";
    server.query_one(sql, &[]).await.expect("read").get(0)
}

#[test]
fn a_sign_in_leaves_what_lists_are_made_of_alone() {
    on_postgres(async |world: World| {
        let ann = world.person("acme", "ann").await;
        let server = server(&world).await;
        let written_by =
            async || -> String { server.query_one("SELECT xmin::TEXT FROM listings", &[]).await.expect("read").get(0) };
        let before = written_by().await;
        world.sign_in(ann.id, 101, at(1)).await;
        assert_eq!(written_by().await, before);
        world.give_code(ann.id, 102, Effect::Disable, at(2)).await;
        assert_ne!(written_by().await, before);
    });
}

#[test]
fn what_lists_say_of_their_length_is_what_is_in_them() {
    on_postgres(async |world: World| {
        let people = ["ann", "bob", "cleo"].map(|user| (user, "acme"));
        for (user, organization) in people.into_iter().chain([("dora", "globex")]) {
            let person = world.person(organization, user).await;
            world.sign_in(person.id, 101, at(1)).await;
        }
        world.visitor("acme", "eve").await;
        let of = async |user| world.store.sight(sighting("acme", user)).await.expect("sighted").0.id;
        let (ann, bob, cleo) = (of("ann").await, of("bob").await, of("cleo").await);
        world.give_code(ann, 102, Effect::Disable, at(2)).await;
        let acme = Authority::Operator(world.organization("acme").await.id);
        world.store.reset_account(acme, bob, by_operator(at(3))).await.expect("answered").expect("reset");
        world.store.reset_account(acme, bob, by_operator(at(3))).await.expect("answered");
        world.enroll(bob).await;
        let session = world.sign_in(cleo, 103, at(3)).await;
        let pending = pending_enrollment(cleo, session.digest, at(4));
        world.give_code(cleo, 104, Effect::StartReplacement(pending.clone()), at(4)).await;
        session_of(
            world.store.confirm_enrollment(confirmation(pending, 105), by(cleo, at(5))).await.expect("answered"),
        );
        world.store.set_requirement(acme, Requirement::Required, by_operator(at(4))).await.expect("answered");
        let differing = "SELECT count(*) FROM organizations o JOIN
                             (SELECT organization, sum(accounts) AS accounts, sum(enrolled) AS enrolled,
                                     sum(entries) AS entries FROM tallies GROUP BY organization) t ON t.organization = o.id
                         WHERE t.accounts <> (SELECT count(*) FROM accounts WHERE organization = o.id)
                            OR t.enrolled <> (SELECT count(enrolled_at) FROM accounts WHERE organization = o.id)
                            OR t.entries <> (SELECT count(*) FROM audit WHERE organization = o.id)";
        let server = server(&world).await;
        assert_eq!(server.query_one(differing, &[]).await.expect("read").get::<_, i64>(0), 0);
        assert_eq!(unlike_their_accounts(&server).await, 0);
        let counted = world.store.counts(world.organization("acme").await.id).await.expect("counted");
        assert_eq!(counted, Counts { accounts: 4, enrolled: 2 });
    });
}

#[test]
fn the_schema_is_the_one_on_record() {
    on_postgres(async |world: World| {
        // Columns are those of SQLite, which another test compares.
        let sql = "SELECT line FROM
                       (SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public'
                        UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
                                  WHERE connamespace = 'public'::regnamespace AND contype <> 'n') lines
                   ORDER BY line COLLATE \"C\"";
        let rows = server(&world).await.query(sql, &[]).await.expect("read");
        let found: String = rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
        let on_record = include_str!("postgres_schema.txt");
        assert!(found == on_record, "tests/store/postgres_schema.txt should be, if the change is meant:\n{found}");
    });
}
