//! `docs/routes.md` against the program: the samples are what the envelopes render, the example loads, and no key is left out.

use outbox_relay::message::envelope;
use outbox_relay::outbox::carried::Carried;
use outbox_relay::outbox::event::{Event, Payload};
use outbox_relay::outbox::labels::{Envelope, Labels};
use testkit::fixtures;
use time::macros::datetime;
use uuid::uuid;

use crate::routes::render::{render, rendered};
use crate::routes::stand::routes_file;

const DOCUMENT: &str = include_str!("../../docs/routes.md");
const PAYLOAD: &str = r#"{"total": 50.00}"#;

/// The row of the document's samples.
fn row() -> Event {
    Event {
        id: uuid!("f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        payload: Payload::Text(PAYLOAD.into()),
        correlation_id: Some("c-1".into()),
        created_at: datetime!(2026-11-21 12:34:56.789 UTC),
        ..fixtures::event("order-42", 1)
    }
}

/// The fenced block that follows a text.
fn block_after<'a>(marker: &str, fence: &str) -> &'a str {
    let (_, rest) = DOCUMENT.split_once(marker).unwrap_or_else(|| panic!("'{marker}' is missing in docs/routes.md"));
    let (_, block) = rest.split_once(&format!("```{fence}\n")).expect("a block follows");
    block.split_once("\n```").expect("the block ends").0
}

#[test]
fn the_samples_are_what_the_envelopes_render() {
    for envelope in Envelope::ALL {
        let name = envelope.as_str();
        let labels = Labels {
            message_type: "order.created".into(),
            version: None,
            source: "order-service".into(),
            content_type: envelope.content_type().into(),
            correlation_id: envelope.correlation_id(&row()).map(Into::into),
            carried: Carried::default(),
        };
        let body = envelope::render(envelope, &row(), PAYLOAD, &labels, &serde_json::Map::new());
        let sample = block_after(&format!("<!-- sample: {name} -->"), "json");
        assert_eq!(sample, String::from_utf8_lossy(&body), "{name}");
    }
}

#[tokio::test]
async fn the_example_loads_and_every_key_and_header_is_described() {
    let example = routes_file(block_after("# Routes", "toml"));
    let args = ["--routes", &example, "--event-type", "order.created", "--headers", r#"{"region": "eu"}"#];
    let shown = rendered(&args, PAYLOAD).await;
    for words in ["route order-created-platform", "route order-created-by-region", "eu.Order.order-42"] {
        assert!(shown.contains(words), "'{words}' is missing\n{shown}");
    }
    let shown = rendered(&["--routes", &example, "--event-type", "order.other"], PAYLOAD).await;
    assert!(shown.contains("route everything-else") && shown.contains("order.other.order-42"), "{shown}");
    // The program itself knows its keys.
    let unknown = routes_file("[[route]]\nevent_type = \"a\"\nno_such_key = 1\n");
    let ended = render(&["--routes", &unknown, "--event-type", "a"], PAYLOAD).await;
    let keys: Vec<&str> = ended.stderr.split('`').skip(3).step_by(2).collect();
    assert_eq!(keys.len(), 16, "{}", ended.stderr);
    for key in keys {
        assert!(DOCUMENT.contains(&format!("\n| `{key}` |")), "the key {key} is not described");
    }
    for header in [
        "x-outbox-key",
        "x-outbox-seq",
        "x-outbox-route",
        "x-outbox-published-at",
        "x-outbox-replay",
        "x-outbox-first-seq",
    ] {
        assert!(DOCUMENT.contains(&format!("\n| `{header}` |")), "the header {header} is not described");
    }
}
