//! The test support tested: a judge, a proxy or a fake broker that is wrong would make every other test worthless.

mod support;

#[path = "support_checks/checker.rs"]
mod checker;
#[path = "support_checks/fake_broker.rs"]
mod fake_broker;
#[path = "support_checks/proxy.rs"]
mod proxy;
#[path = "support_checks/services.rs"]
mod services;
#[path = "support_checks/small_things.rs"]
mod small_things;
