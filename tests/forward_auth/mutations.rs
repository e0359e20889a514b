//! Questions that were spoiled at random: leave is given only to a request that is open, or whose sender has passed.

use crate::asking::{ALL, IDENTITY, asked};
use crate::support::dashboard::MARK;
use crate::support::http::{Answer, exchange};
use crate::support::world::World;

/// Numbers that look random, and are the same each time (xorshift64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("below a usize")
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.throw(of.len())]
    }
}

const NAMES: [&str; 22] = [
    "Host",
    "X-Original-URI",
    "X-Original-Method",
    "X-Original-URL",
    "X-Original-Host",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-For",
    "X-Rewrite-URL",
    "Forwarded",
    "Cookie",
    "Authorization",
    "X-Vestibule-User",
    "X_Vestibule_User",
    "X-Vestibule-Factor",
    "Connection",
    "Upgrade",
    "Content-Length",
    "Transfer-Encoding",
    "Sec-Fetch-Mode",
];

const VALUES: [&str; 24] = [
    "",
    "/",
    "/login",
    "/login?next=/reports",
    "/reports",
    "/static/../reports",
    "/static/x",
    "/login/",
    "//login",
    "/logout",
    "/_2fa/verify",
    "/login%2f..",
    "*",
    "http://127.0.0.1/login",
    "GET",
    "POST",
    "CONNECT",
    "127.0.0.1",
    "insights.example",
    "https",
    "http",
    "close, cookie",
    "vestibule=x",
    "totp",
];

/// A question, a field on each line.
type Lines = Vec<(String, String)>;

struct Asking {
    address: String,
    lines: Lines,
}

impl Asking {
    fn new(server: &str, target: &str, host: &str, cookies: &str) -> Self {
        let own: &[(&str, &str)] = match server {
            "nginx" => &[("Host", host), ("X-Original-Method", "GET"), ("X-Original-URI", target)],
            "envoy" => &[("Host", host)],
            _ => &[
                ("Host", "vestibule:80"),
                ("X-Forwarded-Method", "GET"),
                ("X-Forwarded-Uri", target),
                ("X-Forwarded-Host", host),
            ],
        };
        let shared =
            [("X-Forwarded-Proto", "http"), ("X-Forwarded-For", "127.0.0.1"), ("Cookie", cookies), ("Accept", "*/*")];
        let lines = own.iter().chain(&shared).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let address = match server {
            "envoy" => format!("/_2fa/auth/envoy{target}"),
            _ => format!("/_2fa/auth/{server}"),
        };
        Self { address, lines }
    }

    fn spoil(&mut self, dice: &mut Dice) {
        let line = dice.throw(self.lines.len());
        match dice.throw(8) {
            0 => drop(self.lines.remove(line)),
            1 => self.lines.push(self.lines[line].clone()),
            2 => dice.one(&VALUES).clone_into(&mut self.lines[line].1),
            3 => dice.one(&NAMES).clone_into(&mut self.lines[line].0),
            4 => self.lines.push((dice.one(&NAMES).to_owned(), dice.one(&VALUES).to_owned())),
            5 => {
                let other = dice.throw(self.lines.len());
                let value = self.lines[other].1.clone();
                self.lines[line].1 = value;
            }
            6 => {
                let value = &mut self.lines[line].1;
                let at = (0..=value.len()).filter(|at| value.is_char_boundary(*at)).nth(dice.throw(value.len() + 1));
                value.insert(
                    at.expect("a place"),
                    char::from(dice.one(&[&b' ', &b'/', &b'%', &b';', &b',', &0xe9, &b'#']).to_owned()),
                );
            }
            _ => {
                let at = dice.throw(self.address.len() + 1);
                self.address.insert_str(at, dice.one(&["/", "/login", "%2f", "x", "?", "/answer", ".."]));
            }
        }
    }

    async fn put(&self, world: &World) -> Answer {
        let mut bytes = format!("GET {} HTTP/1.1\r\nConnection: close\r\n", self.address).into_bytes();
        for (name, value) in &self.lines {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        exchange(world.gateway(), &bytes).await
    }

    /// The only value of a field.
    fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.lines.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let first = values.next();
        values.next().is_none().then_some(first)?.map(|(_, value)| value.trim_matches([' ', '\t']))
    }

