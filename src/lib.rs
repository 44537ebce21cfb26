//! outbox-relay: publishes the rows of a PostgreSQL outbox table to RabbitMQ, in order per key, with publisher confirms.
//!
//! Read it in this order: the command line becomes a configuration, the app starts the tasks, the relay is the hot path, the links are
//! the two services behind it, the upkeep is the slow path beside it.
#![warn(unreachable_pub, clippy::wildcard_enum_match_arm)]

pub mod crash;
mod deadline;
pub mod error;
pub mod quick;

pub mod cli;
pub mod config;

pub mod app;

pub mod relay;

pub mod upkeep;

pub mod commands;

pub mod ops;

pub mod link;
