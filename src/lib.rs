//! outbox-relay publishes the rows of a PostgreSQL outbox table to RabbitMQ, in order per key, with
//! publisher confirms.
//!
//! ```text
//!  order service's transaction     relay: one worker, one batch = one database transaction            RabbitMQ
//!    INSERT outbox.events ──► wake ──► claim ──► route ──► envelope ──► message ──► publish ════════► exchange
//!                               ▲      BEGIN                                          │  ack, return,
//!                               │      lock lanes                                     ▼  nack, close
//!                               └───── COMMIT ◄──────────── settle ◄──────────── verdict
//! ```
//!
//! Route, envelope and message run inside publish, for one event at a time when its turn comes.
//!
//! Read it from the ground up, in the order of the modules below; every import points to a module above its own line, and
//! `docs/architecture.md` says why the pieces are as they are. In a hurry? `outbox::event`, then `relay::batch`, then `relay::verdict`.
#![warn(unreachable_pub, clippy::wildcard_enum_match_arm)]

/// How a command ends: its error and its exit code.
pub mod error;
/// A wait with a limit, and an error that says what took too long.
mod deadline;
/// Maps and sets with a fast hash, for keys that no stranger chooses.
pub mod quick;
/// Where the fault matrix may kill the program; compiled to nothing in a release.
pub mod crash;

/// The nouns (event, destination, route, hold, outcome) and the two seams, `store` and `broker`.
pub mod outbox;

/// What both connections share: TLS, secrets, pauses with jitter.
pub mod net;
/// Pure: an event on a route becomes an AMQP message.
pub mod message;
/// The store behind its seam: claims batches, settles them, keeps each lane's floor, the seq where its claims start.
pub mod postgres;
/// The broker behind its seam: one supervised connection, channels with publisher confirms.
pub mod rabbitmq;
/// What operators see of the process: metrics, logs, health, spans, signals.
pub mod ops;

/// The hot path: workers, the order of the stages, the verdict, late confirms, probes of holds.
pub mod relay;
/// The slow path: floors, sweeps, gauges, retention. Most of it runs on one replica at a time.
pub mod upkeep;

/// The command line: names, defaults, help.
pub mod cli;
/// From arguments to a checked configuration.
pub mod config;
/// Starts the tasks of `run` and sees them to their end.
pub mod app;
/// The commands that operators run.
pub mod commands;
