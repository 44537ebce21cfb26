//! What tests, the matrix of faults and the benchmarks share. Tested by `tests/testkit_checks`.
//!
//! A test opens a [`world`] (a [`bed`] of its own: database and vhost; queues, producers, consumers and their [`history`]), starts a
//! [`relay`] beside it or runs a [`command`], puts faults in between ([`proxy`], [`fake_broker`], [`services`] of its own), waits with
//! [`eventually`] for as long as [`patience`] allows, reads a [`queue`] or asks the database, and has the history judged ([`checker`]).
//! The pure parts of the relay take their events and policies from [`fixtures`].
//!
//! Everything here panics where it cannot go on: that is how a test fails.

mod answers;
pub mod bed;
pub mod certificates;
pub mod checker;
pub mod command;
pub mod consumer;
pub mod fake_broker;
pub mod fixtures;
pub mod history;
pub mod http;
pub mod management;
pub mod patience;
pub mod process;
pub mod program;
pub mod proxy;
pub mod queue;
pub mod relay;
pub mod services;
pub mod topology;
pub mod traffic;
pub mod urls;
pub mod wait;
pub mod world;
pub mod writer;

pub use self::{
    bed::TestBed,
    checker::{Bodies, Expect, Verdict, judge},
    consumer::Consumer,
    fake_broker::{Behaviour, FakeBroker},
    history::{Arrived, Committed, Fate, History, body_hash},
    management::Management,
    process::{Signal, signal},
    proxy::{Faults, Proxy, Stall},
    relay::Relay,
    services::PrivateServices,
    topology::{Queue, QueueKind, Topology},
    traffic::Traffic,
    wait::eventually,
    world::World,
    writer::{NewEvent, Writer},
};
