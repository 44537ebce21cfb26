//! What every integration test shares: fresh databases and vhosts, real relay processes, faults between them, and the
//! judge of the history that comes out. Used by all files in `tests/`.

pub mod bed;
pub mod certificates;
pub mod checker;
pub mod consumer;
pub mod fake_broker;
pub mod history;
pub mod http;
pub mod management;
pub mod process;
pub mod program;
pub mod proxy;
pub mod relay;
pub mod services;
pub mod shop;
pub mod topology;
pub mod traffic;
pub mod urls;
pub mod wait;
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
    shop::Shop,
    topology::{Queue, QueueKind, Topology},
    traffic::Traffic,
    wait::eventually,
    writer::{NewEvent, Writer},
};
