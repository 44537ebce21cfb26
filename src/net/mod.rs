//! What both connections share: addresses that are tried side by side, certificates, secrets from files, pauses with jitter, and the words of systems and
//! servers in our own log.

pub mod authority;
pub mod dial;
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

/// The most that is kept of a text from a server; a log line holds a few of them.
const TEXT_BYTES_MAX: usize = 1_024;

/// A text from a server, cut where it is too long for a log line.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let bytes = text.len();
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push_str(&format!("… ({bytes} bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let text = cut("ü".repeat(30_000_000));
        assert!(
            text.starts_with("üü") && text.ends_with("ü… (60000000 bytes)") && text.len() < 1_100,
            "{}",
            text.len()
        );
        assert_eq!(cut("short".to_owned()), "short");
    }
}
