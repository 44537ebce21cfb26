//! The two services behind the seams: PostgreSQL (`database`, `pool`, `store`, `claim`,
//! `batch`, `floors`, `listen`) and RabbitMQ (`broker`, `channel`,
//! `judge`; `inspect` for `check`). What both need to connect is in `secret` and `tls`.

pub mod amqp_url;
pub mod batch;
pub mod broker;
pub mod broker_connect;
mod broker_stream;
pub(crate) mod call;
pub mod channel;
mod claim;
pub mod database;
pub mod database_url;
mod database_words;
pub mod inspect;
pub mod grants;
pub mod judge;
pub(crate) mod floors;
mod key_values;
pub mod listen;
pub mod pool;
pub mod queries;
mod ready;
pub mod report;
pub(crate) mod rows;
pub mod secret;
pub mod store;
pub mod tls;
mod tls_verify;
mod tls_words;
#[cfg(test)]
mod url_tests;
pub mod wire;

/// Whether a host is this machine, as far as its name tells.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The operating system's words without their number.
pub(crate) fn io_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
