//! What the built program makes of heavy traffic and of real clients in HTTP/1.1 and HTTP/2: curl, nghttp and h2load.

mod bodies;
mod dashboard;
mod gateway;
mod pattern;
mod tools;
