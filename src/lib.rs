//! Vestibule: the second factor for dashboards that only have a password.
//!
//! One process in front of a dashboard. For each request it finds out who has logged in there, and lets the request
//! through only if that person's second factor is verified or nobody asks for one.
//!
//! # The journey of a request
//!
//! 1. A connection comes in at the [`listener`], on one of its workers. What is ambiguous is refused here, before
//!    anything reads it ([`listener::framing::check`]). Everything after that is [`gateway`], whose `journey` reads as
//!    the list that follows.
//! 2. The host says which [`site`] it is for.
//! 3. The peer, or a trusted peer's word, says which client it comes from ([`identity::client`]). Header fields that only
//!    the gateway may set are dropped ([`proxy::headers::strip`]), and the gateway's own cookie is taken out
//!    ([`session_cookie::take`]).
//! 4. The path is one of the gateway's own, open to everybody, or protected ([`site::rule`]). Own pages are answered by
//!    [`pages`]; open paths skip to step 8.
//! 5. The site's source says who has logged in ([`identity::source`]): the dashboard, which is asked whose the request's
//!    credentials are ([`identity::probe`]), a login in front ([`identity::outer_login`]) or a signed token
//!    ([`identity::token`]). Each gives a [`Verdict`](identity::Verdict): somebody, nobody, or nothing that can be used.
//!    The last never passes.
//! 6. The person's account, their organization's requirement and their session are looked up ([`visit`]), in memory as
//!    long as the store's change feed proves that memory right ([`standing`]).
//! 7. [`decide`](second_factor::policy::decide) says what is to be done. If the answer is to pass, it comes with a
//!    [`Passage`](second_factor::policy::Passage), which nothing else can make. If not, [`pages::stop`] sends people to
//!    the page that asks for what is missing, and tells programs its address.
//! 8. [`proxy::forward`] takes the passage and sends the request on, over a connection of [`upstream`], and the answer
//!    back. What lives on after that, as a WebSocket does, is kept track of in [`proxy::tunnels`].
//!
//! A server in front may ask for each request whether it may send it on itself. [`forward_auth`] makes the head of such a
//! question that of the request it is about, which then takes the same way, up to where it would be sent on: there the
//! passage becomes leave for that server.
//!
//! Whatever fails on the way becomes an answer in one place, [`failure`].
//!
//! # The rooms
//!
//! [`second_factor`] holds the rules and knows nothing of HTTP, SQL or the machine. [`store`] is the contract by which
//! things are kept, and its engines. [`config`] is what the operator wants. [`clock`] and [`entropy`] are the only
//! modules that ask the machine for the time and for random bytes. `ARCHITECTURE.md` says who may know whom, and why.

// From the command line to a running gateway.
pub mod audit_chain;
pub mod commands;
pub mod config;
pub mod copying;
pub mod core_dumps;
pub mod huge_pages;
pub mod key_file;
pub mod key_rotation;
pub mod open_files;
pub mod opening;
pub mod reload;
pub mod render;
pub mod service_manager;
pub mod start;
mod upkeep;

// What goes through: requests, and their answers.
pub mod message;

// A request's way in, and the one function that leads it on.
pub mod listener;

pub mod gateway;

// What is found out about it.
pub mod site;

pub mod identity;

pub mod session_cookie;

pub mod visit;

pub mod standing;

// What is decided, and what is kept.
pub mod second_factor;
pub mod store;

// What it is answered with: a page of ours, the dashboard's answer, or leave for a server in front.
pub mod forward_auth;
pub mod pages;
pub mod proxy;
pub mod upstream;

mod authorities;

// What answers are made of.
pub mod audience;
pub mod body;
pub mod failure;
mod http1;
mod http2;
mod pace;
pub mod respond;

// The operator's view, and what is asked of the machine.
pub mod operations;
pub mod telemetry;

mod alarm;
mod bookmark;
pub mod clock;
pub mod entropy;
pub mod memory;
mod tcp;
mod tokens;
mod via;

// What reads bytes from outside, held against another reading of them: in tests, and built for a fuzzer.
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/targets/mod.rs"]
pub mod fuzzing;
