//! Which site a request is for, and its rules for paths.

pub(crate) mod cookie;
mod next;
mod path;
pub(crate) mod query;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, reason = "tests need more of it"))]
pub(crate) mod sample;

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Config, Hosts, PathPattern, Site};
use crate::message::RequestHead;

pub use next::safe_next;
pub(crate) use path::is_plain;

/// The protected dashboards, by host.
#[derive(Debug, Clone)]
pub struct Sites {
    all: Vec<Arc<Site>>,
    by_host: HashMap<String, usize>,
    any: Option<usize>,
    prefixes: Vec<String>,
}

impl Sites {
    /// The sites of a configuration, in its order.
    pub fn new(config: &Config) -> Self {
        let mut by_host = HashMap::new();
        let mut any = None;
        for (index, site) in config.sites.iter().enumerate() {
            match &site.hosts {
                Hosts::Any => any = any.or(Some(index)),
                Hosts::Named(hosts) => by_host.extend(hosts.iter().map(|host| (host.clone(), index))),
            }
        }
        let mut prefixes: Vec<_> = config.sites.iter().map(|site| site.prefix.clone()).collect();
        prefixes.sort();
        prefixes.dedup();
        Self { all: config.sites.clone(), by_host, any, prefixes }
    }

    /// The prefixes of their own pages, each once.
    pub fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// The site that answers on `host`, and its place in the configuration: the one that names the host, else the one
    /// that takes any. `host` is in lower case, without port or trailing dot; IPv6 addresses in brackets.
    pub fn for_host(&self, host: &str) -> Option<(usize, &Arc<Site>)> {
        let index = self.by_host.get(host).copied().or(self.any)?;
        self.all.get(index).map(|site| (index, site))
    }
}

/// What a path is to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The gateway's own, below the prefix, whether there is such a page or not.
    Own,
    /// Open to everybody.
    Public,
    /// Open to everybody, and ends the login.
    Logout,
    /// For those who have not logged in, and those with a passage.
    UntilLogin,
    /// For those with a passage. A request without credentials is that of the session which it names.
    BySession,
    /// For those with a passage.
    Protected,
}

/// The target of a request: path and query as they were sent.
pub fn target(head: &RequestHead) -> &str {
    head.uri.path_and_query().map_or("/", |target| target.as_str())
}

/// The rule for a request target, the path and query as they were sent.
///
/// Paths are compared byte for byte: an escaped spelling is another path. A path that two parties could read
/// differently (encoded slash, backslash or dot, dot segments, empty segments, `;`, control bytes, bytes that are no
/// UTF-8, an escape that nothing needs) is [`Rule::Protected`] whatever it looks like.
pub fn rule(site: &Site, target: &str) -> Rule {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let claimed = if is_own(site, path) {
        Rule::Own
    } else if site.logout.iter().any(|pattern| matches(pattern, path, target)) {
        Rule::Logout
    } else if site.public.iter().any(|pattern| matches(pattern, path, target)) {
        Rule::Public
    } else if site.public_until_login.iter().any(|pattern| matches(pattern, path, target)) {
        Rule::UntilLogin
    } else if site.by_session.iter().any(|pattern| matches(pattern, path, target)) {
        Rule::BySession
    } else {
        return Rule::Protected;
    };
    if path::is_plain(path) { claimed } else { Rule::Protected }
}

