//! Other processes: this test program, started again to play one part.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;
use tempfile::TempDir;
use vestibule::second_factor::account::AccountId;
use vestibule::second_factor::policy::Authority;
use vestibule::second_factor::session::TokenDigest;
use vestibule::second_factor::totp::Step;
use vestibule::store::sqlite::SqliteStore;

use crate::engines::{Place, runtime};
use crate::world::{NOON, World, at, by_operator};

/// What a part is told: where the store is, and the account it is about.
const STORE: &str = "VESTIBULE_TEST_STORE";
const ACCOUNT: &str = "VESTIBULE_TEST_ACCOUNT";

/// What a part says to whoever started it begins with this.
const SAYS: &str = "child says: ";

/// A sign-in that a killed process had confirmed.
pub(crate) struct SignIn {
    pub(crate) account: AccountId,
    pub(crate) step: Step,
    pub(crate) digest: TokenDigest,
}

pub(crate) struct Child;

impl Child {
    /// What a user who may only read is told of the store. Root may always write, so root plays somebody else.
    pub(crate) fn refused_as_nobody(directory: &TempDir, file: &Path) -> String {
        const NOBODY: u32 = 65534;
        let this_program = std::env::current_exe().expect("this program");
        let is_root = std::fs::metadata(directory).expect("there").uid() == 0;
        // Root may run from where nobody else can look.
        let readable = TempDir::new().expect("a temporary directory");
        let program = readable.path().join("child");
        std::fs::copy(this_program, &program).expect("copied");
        open_to_all(readable.path());
        let mut command = part("child::opens", &program, &Place::Sqlite(file.to_owned()));
        if is_root {
            command.uid(NOBODY).gid(NOBODY).current_dir("/");
        }
        said(command).join("\n")
    }

    /// Another process resets the account and ends.
    pub(crate) fn resets(place: &Place, account: AccountId) {
        let mut command = part("child::resets", &std::env::current_exe().expect("this program"), place);
        command.env(ACCOUNT, account.0.to_string());
        assert_eq!(said(command), ["reset"]);
    }

    /// Another process signs people in, until it is killed after that many sign-ins or a few more. What it had
    /// confirmed by then.
    pub(crate) fn killed_while_signing_in(place: &Place, after: usize) -> Vec<SignIn> {
        let mut command = part("child::signs_people_in", &std::env::current_exe().expect("this program"), place);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
        let mut confirmed = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            confirmed.extend(line.expect("text").strip_prefix(SAYS).map(parse));
            if confirmed.len() == after {
                // SIGKILL. What is in the pipe already was said before it, and is read to the end.
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        confirmed
    }
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).expect("ours");
}

fn part(name: &str, program: &Path, place: &Place) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", name, "--ignored"]).env(STORE, place.line());
    command
}

/// What a part says until it ends; it has to end well.
fn said(mut command: Command) -> Vec<String> {
    let output = command.output().expect("started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.strip_prefix(SAYS)).map(String::from).collect()
}

fn parse(line: &str) -> SignIn {
    let words: Vec<&str> = line.split(' ').collect();
    let [account, step, digest] = words[..] else { panic!("{line:?}") };
    let digest = HEXLOWER.decode(digest.as_bytes()).expect("a digest");
    SignIn {
        account: AccountId(account.parse().expect("a number")),
        step: Step(step.parse().expect("a number")),
        digest: TokenDigest(digest.try_into().expect("32 bytes")),
    }
}

fn told(what: &str) -> String {
    std::env::var(what).expect("whoever starts this part tells it")
}

fn place() -> Place {
    Place::of_line(&told(STORE))
}

/// One line, in one write, so that a kill can't cut it.
fn say(words: &str) {
    // The test harness has begun a line of its own.
    std::io::stdout().write_all(format!("\n{SAYS}{words}\n").as_bytes()).expect("somebody listens");
    std::io::stdout().flush().expect("somebody listens");
}

#[test]
#[ignore = "a part that another test starts as a process of its own"]
fn opens() {
    let Place::Sqlite(file) = place() else { panic!("it is about files") };
    match SqliteStore::open(&file) {
        Ok(_) => say("opened"),
        Err(error) => say(&error.to_string()),
    }
}

#[test]
#[ignore = "a part that another test starts as a process of its own"]
fn resets() {
    let account = told(ACCOUNT).parse().map(AccountId).expect("a number");
    runtime().block_on(async {
        let store = place().open().await;
        let (_, organization) = store.account(account).await.expect("read").expect("an account");
        let by = Authority::Operator(organization.id);
        store.reset_account(by, account, by_operator(NOON)).await.expect("answered").expect("reset");
    });
    say("reset");
}

#[test]
#[ignore = "a part that another test starts as a process of its own and kills"]
fn signs_people_in() {
    runtime().block_on(async {
        let world = World::at(place()).await;
        let mut people = tokio::task::JoinSet::new();
        for number in 0..16 {
            let (world, organization) = (world.clone(), format!("killed-{}", std::process::id()));
            people.spawn(async move {
                let person = world.person(&organization, &number.to_string()).await;
                for step in 101.. {
                    let session = world.sign_in(person.id, step, at(step)).await;
                    say(&format!("{} {step} {}", person.id.0, HEXLOWER.encode(&session.digest.0)));
                }
            });
        }
        people.join_all().await;
    });
}
