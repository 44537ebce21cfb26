//! The test support tested: a judge, a proxy or a fake broker that is wrong would make every other test worthless.

mod checker;
mod fake_broker;
mod proxy;
mod services;
mod small_things;
