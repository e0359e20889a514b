//! The operator's listener: `/livez`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::gateway::Gateway;
use crate::telemetry::causes;

/// The content type of Prometheus' text format.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long to wait after a connection could not be accepted.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Answers until `over` is cancelled.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>, over: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = over.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(error = causes(&error), "can't accept an operations connection");
                    // Without sockets left to give, the next try fails at once as well.
                    tokio::time::sleep(AFTER_FAILURE).await;
                    continue;
                }
            },
        };
        let (gateway, over) = (Arc::clone(&gateway), over.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let gateway = Arc::clone(&gateway);
                async move { Ok::<_, Infallible>(answer(&gateway, &request).await) }
            });
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // What goes wrong here concerns whoever asked: there is nobody else to tell.
            let _ = tokio::select! {
                () = over.cancelled() => Ok(()),
                ended = connection => ended,
            };
        });
    }
}

async fn answer(gateway: &Gateway, request: &Request<Incoming>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "GET only\n".to_owned());
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "text/plain; charset=utf-8", "alive\n".to_owned()),
        "/readyz" => match gateway.store.ready().await {
            Ok(()) => text(StatusCode::OK, "text/plain; charset=utf-8", "ready\n".to_owned()),
            Err(error) => {
                tracing::warn!(error = causes(&error), "not ready");
                let unready = "not ready: the store does not answer\n".to_owned();
                text(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", unready)
            }
        },
        "/metrics" => text(StatusCode::OK, METRICS, gateway.metrics.text()),
        _ => text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "/livez, /readyz or /metrics\n".to_owned()),
    }
}

fn text(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::own(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
