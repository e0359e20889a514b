//! The program itself, told by a signal.

use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Command;
use std::time::Duration;

use tokio::net::TcpStream;

use super::program::{Program, file};
use super::support::{Dashboard, Written, ask, folder, plain, write};

#[tokio::test]
async fn a_hang_up_has_the_file_read_again_and_what_is_wrong_with_it_is_logged_and_left() {
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let folder = folder();
    let set = |text: &str| write(&folder, "vestibule.toml", text);
    set(&plain(&first).text());
    let program = Program::serve(&folder);
    let mut visitor = TcpStream::connect(program.listens()).await.expect("connected");
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "first");

    set(&plain(&second).text());
    program.hang_up();
    program.logged("reloaded the configuration");
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "second");

    set(&plain(&first).text().replace("workers = 2", "workers = 0\nworker = 1").replace("[\"*\"]", "[\"a b\"]"));
    program.hang_up();
    let lines = program.logged("not reloaded").join("\n");
    for wrong in ["unknown key \"worker\"", "0 workers can't be", "\"a b\" is no host", "server.workers", "site.hosts"]
    {
        assert!(lines.contains(wrong), "{wrong} is missing in {lines}");
    }
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "second");

    set(&Written { server: plain(&first).server.replace("127.0.0.1", "127.0.0.2"), ..plain(&first) }.text());
    program.hang_up();
    let lines = program.logged("not reloaded").join("\n");
    assert!(lines.contains("server.listen can't change while the gateway runs"), "{lines}");
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "second");

    set(&Written { rest: "[log]\nlevel = \"debug\"\n", ..plain(&first) }.text());
    program.hang_up();
    program.logged("reloaded the configuration");
    assert_eq!(ask(&mut visitor, "/open/x").await.expect("an answer").1, "first");
    program.logged("answered");
}

#[tokio::test]
async fn the_service_manager_is_told_when_the_gateway_is_ready_reloads_and_stops() {
    let dashboard = Dashboard::new("first").await;
    let folder = folder();
    let set = |text: &str| write(&folder, "vestibule.toml", text);
    set(&plain(&dashboard).text());
    let path = folder.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_secs(30))).expect("an option");
    let told = || {
        let mut message = [0; 64];
        let length = manager.recv(&mut message).expect("the gateway says something");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    let program = Program::start(command.args(["serve", "--config"]).arg(file(&folder)).env("NOTIFY_SOCKET", &path));
    assert_eq!(told(), "READY=1");
    for text in ["nonsense", &plain(&dashboard).text()] {
        set(text);
        program.hang_up();
        assert_eq!([told(), told()], ["RELOADING=1", "READY=1"]);
    }
    program.signal("-TERM");
    assert_eq!(told(), "STOPPING=1");
    program.logged("stopped");
}

#[tokio::test]
async fn sockets_of_the_service_manager_are_taken_over_and_outlive_a_restart() {
    let dashboard = Dashboard::new("first").await;
    let folder = folder();
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("bound");
    let path = folder.path().join("vestibule.sock");
    let unix = UnixListener::bind(&path).expect("a socket");
    let server = format!("listen = [\"{address}\", \"unix:{}\", \"127.0.0.1:0\"]\nworkers = 2", path.display());
    let written = Written { server, ..plain(&dashboard) };
    write(&folder, "vestibule.toml", &written.text());
    for _ in 0..2 {
        // Who comes before the gateway is there waits for it.
        let mut early = TcpStream::connect(address).await.expect("connected");
        let program = Program::serve_on(&folder, &tcp, &unix);
        assert_eq!(ask(&mut early, "/open/x").await.expect("an answer").1, "first");
        let mut local = tokio::net::UnixStream::connect(&path).await.expect("connected");
        assert_eq!(ask(&mut local, "/open/x").await.expect("an answer").1, "first");
        program.signal("-TERM");
        program.logged("stopped");
    }

    let other = Written { server: "listen = [\"127.0.0.1:0\"]".to_owned(), ..written };
    write(&folder, "vestibule.toml", &other.text());
    let program = Program::serve_on(&folder, &tcp, &unix);
    let said = program.logged("neither in server.listen nor operations.listen").join("\n");
    assert!(said.contains(&address.to_string()), "{said}");
}
