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

mod placing;
mod moving;
mod reading;
mod refusing;
mod limits;
mod dying;
mod stopping;
mod document;
mod hearing;
mod faults;
