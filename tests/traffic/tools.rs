//! Clients that nobody here wrote, in both versions of HTTP, with TLS and without.

use std::io::Write;
use std::process::{Command, Stdio};

use super::dashboard::{self, PAGE};
use super::gateway::{Gateway, Way};
use super::pattern::Pattern;

/// Each way in, with how curl is told to take it.
const WAYS: [(Way, &[&str], &str); 4] = [
    (Way::Plain, &["--http1.1"], "1.1"),
    (Way::Plain, &["--http2-prior-knowledge"], "2"),
    (Way::Tls, &["--http1.1"], "1.1"),
    (Way::Tls, &["--http2"], "2"),
];

/// Runs a program that reads these bytes, and returns what it says.
async fn run(program: &'static str, arguments: Vec<String>, input: Vec<u8>) -> Vec<u8> {
    let said = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(program);
        command.args(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}, as tests/run installs it: {error}"));
        let mut stdin = child.stdin.take().expect("piped");
        let written = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {:?}: {} {said}", arguments.last(), output.status);
        // What it does not read is its own business.
        let _ = written.join().expect("no panic");
        output.stdout
    });
    said.await.expect("no panic")
}

/// What curl says of an answer.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next_back()
    }

    fn status(&self) -> &str {
        let line = self.head.lines().rfind(|line| line.starts_with("HTTP/")).expect("a status");
        line.split(' ').nth(1).expect("a status")
    }

    fn is_of_the_pattern(&self, range: std::ops::Range<u64>) {
        let mut pattern = Pattern(range.start);
        pattern.is_continued_by(&self.body);
        assert_eq!(pattern.0, range.end);
    }
}

async fn curl(gateway: &Gateway, how: &[&str], more: &[&str], path: &str) -> Answer {
    let always = ["--silent", "--show-error", "--insecure", "--max-time", "60", "--noproxy", "*", "--dump-header", "-"];
    let mut arguments: Vec<String> = [&always, how, more].concat().iter().map(ToString::to_string).collect();
    arguments.push(gateway.url(path));
    let mut input = Vec::new();
    let mut pattern = Pattern::default();
    while pattern.0 < UPLOAD {
        input.extend_from_slice(&pattern.next(UPLOAD - pattern.0));
    }
    let mut head = run("curl", arguments, input).await;
    // There is one head for each answer, those in between included.
    let mut end = 0;
    while head[end..].starts_with(b"HTTP/") {
        end += head[end..].windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    }
    let body = head.split_off(end);
    Answer { head: String::from_utf8(head).expect("text"), body }
}

const UPLOAD: u64 = 3_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_and_sends_bodies_of_every_kind() {
    for (way, how, version) in WAYS {
        let gateway = Gateway::start(way).await;
        let page = curl(&gateway, how, &[], "page").await;
        assert!(page.head.starts_with(&format!("HTTP/{version} 200")), "{}", page.head);
        page.is_of_the_pattern(0..PAGE);

        let range = curl(&gateway, how, &["--range", "5000-5999"], "page").await;
        assert_eq!((range.status(), range.field("content-range")), ("206", Some("bytes 5000-5999/10000")));
        range.is_of_the_pattern(5000..6000);
        let beyond = curl(&gateway, how, &["--range", "9999-10000"], "page").await;
        assert_eq!(beyond.status(), "416");

        let head = curl(&gateway, how, &["--head"], "page").await;
        assert_eq!((head.status(), head.field("content-length")), ("200", Some("10000")));
        for status in ["204", "304"] {
            let answer = curl(&gateway, how, &[], &format!("status/{status}")).await;
            assert_eq!((answer.status(), answer.field("etag"), answer.body.len()), (status, Some("\"1\""), 0));
        }

        for more in [&["--data-binary", "@-"][..], &["--upload-file", "-"], &["--data-binary", ""]] {
            let length = if more == ["--data-binary", ""] { 0 } else { UPLOAD };
            let answer = curl(&gateway, how, more, "upload").await;
            assert_eq!(answer.status(), "200", "{way:?} {how:?} {more:?}");
            assert_eq!(answer.field("x-read"), Some(format!("{length} bytes, 0 trailers, false").as_str()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_and_sends_large_heads_up_to_the_limit() {
    for (way, how, version) in WAYS {
        let gateway = Gateway::start(way).await;
        // More than 64 KiB, curl does not even send in HTTP/2.
        let too_large = (version == "1.1").then_some((70_000, "431"));
        for (size, status) in [(100, "200"), (30_000, "200"), (60_000, "200")].into_iter().chain(too_large) {
            let field = format!("x-large: {}", "y".repeat(size));
            let answer = curl(&gateway, how, &["--header", &field], &format!("fields/{}", size / 2)).await;
            assert_eq!(answer.status(), status, "{way:?} {how:?} {size}");
            if status == "200" {
                assert_eq!(answer.field("x-read"), Some(size.to_string().as_str()));
                assert_eq!(answer.field("x-large").map(str::len), Some(size / 2));
            }
        }
    }
}

async fn nghttp(gateway: &Gateway, more: &[&str], path: &str) -> String {
    let always = ["--verbose", "--no-verify-peer", "--null-out", "--timeout=60"];
    let mut arguments: Vec<_> = always.iter().chain(more).map(ToString::to_string).collect();
    arguments.push(gateway.url(path));
    String::from_utf8(run("nghttp", arguments, Vec::new()).await).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn nghttp_is_given_the_trailers_of_an_answer() {
    for way in [Way::Plain, Way::Tls] {
        let gateway = Gateway::in_front_of(way, dashboard::start_with_trailers().await);
        let said = nghttp(&gateway, &["--no-dep"], "trailers").await;
        assert!(said.contains(":status: 200") && said.contains("x-checksum: abc"), "{said}");
        assert!(!said.contains("content-length: 5"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nghttp_sends_bodies_and_its_trailers_go_no_further() {
    for way in [Way::Plain, Way::Tls] {
        let gateway = Gateway::start(way).await;
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), Pattern::default().next(5000)).expect("written");
        let data = format!("--data={}", file.path().display());
        for more in [&[data.as_str()][..], &[&data, "--expect-continue"], &[&data, "--trailer=x-vestibule-user: root"]]
        {
            let said = nghttp(&gateway, more, "upload").await;
            assert!(said.contains("x-read: 5000 bytes, 0 trailers, false"), "{more:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h2load_gets_every_answer_on_as_many_streams_as_a_connection_may_have() {
    const REQUESTS: usize = 3000;
    for way in [Way::Plain, Way::Tls] {
        let gateway = Gateway::start(way).await;
        for path in ["page", "status/204", "large/100000"] {
            let count = format!("--requests={REQUESTS}");
            let arguments = [&count, "--clients=4", "--max-concurrent-streams=100", &gateway.url(path)];
            let said = run("h2load", arguments.map(str::to_owned).to_vec(), Vec::new()).await;
            let said = String::from_utf8(said).expect("text");
            let all = format!("{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout");
            assert!(said.contains(&all) && said.contains(&format!("{REQUESTS} 2xx")), "{way:?} {path}: {said}");
        }
    }
}