    /// Which request is asked about, read as simply as can be.
    fn target(&self) -> Option<&str> {
        let envoy = "/_2fa/auth/envoy";
        match self.address.split('?').next().unwrap_or_default() {
            "/_2fa/auth/nginx" => self.only("X-Original-URI"),
            "/_2fa/auth/traefik" | "/_2fa/auth/caddy" | "/_2fa/auth/haproxy" => self.only("X-Forwarded-Uri"),
            address if address.starts_with(envoy) => Some(&self.address[envoy.len()..]),
            _ => None,
        }
    }

    /// Whether that is open to everybody: its path for a method that is known.
    fn is_open(&self) -> bool {
        let method = match self.address.split('?').next().unwrap_or_default() {
            "/_2fa/auth/nginx" => self.only("X-Original-Method"),
            "/_2fa/auth/traefik" | "/_2fa/auth/caddy" | "/_2fa/auth/haproxy" => self.only("X-Forwarded-Method"),
            _ => None,
        };
        self.target().is_some_and(is_open) && method.is_none_or(|method| ["GET", "POST"].contains(&method))
    }
}

fn is_open(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let plain = path.strip_prefix("/static/").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    plain || ["/login", "/logout", "/static/"].contains(&path)
}

/// Puts that many spoiled questions, each server's in turn, about a protected and an open path.
async fn put(world: &World, cookies: &str, dice: &mut Dice, count: usize, mut judge: impl FnMut(&Asking, &Answer)) {
    let host = world.gateway().to_string();
    for number in 0..count {
        let target = if number % 10 < 5 { "/reports" } else { "/login" };
        let mut asking = Asking::new(ALL[number % 5], target, &host, cookies);
        for _ in 0..=dice.throw(3) {
            asking.spoil(dice);
        }
        let answer = asking.put(world).await;
        if answer.field(MARK).is_some() {
            // At a spoiled address it is a request like others, and the dashboard has answered it.
            assert_eq!(asking.target(), None, "{}", asking.address);
            continue;
        }
        judge(&asking, &answer);
    }
}

#[tokio::test]
async fn who_has_not_passed_gets_leave_for_what_is_open_alone() {
    let world = World::open(asked()).await;
    let mut bob = world.enrolled("bob").await.elsewhere();
    bob.logs_in().await;
    bob.opens("/").await;
    let cookies = format!("sid={}; vestibule={}", bob.cookie("sid").expect("a login"), bob.session().expect("pending"));
    let mut open = 0;
    put(&world, &cookies, &mut Dice(0x5eed), 3000, |asking, answer| {
        if !(200..300).contains(&answer.status) {
            return;
        }
        assert!(answer.status == 200 && asking.is_open(), "{} {:?}: {}", asking.address, asking.lines, answer.status);
        assert_eq!(answer.field(IDENTITY[0]), Some(""), "nobody is named");
        open += 1;
    })
    .await;
    assert!(open > 100, "{open} times");
}

#[tokio::test]
async fn who_has_passed_is_named_and_nobody_else() {
    let world = World::open(asked()).await;
    let enrolled = world.enrolled("bob").await;
    let (mut named, mut dice) = (0, Dice(0x5eed));
    for _ in 0..60 {
        // A question without the login ends the session.
        let mut bob = enrolled.elsewhere();
        bob.signs_in().await;
        let (login, session) = (bob.cookie("sid").expect("a login"), bob.session().expect("verified"));
        let cookies = format!("sid={login}; vestibule={session}");
        named += names(&world, &cookies, &mut dice).await;
    }
    assert!(named > 100, "{named} times");
}

/// How many of some spoiled questions get leave for a protected path; fails if one does that names somebody else.
async fn names(world: &World, cookies: &str, dice: &mut Dice) -> usize {
    let mut named = 0;
    put(world, cookies, dice, 50, |asking, answer| {
        if !(200..300).contains(&answer.status) {
            return;
        }
        let about = format!("{} {:?}", asking.address, asking.lines);
        assert_eq!(answer.status, 200, "{about}");
        assert!(asking.target().is_some(), "leave for no request: {about}");
        let expected = if asking.is_open() { "" } else { "id-bob" };
        assert_eq!(answer.field(IDENTITY[0]), Some(expected), "{about}");
        let cookies = asking.only("Cookie").unwrap_or_default();
        assert!(asking.is_open() || cookies.contains("vestibule=v"), "{about}");
        named += usize::from(!asking.is_open());
    })
    .await;
    named
}