fn is_own(site: &Site, path: &str) -> bool {
    path.strip_prefix(site.prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn matches(pattern: &PathPattern, path: &str, target: &str) -> bool {
    match pattern {
        PathPattern::Path(exact) => path == exact,
        PathPattern::Below(folder) => path.starts_with(folder.as_str()),
        PathPattern::Target(exact) => target == exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insights() -> Site {
        Site {
            public_until_login: vec![PathPattern::Path("/front".into()), PathPattern::Path("/login".into())],
            by_session: vec![PathPattern::Path("/live".into()), PathPattern::Path("/login".into())],
            public: vec![
                PathPattern::Path("/login".into()),
                PathPattern::Path("/".into()),
                PathPattern::Path("/sign%20in".into()),
                PathPattern::Below("/static/".into()),
                PathPattern::Target("/index.php?title=Special:UserLogin".into()),
                PathPattern::Path("/static/../odd".into()),
            ],
            logout: vec![
                PathPattern::Path("/logout".into()),
                PathPattern::Path("/static/bye".into()),
                PathPattern::Target("/index.php?title=Special:UserLogout".into()),
            ],
            ..sample::site()
        }
    }

    fn check(rows: &[(&str, Rule)]) {
        let site = insights();
        for (target, expected) in rows {
            assert_eq!(rule(&site, target), *expected, "{target:?}");
        }
    }

    #[test]
    fn paths_are_open_only_as_the_operator_wrote_them() {
        use Rule::{BySession, Logout, Protected, Public, UntilLogin};
        check(&[
            ("/front", UntilLogin),
            ("/front?shared=/..", UntilLogin),
            ("/front/", Protected),
            ("/%66ront", Protected),
            ("/live", BySession),
            ("/live?topic=/..", BySession),
            ("/live/", Protected),
            ("/live;x", Protected),
            ("/", Public),
            ("/?anything=/at/all", Public),
            ("/login", Public),
            ("/login?next=/../%2f;\\", Public),
            ("/login?", Public),
            ("/login??", Public),
            ("/login/", Protected),
            ("/login/x", Protected),
            ("/Login", Protected),
            ("/loginx", Protected),
            ("/x/login", Protected),
            ("/api?/login", Protected),
            ("/api?x=/static/a.css", Protected),
            ("/sign%20in", Public),
            ("/sign in", Protected),
            ("/sign+in", Protected),
            ("/static", Protected),
            ("/static/", Public),
            ("/static/app.css", Public),
            ("/static/js/app.min.js?v=3", Public),
            ("/static/a%20b.css", Public),
            ("/static/%5Bslug%5D-1a2b.js", Public),
            ("/static/[slug]-1a2b.js", Public),
            ("/static/@scope/p+q,r=1!$&'()*:~.js", Public),
            ("/static/%40scope%2Bx", Public),
            ("/static/%E6%97%A5%E6%9C%AC.png", Public),
            ("/static/caf%c3%a9.png", Public),
            ("/static/a..b", Public),
            ("/static/.well", Public),
            ("/staticx/app.css", Protected),
            ("/STATIC/app.css", Protected),
            ("/logout", Logout),
            ("/logout?next=/", Logout),
            ("/logout/", Protected),
            ("/static/bye", Logout),
            ("/index.php?title=Special:UserLogin", Public),
            ("/index.php?title=Special:UserLogout", Logout),
            ("/index.php?title=Special:UserLogin&x=1", Protected),
            ("/index.php?x=1&title=Special:UserLogin", Protected),
            ("/index.php?title=Special%3AUserLogin", Protected),
            ("/index.php?title=special:userlogin", Protected),
            ("/index.php", Protected),
            ("/index.php?", Protected),
            ("", Protected),
            ("*", Protected),
            ("login", Protected),
            ("http://insights.acme.example/login", Protected),
            ("?/login", Protected),
        ]);
    }

    #[test]
    fn the_gateways_own_pages_are_below_the_prefix_in_its_plain_spelling() {
        use Rule::{Own, Protected};
        check(&[
            ("/_2fa", Own),
            ("/_2fa/", Own),
            ("/_2fa?x", Own),
            ("/_2fa/verify", Own),
            ("/_2fa/verify?next=/%2e%2e/", Own),
            ("/_2fa/no/such/page", Own),
            ("/_2fa/assets/app-1a2b.css", Own),
            ("/_2fax", Protected),
            ("/_2FA/verify", Protected),
            ("/%5f2fa/verify", Protected),
            ("/_2fa%2fverify", Protected),
            ("/_2fa/%76erify", Protected),
            ("/_2fa//verify", Protected),
            ("/_2fa/./verify", Protected),
            ("/_2fa/../admin", Protected),
            ("/_2fa/verify;x", Protected),
            ("/_2fa;x/verify", Protected),
            ("//_2fa/verify", Protected),
        ]);
    }

    /// Paths below a public one that two parties could read differently.
    #[rustfmt::skip]
    const BELOW_STATIC: &[&str] = &[
        "../admin", "x/../../admin", "..", "../", "./x", ".", "x/.", "x/..", "...", "..%20/admin", "%20", "x//y", "/x",
        "x//", "%2e%2e/admin", "%2E%2E/admin", ".%2e/admin", "%2e/x", "..%2fadmin", "..%2Fadmin", "x%2fy", "%2f",
        "x%5cy", "..\\admin", "x\\y", "..%5cadmin", "%5C..%5Cadmin", "..;/admin", "x;y", ";", "x%3by", "x%3By",
        "%252e%252e/admin", "x%252fy", "x%25", "x%00.css", "%00", "x%0ay", "x%0d%0ay", "x%09", "x%7f", "x%1f",
        "x\u{0}", "x\n", "x\ty", "x y", "x\u{7f}", "x%ff", "x%c3", "%c0%ae%c0%ae/admin", "%c0%afadmin", "%e0%80%af",
        "%ed%a0%80", "x%c2%85", "x%c2%9f", "x%e2%80%a8", "%ef%bc%8e%ef%bc%8e/admin", "%ef%bc%8fadmin",
        "%e2%88%95admin", "%e2%80%a4%e2%80%a4/admin", "x%", "x%2", "x%zz", "x%2g", "x%u002f", "%%32%66", "%61dmin",
        "log%6fut", "x%2dy", "x%5fy", "x%7ey", "x#y", "x%23y", "x%3fy", "日本.png", "x\u{ff0f}y", "x|y", "x\"y", "x<y>",
        "x^y", "x`y", "{x}", "x%e2%80%8by",
    ];

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_never_open() {
        for end in BELOW_STATIC {
            let target = format!("/static/{end}");
            assert_eq!(rule(&insights(), &target), Rule::Protected, "{target:?}");
            assert_eq!(rule(&insights(), &format!("{target}?v=1")), Rule::Protected, "{target:?} with a query");
        }
        let exact = [
            "/%6cogin",
            "/log%69n",
            "/%2flogin",
            "//login",
            "/./login",
            "/x/../login",
            "/login;x",
            "/login%00",
            "/login%20",
            "/login/.",
        ];
        let exact = exact.iter().chain(&[
            "/%6cogout",
            "/static/../odd",
            "/static/by%65",
            "/login#",
            "/login\\",
            "\\login",
            "/logout%2f",
        ]);
        for target in exact {
            assert_eq!(rule(&insights(), target), Rule::Protected, "{target:?}");
        }
    }

    #[test]
    fn an_operator_who_opens_everything_still_opens_no_path_of_two_readings() {
        let site = Site { public: vec![PathPattern::Below("/".into())], ..sample::site() };
        assert_eq!(rule(&site, "/anything/at/all"), Rule::Public);
        assert_eq!(rule(&site, "/_2fa/verify"), Rule::Own);
        for target in ["//x", "/a/../b", "/a%2fb", "/%5f2fa/verify", "/_2fa/../x", "*", ""] {
            assert_eq!(rule(&site, target), Rule::Protected, "{target:?}");
        }
    }

    #[test]
    fn a_site_is_found_by_its_exact_host_before_the_one_that_takes_any() {
        let any = Site { name: "any".into(), hosts: Hosts::Any, ..sample::site() };
        let named = |name: &str, hosts: &[&str]| Site {
            name: name.into(),
            hosts: Hosts::Named(hosts.iter().map(ToString::to_string).collect()),
            ..sample::site()
        };
        let config = |sites: Vec<Site>| Config { sites: sites.into_iter().map(Arc::new).collect(), ..sample::config() };
        let a = named("a", &["a.example", "[::1]"]);
        let b = named("b", &["b.example"]);
        let all = Sites::new(&config(vec![any, a.clone(), b]));
        let name = |sites: &Sites, host| sites.for_host(host).map(|(index, site)| (index, site.name.clone()));
        assert_eq!(name(&all, "a.example"), Some((1, "a".into())));
        assert_eq!(name(&all, "[::1]"), Some((1, "a".into())));
        assert_eq!(name(&all, "b.example"), Some((2, "b".into())));
        assert_eq!(name(&all, "x.a.example"), Some((0, "any".into())));
        assert_eq!(name(&all, ""), Some((0, "any".into())));
        let only = Sites::new(&config(vec![a]));
        assert_eq!(name(&only, "b.example"), None);
        assert_eq!(name(&only, "a.example.evil"), None);
        assert_eq!(name(&only, ""), None);
    }

    #[test]
    fn prefixes_are_listed_once_each() {
        let of = |prefix: &str| Arc::new(Site { prefix: prefix.into(), ..sample::site() });
        let sites = Sites::new(&Config { sites: ["/b", "/a", "/b"].map(of).into(), ..sample::config() });
        assert_eq!(sites.prefixes(), ["/a", "/b"]);
    }

    #[test]
    fn a_target_is_path_and_query_as_they_were_sent() {
        let rows = [("/a%2Fb?c=%41&", "/a%2Fb?c=%41&"), ("http://insights.example/x?", "/x?"), ("*", "*")];
        for (sent, expected) in rows {
            let head = http::Request::builder().uri(sent).body(()).expect("a request").into_parts().0.into();
            assert_eq!(target(&head), expected);
        }
    }
}
