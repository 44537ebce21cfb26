//! What both connections share: certificates, secrets from files, pauses with jitter, and how a host is named.

pub mod jitter;
pub mod secret;
pub mod tls;

/// Whether a host is this machine, judging by its name.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The operating system's message, without its number.
pub(super) fn io_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
