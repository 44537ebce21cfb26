//! The two services behind the seams: PostgreSQL (`database`, `store`, `batch`, `listen`) and RabbitMQ (`broker`, `channel`, `judge`).

pub mod batch;
pub mod broker;
pub(crate) mod call;
pub mod channel;
pub mod database;
pub mod judge;
pub mod listen;
pub mod queries;
pub(crate) mod rows;
pub mod secret;
pub mod store;
pub mod wire;
