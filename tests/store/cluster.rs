//! A PostgreSQL server of the tests' own: made in a temporary folder, and gone when the test program is, however it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use vestibule::store::postgres::{Database, Host, PostgresStore, Server};

/// Makes the server and starts it, says so, and ends it once nobody holds the other end of its input any more.
/// `$1` is the folder, `$2` where the programs are, `$3` the folder of the server that it is to be a standby of, if that is
/// what it is, `$4` whether the folder stays, the rest are options of the server.
const KEEPER: &str = r#"
    folder=$1 bin=$2 primary=$3 stays=$4
    shift 4
    # Whoever started this may be gone before it is said to be ready.
    trap '' INT PIPE
    if [ -n "$stays" ]; then
        trap '"$bin/pg_ctl" stop -s -t 120 -D "$folder/data" -m fast' EXIT
    else
        trap '"$bin/pg_ctl" stop -s -D "$folder/data" -m immediate; rm -rf "$folder"' EXIT
    fi
    set -e
    if [ -e "$folder/data" ]; then
        :
    elif [ -z "$primary" ]; then
        "$bin/initdb" -D "$folder/data" -U vestibule --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions >"$folder/log"
    else
        "$bin/pg_basebackup" -D "$folder/data" -h "$primary" -U vestibule -R -X stream -c fast --no-sync 2>"$folder/log"
    fi
    for option in "$@"; do echo "$option" >>"$folder/data/postgresql.conf"; done
    [ ! -e "$folder/pg_hba.conf" ] || cp "$folder/pg_hba.conf" "$folder/data/pg_hba.conf"
    "$bin/pg_ctl" start -s -w -t 120 -D "$folder/data" -l "$folder/log"
    echo ready
    cat
"#;

/// Whom the server runs as where the tests are run by root, whom it refuses.
const NOBODY: u32 = 65534;

/// The database that new ones are copies of: a store in which nothing has happened.
const TEMPLATE: &str = "untouched";

pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    /// Holds the keeper's input open. A `static` is never dropped; then the end of the program closes it.
    keeper: Child,
}

/// What a server begins with, and what is left of it.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// With nothing, and nothing.
    Temporary,
    /// With what is in its folder, which stays.
    Kept,
    /// With what the server in that folder has, and nothing.
    StandbyOf(&'a Path),
}

