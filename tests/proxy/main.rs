//! What arrives at the dashboard and at the client, byte for byte: both ends are raw sockets, the gateway between them is
//! the real listener and the real way to the dashboard, with a door that lets everybody through.

mod early_hints;
mod framing;
mod headers;
mod http2;
mod http2_floods;
mod http2_frames;
mod http2_websocket;
mod reuse;
mod stopping;
mod streaming;
mod support;
mod tls;
mod tunnels;
mod upstream_failures;
mod upstream_http2;
mod upstream_http2_nginx;
mod upstream_http2_tls;
mod upstream_http2_trouble;
mod upstream_http2_websocket;
