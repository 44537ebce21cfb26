//! RabbitMQ, behind the seam `outbox::broker`.
//!
//! `connect` makes one connection, `supervisor` keeps one up, `slots` shares out its channels, `channel` publishes and reads what comes back, `confirms` decides what a
//! confirm is worth, `ready` wakes it for the confirms that are there, `login` tells an expired login from a missing permission, `wire` makes the library's types. `inspect` looks for `check`.

pub mod channel;
pub mod confirms;
pub mod connect;
pub mod inspect;
mod login;
mod ready;
mod slots;
pub mod supervisor;
pub mod wire;
