//! JSON logs: one object a line, and a line about an event says which, of what key and type, by which route, at which attempt. Never
//! what is in it.

use serde_json::Value;
use testkit::patience::SOON;
use testkit::{Queue, QueueKind, Relay, TestBed, Topology, eventually};

/// In each payload and header; in no log.
const PERSONAL: &str = "ada@lovelace.example";

fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn of<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn lines_about_an_event_say_which_and_never_what_is_in_it() {
    let bed = TestBed::new("json log").await;
    bed.migrate().await;
    bed.declare_topology(&Topology::order_events([
        Queue::new("orders", QueueKind::Classic).bound_to(&["order.created"])
    ]))
    .await;
    let client = bed.client().await;
    let insert = format!(
        "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers, correlation_id) VALUES
         ('Order', 'order-1', 'order.lost', '{{\"mail\": \"{PERSONAL}\"}}', NULL, 'correlation-1'),
         ('Order', 'order-2', 'order.created', '{{\"mail\": \"{PERSONAL}\"}}', '{{\"CC\": [\"{PERSONAL}\"]}}', 'correlation-2'),
         ('Order', 'order-3', 'order.created', '{{\"mail\": \"{PERSONAL}\"}}', '[\"{PERSONAL}\"]', 'correlation-3')
         RETURNING id::text"
    );
    let rows = client.query(&insert, &[]).await.expect("three events");
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let args =
        ["--log-format", "json", "--log-level", "trace", "--retry-backoff-min", "10ms", "--retry-backoff-max", "50ms"];
    let mut relay = Relay::start(&bed, &args).await;
    eventually(SOON, "all three are given up", async || bed.dead_letters().await.len() == 3).await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));

    let log = relay.log();
    assert!(!log.contains(PERSONAL), "{}", log.lines().find(|line| line.contains(PERSONAL)).unwrap_or_default());
    let lines = lines(&log);
    let retries = of(&lines, "an attempt failed; another follows");
    assert_eq!(retries.len(), 3);
    let letters = of(&lines, "dead letter");
    assert_eq!(letters.len(), 3);
    let lost = letters.iter().find(|line| line["event_id"] == *ids[0]).expect("the unroutable one");
    for (attempt, line) in (1..).zip(retries.into_iter().chain([*lost])) {
        for (field, expected) in [
            ("event_id", Value::from(ids[0].as_str())),
            ("key", "order-1".into()),
            ("event_type", "order.lost".into()),
            ("correlation_id", "correlation-1".into()),
            ("route", "default".into()),
            ("attempt", attempt.into()),
        ] {
            assert_eq!(line[field], expected, "{field}: {line}");
        }
        assert!(line["error"].as_str().is_some_and(|error| error.contains("NO_ROUTE")), "{line}");
    }
    assert_eq!(lost["reason"], "UNROUTABLE");
    for (id, correlation_id) in [(&ids[1], "correlation-2"), (&ids[2], "correlation-3")] {
        let line = letters.iter().find(|line| line["event_id"] == **id).expect("one of the invalid ones");
        assert_eq!(
            (&line["reason"], &line["correlation_id"]),
            (&"INVALID_EVENT".into(), &correlation_id.into()),
            "{line}"
        );
    }
}
