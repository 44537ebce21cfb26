//! The tests that need real services and real processes, and what belongs to them, in one program: everything is linked once.
//! A module is a subject; `cargo test --test suite journey::` runs one of them, `.. journey::p1` a part.

mod testkit_checks;

mod input;
mod configuration;

mod migrate;
mod connecting;
mod surface;
mod supervision;
mod upkeep;

mod journey;
mod fairness;
mod routes;
mod faults;

mod commands_reading;
mod commands_changing;
mod incidents;
