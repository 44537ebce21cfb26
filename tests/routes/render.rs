//! `outbox-relay routes render`: shows what would be sent, without any service; says no for what would not be sent.

use serde_json::Value;
use testkit::command::{Command, Ended};

use crate::routes::stand::routes_file;

const SHIPPED: [&str; 2] = ["--routes", "routes/order-service.toml"];
const PAYLOAD: &str = r#"{"price": 50.00, "big":9007199254740993, "a":"ü", "a":1}"#;

/// Runs the command with the payload on its standard input, and with no service's address.
pub async fn render(args: &[&str], payload: &str) -> Ended {
    Command::new(&[&["routes", "render"], args].concat()).input(payload).run().await
}

/// The same where it has to succeed.
pub async fn rendered(args: &[&str], payload: &str) -> String {
    render(args, payload).await.with_code(0).stdout
}

#[tokio::test]
async fn it_shows_the_exact_message_of_each_route() {
    let event = ["--event-type", "order.created", "--aggregate-id", "o-1", "--correlation-id", "c-1", "--json"];
    let headers = ["--headers", r#"{"traceparent": "00-ab"}"#, "--id", "f47ac10b-58cc-4372-a567-0e02b2c3d479"];
    let shown = rendered(&[&SHIPPED[..], &event, &headers].concat(), &format!("{PAYLOAD}\n")).await;
    let shown: Value = serde_json::from_str(&shown).expect("one JSON document");
    let messages = shown["messages"].as_array().expect("the messages");
    let names: Vec<&str> = messages.iter().filter_map(|message| message["route"].as_str()).collect();
    assert_eq!(names, ["order-created-domain", "order-created-platform", "order-created-diagram"]);
    for message in messages {
        assert!(message["body"].as_str().expect("a body").ends_with(&format!("{PAYLOAD}}}")), "{message}");
        assert_eq!(message["properties"]["message_id"], "f47ac10b-58cc-4372-a567-0e02b2c3d479");
        assert_eq!(message["properties"]["correlation_id"], "c-1");
        assert_eq!(message["headers"]["traceparent"], "00-ab");
        assert_eq!(message["headers"]["x-outbox-key"], "o-1");
    }
    let platform = &messages[1];
    assert_eq!(
        (&platform["exchange"], &platform["routing_key"]),
        (&"order.events".into(), &"OrderCreatedEvent".into())
    );
    assert_eq!(
        (&platform["properties"]["app_id"], &platform["on_unroutable"]),
        (&"OrderService".into(), &"ignore".into())
    );
}

#[tokio::test]
async fn without_a_routes_file_it_shows_the_one_route_of_every_type() {
    let shown = rendered(&["--event-type", "any.type", "--partition-key", "p-1", "--exchange", "e"], "[1]").await;
    for words in
        ["route default", "exchange                 e\n", "routing key              any.type\n", "\"payload\":[1]}"]
    {
        assert!(shown.contains(words), "'{words}' is missing\n{shown}");
    }
    assert!(shown.contains("header x-outbox-key      p-1"), "{shown}");
}

#[tokio::test]
async fn an_event_that_would_not_be_sent_is_a_no_with_what_would_become_of_it() {
    let regional = routes_file("[[route]]\nname = \"r\"\nevent_type = \"a\"\nrouting_key = \"{header.region}\"\n");
    let by_type = |event_type| [&SHIPPED[..], &["--event-type", event_type]].concat();
    for (args, payload, words) in [
        (by_type("nobody.knows"), "{}", "no_route"),
        (by_type("order.created"), "null", "INVALID_EVENT: the payload is null"),
        (vec!["--routes", &regional, "--event-type", "a"], "{}", "the header 'region'"),
        ([by_type("order.created"), vec!["--headers", r#"{"CC": "x"}"#]].concat(), "{}", "'CC' is reserved"),
    ] {
        let ended = render(&args, payload).await;
        assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words) && ended.stdout.is_empty(), "'{words}' is missing in {}", ended.stderr);
    }
}

#[tokio::test]
async fn what_no_row_could_hold_is_wrong_usage() {
    let event = ["--event-type", "order.created"];
    for (args, payload, words) in [
        (vec![], "", "the payload on standard input is not valid JSON"),
        (vec![], "{\"a\":}", "the payload on standard input is not valid JSON"),
        (vec!["--headers", "{"], "{}", "--headers: not valid JSON"),
        (vec!["--aggregate-id", ""], "{}", "--aggregate-id"),
        (vec!["--routes", "/nowhere"], "{}", "--routes: /nowhere"),
        (vec!["--id", "7"], "{}", "--id"),
    ] {
        let ended = render(&[&event[..], &args].concat(), payload).await;
        assert_eq!(ended.code, Some(64), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "'{words}' is missing in {}", ended.stderr);
    }
}
