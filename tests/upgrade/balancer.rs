//! A load balancer: each connection goes to the next of the gateways that take part.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::support::until;

/// A gateway that takes part, and the connections to it.
struct Member {
    gateway: SocketAddr,
    open: usize,
    carried: usize,
    is_in: bool,
}

#[derive(Clone)]
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    members: Arc<Mutex<Vec<Member>>>,
}

impl Balancer {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let balancer = Self { address: listener.local_addr().expect("bound"), members: Arc::default() };
        let carrier = balancer.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carrier.clone().carry(client));
            }
        });
        balancer
    }

    /// From now on, connections go to this one too.
    pub(crate) fn takes_in(&self, gateway: SocketAddr) {
        self.with(|members| members.push(Member { gateway, open: 0, carried: 0, is_in: true }));
    }

    /// From now on, none goes to this one. Waits until those that did have ended, and says how many there were.
    pub(crate) async fn drains(&self, gateway: SocketAddr) -> usize {
        self.of(gateway, |member| member.is_in = false);
        until("its connections end", async || self.of(gateway, |member| member.open) == 0).await;
        self.of(gateway, |member| member.carried)
    }

    async fn carry(self, mut client: TcpStream) {
        let gateway = self.with(|members| {
            let next = members.iter_mut().filter(|member| member.is_in).min_by_key(|member| member.carried);
            let member = next.expect("a gateway takes part");
            member.open += 1;
            member.carried += 1;
            member.gateway
        });
        if let Ok(mut server) = TcpStream::connect(gateway).await {
            // Whoever was cut off notices.
            drop(copy_bidirectional(&mut client, &mut server).await);
        }
        self.of(gateway, |member| member.open -= 1);
    }

    fn of<T>(&self, gateway: SocketAddr, look: impl FnOnce(&mut Member) -> T) -> T {
        self.with(|members| look(members.iter_mut().find(|member| member.gateway == gateway).expect("it was taken in")))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Member>) -> T) -> T {
        look(&mut self.members.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
