//! What must never work: requests, forms, dashboards and stores that are not as they should be.

mod codes;
mod next;
mod origins;
mod probe;
mod requests;
mod store;
