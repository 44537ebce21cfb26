//! The consumers with a real RabbitMQ and a real PostgreSQL: each message has its effect once, whatever is cut, and nothing is
//! lost. `dev/with-services NAME -- cargo test -p order-domain --features amqp,postgres --test consumer`.

#[path = "../support/mod.rs"]
mod support;

#[path = "../writer/database.rs"]
#[allow(dead_code, reason = "the tests of the writers use the rest")]
mod database;

mod ledger;
mod stage;

mod bad_input;
mod cuts;
mod dead_letters;
mod facts;
mod once;
mod pause;
mod retry;
mod stopping;
mod topology;
