//! The copies of products, in memory and in a real Redis: which answer wins, and how little a store may cost that fails.
//! `cargo test -p order-domain --features redis --test cache`, with redis-server installed.

#[path = "../support/redis.rs"]
mod redis;
#[allow(dead_code, reason = "each test program uses a part")]
#[path = "../client/server.rs"]
mod server;

mod failing;
mod keeping;
mod products;
mod stage;
