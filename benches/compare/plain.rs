//! What the libraries alone cost: a proxy of the same ones, on a runtime of the same kind, that looks at nothing.
//!
//! `plain PORT UPSTREAM_PORT`, both on 127.0.0.1. One thread. It is for the comparison alone: no limits, no deadlines, no
//! retries, and what the dashboard breaks off ends the client's connection.

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mimalloc::MiMalloc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The connections to the dashboard that were used, the last one on top.
type Idle = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let ports: Vec<u16> = std::env::args().skip(1).map(|port| port.parse()).collect::<Result<_, _>>()?;
    let [port, upstream] = ports[..] else {
        return Err("two ports are wanted: its own, and that of the upstream".into());
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().max_io_events_per_tick(16).build()?;
    LocalSet::new().block_on(&runtime, serve(port, upstream))
}

async fn serve(port: u16, upstream: u16) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let idle = Idle::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let idle = Rc::clone(&idle);
        let service = service_fn(move |request| forward(request, Rc::clone(&idle), upstream));
        // How a connection ends is the load generator's concern.
        spawn_local(async { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await) });
    }
}

/// Sends a request on, with what proxies say of themselves.
async fn forward(
    request: Request<Incoming>,
    idle: Idle,
    upstream: u16,
) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    let used = idle.borrow_mut().pop().filter(SendRequest::is_ready);
    let mut sender = match used {
        Some(sender) => sender,
        None => connect(upstream).await?,
    };
    let (mut head, body) = request.into_parts();
    head.headers.remove(CONNECTION);
    let host = head.headers.get(HOST).cloned().unwrap_or_else(|| HeaderValue::from_static(""));
    head.headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
    head.headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    head.headers.insert("x-forwarded-host", host);
    let mut answer = sender.send_request(Request::from_parts(head, body)).await?;
    answer.headers_mut().remove(CONNECTION);
    // It is ready again once the body was read.
    idle.borrow_mut().push(sender);
    Ok(answer)
}

async fn connect(upstream: u16) -> Result<SendRequest<Incoming>, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(("127.0.0.1", upstream)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    spawn_local(async { drop(connection.await) });
    Ok(sender)
}
