//! Bodies much larger than the memory that passes them on: measured from outside, on the built program.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::gateway::{Gateway, Way};
use super::pattern::Pattern;

const MIB: u64 = 1 << 20;

/// More than 32 bits count. That takes half a minute; `VESTIBULE_LARGE_BODY` is for those who want another, in MiB.
fn size() -> u64 {
    let wanted = std::env::var("VESTIBULE_LARGE_BODY").ok();
    wanted.map_or(5 * 1024, |size| size.parse().expect("VESTIBULE_LARGE_BODY is a number of MiB")) * MIB
}

fn curl(gateway: &Gateway, how: &str, more: &[&str], path: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--fail", "--noproxy", "*", how]).args(more);
    command.arg(gateway.url(path)).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn download(gateway: &Gateway, how: &str, length: u64) {
    let mut child = curl(gateway, how, &[], &format!("large/{length}")).spawn().expect("curl");
    let mut answer = child.stdout.take().expect("piped");
    let (mut pattern, mut piece) = (Pattern::default(), vec![0; 1 << 16]);
    loop {
        match answer.read(&mut piece).expect("read") {
            0 => break,
            count => pattern.is_continued_by(&piece[..count]),
        }
    }
    assert_eq!(pattern.0, length);
    assert!(child.wait().expect("it ends").success());
}

fn upload(gateway: &Gateway, how: &str, length: u64) {
    let mut child = curl(gateway, how, &["--upload-file", "-", "--dump-header", "-"], "upload").spawn().expect("curl");
    let (mut body, mut pattern) = (child.stdin.take().expect("piped"), Pattern::default());
    while pattern.0 < length {
        body.write_all(&pattern.next(length - pattern.0)).expect("written");
    }
    drop(body);
    let answer = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&answer.stdout);
    assert!(answer.status.success() && said.contains(&format!("{length} bytes")), "{said}");
}

/// In KiB: a small part of what was sent through, a large one of what buffers may take.
const MORE: u64 = 16 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_five_gibibytes_takes_no_more_memory_than_a_small_one() {
    // TLS takes its time, so that there is less of it.
    for (way, how, share) in [(Way::Plain, "--http1.1", 1), (Way::Tls, "--http2", 5)] {
        let gateway = Gateway::start(way).await;
        tokio::task::block_in_place(|| {
            let all = |length| {
                download(&gateway, how, length);
                upload(&gateway, how, length);
            };
            all(32 * MIB);
            let before = gateway.peak();
            all(size() / share);
            let after = gateway.peak();
            assert!(after < before + MORE, "{how}: from {before} to {after} KiB");
        });
    }
}
