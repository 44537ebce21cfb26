//! `message_headers` and `message_properties`: a route's messages carry what it says, the others what the flags say, and what every
//! consumer needs is always there.

use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use serde_json::Value;
use testkit::patience::SOON;
use testkit::{Relay, Topology, eventually};

use crate::routes::render::{render, rendered};
use crate::routes::stand::{Stand, queue, routes_file, stand};

const FILE: &str = r#"
[[route]]
event_type = "order.lean"
message_headers = "none"
message_properties = []

[[route]]
event_type = "order.typed"
message_headers = ["key", "published-at"]
message_properties = ["type"]

[[route]]
event_type = "*"
"#;

/// The names of what `routes render` shows of the message of an event: properties, headers.
async fn shown(args: &[&str]) -> [Vec<String>; 2] {
    let shown = rendered(&[args, &["--json"]].concat(), "{}").await;
    let shown: Value = serde_json::from_str(&shown).expect("one JSON document");
    let names = |part: &str| {
        let part = shown["messages"][0][part].as_object();
        let mut names: Vec<String> = part.into_iter().flat_map(|part| part.keys().cloned()).collect();
        names.sort();
        names
    };
    [names("properties"), names("headers")]
}

#[tokio::test]
async fn a_route_says_what_its_messages_carry_and_the_flags_say_it_for_the_others() {
    let file = routes_file(FILE);
    let of = async |event_type: &str, flags: &[&str]| {
        shown(&[&["--routes", &file, "--event-type", event_type], flags].concat()).await
    };
    let lean = ["--message-headers", "seq", "--message-properties", "none"];
    assert_eq!(of("order.lean", &[]).await, [&["delivery_mode", "message_id"][..], &[]]);
    let typed = [&["delivery_mode", "message_id", "type"][..], &["x-outbox-key", "x-outbox-published-at"]];
    assert_eq!(of("order.typed", &lean).await, typed);
    assert_eq!(of("order.other", &lean).await, [&["delivery_mode", "message_id"][..], &["x-outbox-seq"]]);
    let all = [
        &["app_id", "content_type", "delivery_mode", "message_id", "timestamp", "type"][..],
        &["x-outbox-key", "x-outbox-route", "x-outbox-seq"],
    ];
    assert_eq!(of("order.other", &[]).await, all);
}

#[tokio::test]
async fn a_name_that_is_none_of_them_is_refused_where_it_stands() {
    let wrong = routes_file("[[route]]\nevent_type = \"a\"\nmessage_headers = [\"keys\"]\nmessage_properties = 7\n");
    let ended = render(&["--routes", &wrong, "--event-type", "a"], "{}").await.with_code(64);
    for words in [":3: ", "message_headers 'keys' is unknown; use some of key, seq, route, published-at", ":4: "] {
        assert!(ended.stderr.contains(words), "'{words}' is missing\n{}", ended.stderr);
    }
    let ended = render(&["--event-type", "a", "--message-properties", "type,size"], "{}").await.with_code(64);
    assert!(ended.stderr.contains("--message-properties: 'size' is unknown"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_arrives_is_as_lean_as_asked_for_and_has_its_id() {
    let world = stand("lean", &Topology::order_events([queue("orders", &["order.lean"])])).await;
    let file = routes_file(FILE);
    let mut relay = Relay::start(&world.bed, &["--routes", &file]).await;
    let id = world.row_with("order-1", "order.lean", "{}", Some(r#"{"traceparent": "00-ab"}"#)).await;
    let channel = world.bed.channel().await;
    let got: BasicGetMessage = eventually(SOON, "the message is in the queue", async || {
        channel.basic_get("orders".into(), BasicGetOptions::default()).await.expect("the queue answers")
    })
    .await;
    let properties = &got.delivery.properties;
    assert_eq!(properties.message_id().as_ref().map(ToString::to_string), Some(id.to_string()));
    assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
    let own: Vec<String> =
        properties.headers().as_ref().expect("headers").inner().keys().map(ToString::to_string).collect();
    assert_eq!(own, ["traceparent"], "the row's headers are the producer's");
    let left_out = (properties.kind(), properties.app_id(), properties.timestamp(), properties.content_type());
    assert_eq!(left_out, (&None, &None, &None, &None));
    relay.stop_well().await;
}
