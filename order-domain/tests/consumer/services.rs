//! The relay's test support, as far as it knows nothing of the relay.
#![allow(dead_code, reason = "the tests of the relay use the rest")]

#[path = "../../../tests/support/http.rs"]
pub mod http;
#[path = "../../../tests/support/management.rs"]
pub mod management;
#[path = "../../../tests/support/proxy.rs"]
pub mod proxy;
#[path = "../../../tests/support/urls.rs"]
pub mod urls;
#[path = "../../../tests/support/wait.rs"]
pub mod wait;
