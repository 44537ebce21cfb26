//! The writers against a real PostgreSQL with the relay's own table: what is written, all or nothing, in order, and what
//! the check of the order promise finds. `dev/with-services NAME -- cargo test -p order-domain --features postgres,sqlx`.

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the tests of the service use the rest")]
mod database;
mod sqlx_writer;
mod tokio_writer;
