//! A dashboard that runs at several addresses.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::support::{Dashboard, House, Written, ask, folder, plain, soon};

fn at(urls: &[&str], dashboard: &Dashboard) -> Written {
    Written { upstream: format!("{urls:?}"), ..plain(dashboard) }
}

#[tokio::test]
async fn a_dead_address_costs_no_request_and_the_first_live_one_gets_them_all() {
    let held = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let dead = format!("http://{}", held.local_addr().expect("bound"));
    drop(held);
    let (first, second) = (Dashboard::new("first").await, Dashboard::new("second").await);
    let house = House::new(folder(), &at(&[&dead, &first.url(), &second.url()], &first)).await;
    for _ in 0..4 {
        let mut visitor = house.connect().await;
        for target in ["/open/x", "/protected"] {
            assert_eq!(ask(&mut visitor, target).await.expect("an answer"), (200, "first".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again_elsewhere() {
    let breaks_off = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", breaks_off.local_addr().expect("bound"));
    let second = Dashboard::new("second").await;
    let house = House::new(folder(), &at(&[&url, &second.url()], &second)).await;
    let mut visitor = house.connect().await;
    let dashboard = async {
        let (mut stream, _) = soon(breaks_off.accept()).await.expect("a connection");
        soon(stream.read(&mut [0; 16])).await.expect("a request");
    };
    let (answer, ()) = tokio::join!(ask(&mut visitor, "/open/x"), dashboard);
    assert_eq!(answer.expect("an answer").0, 502);
}
