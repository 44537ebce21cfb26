//! The clients of other services, against real HTTP servers on loopback that answer well, badly, slowly or not at all.
//! `cargo test -p order-domain --features http --test client`.

mod server;
mod stage;

mod bad_answers;
mod breaker;
mod breaker_model;
mod headers;
mod inventory;
mod payment;
mod product;
mod retrying;
mod tokens;
mod user;
