//! AMQP short strings (rule 4): lapin's conversions panic over 255 bytes, so only `src/rabbitmq/wire.rs` makes them, and fallibly.

use std::fs;
use std::path::{Path, PathBuf};

use outbox_relay::outbox::broker::{Channel, Reply};
use outbox_relay::rabbitmq::wire;
use testkit::{Behaviour, FakeBroker};

use crate::link::{Link, answers, message};

/// Calls of lapin that take short strings or make properties of them.
const CALLS: [&str; 12] = [
    ".basic_publish(",
    ".exchange_declare(",
    ".exchange_bind(",
    ".queue_declare(",
    ".queue_bind(",
    ".close(",
    ".with_type(",
    ".with_message_id(",
    ".with_correlation_id(",
    ".with_content_type(",
    ".with_app_id(",
    ".with_user_id(",
];

#[test]
fn a_text_over_255_bytes_is_an_error() {
    assert!(wire::short(&"k".repeat(255)).is_ok());
    assert!(wire::short(&"k".repeat(256)).is_err());
    assert!(wire::short(&"ü".repeat(128)).is_err(), "bytes count, not characters");
}

#[tokio::test]
async fn a_message_that_does_not_fit_is_unknown_and_harms_no_other() {
    let broker = FakeBroker::start(Behaviour::Ack);
    let link = Link::to(&broker.url()).await;
    let mut channel = link.channel().await;
    channel.send(message(1, "order.events", &"k".repeat(256), b"{}"));
    channel.send(message(2, "order.events", &"k".repeat(255), b"{}"));
    channel.send(message(3, &"e".repeat(300), "order.paid", b"{}"));
    let answers = answers(&mut channel).await;
    assert_eq!([1, 2, 3].map(|token| &answers[&token]), [&Reply::Unknown, &Reply::Confirmed, &Reply::Unknown]);
    assert_eq!((channel.close_reason(), broker.total()), (None, 1));
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The text between a call's parentheses.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn only_wire_rs_makes_short_strings() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 40, "the sources are where this test looks");
    let mut calls = 0;
    for path in files.iter().filter(|path| !path.ends_with("rabbitmq/wire.rs")) {
        let (text, name) = (fs::read_to_string(path).expect("a readable source"), path.display());
        assert!(!text.contains("ShortString"), "{name} mentions ShortString: only src/rabbitmq/wire.rs may");
        for call in CALLS {
            for (at, _) in text.match_indices(call) {
                let given = arguments(&text[at + call.len()..]);
                calls += 1;
                for conversion in [".into()", "::from(", ".try_into()"] {
                    assert!(!given.contains(conversion), "{name}: {call}{given}) converts by itself: use wire::short");
                }
            }
        }
    }
    assert!(calls >= 3, "publish, declare and close are among the calls, or this test looks for the wrong names");
}