impl Cluster {
    /// One for all tests of a program, where nothing depends on the disk: a crash of the machine may lose everything.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let options = ["fsync = off", "full_page_writes = off", "max_connections = 300", "shared_buffers = 32MB"];
            Self::start(5432, &options, |_| {})
        })
    }

    /// A server of its own, which listens at a Unix socket, and at no other address unless the options say so.
    /// `prepare` puts into its folder what the options name.
    pub(crate) fn start(port: u16, options: &[&str], prepare: impl Fn(&Path)) -> Self {
        let folder = temporary();
        prepare(&folder);
        Self::make(folder, port, Kind::Temporary, options)
    }

    /// A server in a folder of its own in this one, which stays when it ends, with what was in it before.
    pub(crate) fn kept(folder: &Path, port: u16, options: &[&str]) -> Self {
        let folder = folder.join("server");
        fs::create_dir_all(&folder).expect("a folder");
        let folder = folder.canonicalize().expect("it is there");
        Self::make(folder, port, Kind::Kept, options)
    }

    /// A standby of this server, at the same port in a folder of its own. It follows until it is promoted.
    pub(crate) fn standby(&self) -> Self {
        Self::make(temporary(), self.port, Kind::StandbyOf(&self.folder), &[])
    }

    fn make(folder: PathBuf, port: u16, kind: Kind<'_>, options: &[&str]) -> Self {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("ours");
        let socket = format!("unix_socket_directories = '{}'", folder.display());
        let port_option = format!("port = {port}");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&folder).arg(programs());
        let none = Path::new("");
        command.args(match kind {
            Kind::Temporary => [none, none],
            Kind::Kept => [none, Path::new("stays")],
            Kind::StandbyOf(primary) => [primary, none],
        });
        command.args([&socket, &port_option, "listen_addresses = ''"]).args(options);
        command.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        if [0, NOBODY].contains(&fs::metadata(&folder).expect("there").uid()) {
            for entry in fs::read_dir(&folder).expect("readable") {
                chown(entry.expect("an entry").path(), Some(NOBODY), Some(NOBODY)).expect("root may");
            }
            chown(&folder, Some(NOBODY), Some(NOBODY)).expect("root may");
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut keeper = command.spawn().expect("there is a shell");
        let said = BufReader::new(keeper.stdout.as_mut().expect("piped")).lines().next();
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(said.is_some_and(|line| line.is_ok_and(|line| line == "ready")), "PostgreSQL does not start: {log}");
        Self { folder, port, keeper }
    }

    /// A database of that name on this server.
    pub(crate) fn at(&self, name: &str) -> Database {
        Database {
            servers: vec![Server { host: Host::Unix(self.folder.clone()), port: self.port }],
            name: name.to_owned(),
            user: "vestibule".into(),
            password: None,
            connections: 8,
        }
    }

    /// The folder of its socket, and the port in the socket's name.
    pub(crate) fn socket(&self) -> (&Path, u16) {
        (&self.folder, self.port)
    }

    /// A new store in a database of its own.
    pub(crate) async fn store(&self) -> Database {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let database = self.at(&format!("store_{}", MADE.fetch_add(1, Ordering::Relaxed)));
        let server = connect(&self.at("postgres")).await;
        if server.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await.is_ok() {
            drop(PostgresStore::open(&self.at(TEMPLATE), None).await.expect("a store that opens"));
            server.batch_execute(&format!("ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")).await.expect("finished");
        }
        // Another test may be making the template, and whoever made it takes a moment to leave it.
        let finished = format!("SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}' AND datistemplate");
        until(async || !server.query(&finished, &[]).await.expect("asked").is_empty()).await;
        until(async || {
            let copied = server.batch_execute(&format!("CREATE DATABASE {} TEMPLATE {TEMPLATE}", database.name)).await;
            match copied {
                Ok(()) => true,
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => false,
                Err(error) => panic!("no copy: {error:?}"),
            }
        })
        .await;
        database
    }

    /// Throws a database away, whoever uses it.
    pub(crate) async fn drop(&self, database: &Database) {
        let server = connect(&self.at("postgres")).await;
        server.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", database.name)).await.expect("dropped");
    }

    /// Stops the server and starts it again, as an update of it would.
    pub(crate) fn restart(&self) {
        self.control("restart");
    }

    /// Starts a server that was stopped.
    pub(crate) fn go_on(&self) {
        self.control("start");
    }

    /// Stops the server.
    pub(crate) fn stop(&self) {
        self.control("stop");
    }

    /// Stops the server as if it had crashed.
    pub(crate) fn crash(&self) {
        self.control("stop -m immediate");
    }

    /// Has a standby take over.
    pub(crate) fn is_promoted(&self) {
        self.control("promote");
    }

    /// Has every process of the server stand still: the one that starts the others first, for of those that it starts meanwhile
    /// none may be left out.
    pub(crate) fn freeze(&self) {
        self.signal("kill -STOP $MAIN && pkill -STOP -P $MAIN");
    }

    /// Has them go on, that one last.
    pub(crate) fn thaw(&self) {
        self.signal("pkill -CONT -P $MAIN && kill -CONT $MAIN");
    }

    fn signal(&self, script: &str) {
        let main = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let main = main.lines().next().expect("a number");
        let mut shell = Command::new("sh");
        assert!(shell.args(["-c", script]).env("MAIN", main).status().expect("there is a shell").success());
    }

    fn control(&self, what: &str) {
        let data = self.folder.join("data");
        let mut command = Command::new(programs().join("pg_ctl"));
        command.args(what.split(' ')).args(["-s", "-w", "-t", "120", "-D"]).arg(&data).current_dir("/");
        if ["start", "restart"].contains(&what) {
            command.arg("-l").arg(self.folder.join("log"));
        }
        if fs::metadata(&data).expect("there").uid() == NOBODY {
            command.uid(NOBODY).gid(NOBODY);
        }
        assert!(command.status().expect("there is pg_ctl").success(), "{what}");
    }
}

fn temporary() -> PathBuf {
    TempDir::with_prefix_in("vestibule-", "/tmp").expect("a temporary directory").keep()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // However it ended, there is nobody to tell.
        drop(self.keeper.wait());
    }
}

/// Asks the server itself, past the store.
pub(crate) async fn connect(database: &Database) -> Client {
    let [Server { host: Host::Unix(folder), port }] = &database.servers[..] else { panic!("{database:?}") };
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder).port(*port).user(&database.user).dbname(&database.name);
    let (client, connection) = config.connect(NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    client
}

/// Looks again and again, for half a minute.
pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "it does not come");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Where the newest server is installed: Debian keeps each version in a folder of its own, out of the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|entry| entry.path()).max_by_key(number);
    newest.expect("PostgreSQL is installed: `tests/run install` does that").join("bin")
}
