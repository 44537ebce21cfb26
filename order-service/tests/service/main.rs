//! The reference order service as a process, over HTTP, with a real PostgreSQL: every endpoint, every refusal, and what is
//! left when it is killed. `dev/with-services NAME -- cargo test -p order-service`.

mod broker;
mod database;
mod facts;
mod bodies;
mod gate;
mod hearers;
mod http;
mod program;
mod stage;
mod neighbours;
#[allow(dead_code, reason = "each test program uses a part")]
#[path = "../../../order-domain/tests/client/server.rs"]
mod server;
#[allow(dead_code, reason = "each test program uses a part")]
#[path = "../../../order-domain/tests/support/redis.rs"]
mod redis;

mod placing;
mod metrics;
mod moving;
mod reading;
mod refusing;
mod limits;
mod dying;
mod stopping;
mod document;
mod hearing;
mod faults;
mod checkout;
mod away;
mod reserving;
mod catching_up;
mod replying;
