//! Three incidents, each caused for real and then solved with the commands of `outbox-relay` alone, as `docs/incidents.md` tells them.
//! The document's blocks are what the commands said here: `UPDATE_DOCS=1 dev/with-services docs -- cargo test --test suite incidents::`
//! rewrites them. Nothing here looks into the tables to decide what to do; the judge does at the end.

mod exchange_deleted;
mod office;
mod order_stuck;
mod stable;
mod transcript;
mod was_it_sent;
