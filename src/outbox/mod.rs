//! The ground that everything else stands on: the nouns of the outbox and the two seams behind which the services are.
//!
//! `event`, `destination`, `flow`, `hold`, `route`, `template`, `partition`, `outcome`, `labels`, `time`, `hints`, `limits` and `link_report`
//! are nouns: data
//! and pure rules about it; `visible` is how text from elsewhere is shown. `store` and `broker` are the seams: what the relay asks of PostgreSQL and of RabbitMQ. Imports nothing of
//! this crate but `error` and `quick`.

pub mod broker;
pub mod carried;
pub mod destination;
pub mod event;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod flow;
pub mod hints;
pub mod hold;
pub mod labels;
pub mod limits;
pub mod link_report;
pub mod outcome;
pub mod partition;
pub mod route;
pub mod store;
pub mod template;
pub mod time;
pub mod visible;
