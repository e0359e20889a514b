//! How long the built program takes on a full store, from its start to the first answer.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::Outcome;
use crate::figures::Times;
use crate::place::Place;

const TIMES: u32 = 20;

/// How long one start may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn measure(place: &Place, gateway: &Path) -> Outcome<()> {
    let folder = TempDir::new()?;
    let (port, operations) = (free_port()?, free_port()?);
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\n[operations]\nlisten = \"127.0.0.1:{operations}\"\n\
         [store]\nurl = \"{}\"\nkey_file = \"{}\"\n[totp]\nissuer = \"Acme\"\n\
         [[site]]\nname = \"insights\"\nhosts = [\"*\"]\nupstream = \"http://127.0.0.1:9\"\npublic = [\"/login\"]\n\
         login = \"/login\"\nlogout = [\"/logout\"]\n[site.identity]\nurl = \"/api/me\"\nuser = \"/id\"\n\
         organization = {{ fixed = \"org-1\" }}\n",
        place.url(),
        folder.path().join("vestibule.key").display(),
    );
    let file = folder.path().join("vestibule.toml");
    fs::write(&file, config)?;
    let mut times = Times::default();
    for _ in 0..TIMES {
        let begun = Instant::now();
        let mut running = Running(
            Command::new(gateway)
                .args(["serve", "--config"])
                .arg(&file)
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .spawn()?,
        );
        let answer = first_answer(port, &mut running.0)?;
        times.add(begun.elapsed());
        if !answer.starts_with("HTTP/1.1 303") {
            return Err(format!("it answers {answer}").into());
        }
    }
    times.tell("start, to the first answer", "");
    Ok(())
}

/// Ends the program, and waits for that.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a browser is answered that asks for a page, without having logged in.
fn first_answer(port: u16, running: &mut Child) -> Outcome<String> {
    let begun = Instant::now();
    let mut connection = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(connection) => break connection,
            Err(_) if begun.elapsed() < PATIENCE && running.try_wait()?.is_none() => sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
        }
    };
    connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Nobody else gets it for a while.
fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
