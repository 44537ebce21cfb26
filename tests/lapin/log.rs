//! lapin logs returned messages with their bodies (rule 9), and frames as it reads and writes them. No payload and no password reaches
//! the log, whatever the level.

use std::time::Duration;

use testkit::{
    Behaviour, FakeBroker, History, NewEvent, Queue, QueueKind, Relay, TestBed, Topology, Writer, eventually,
};

const SECRET: &str = "hunter2-4929-1234-5678";

/// The ways in which a log may show bytes.
fn shown(secret: &str) -> Vec<String> {
    let bytes = format!("{:?}", secret.as_bytes());
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    vec![secret.to_owned(), bytes.trim_matches(['[', ']']).to_owned(), hex]
}

async fn no_payload_is_logged_at(level: &str) {
    let bed = TestBed::new("log").await;
    bed.migrate().await;
    let bound_elsewhere = Queue::new("orders", QueueKind::Classic).bound_to(&["something.else"]);
    bed.declare_topology(&Topology::order_events([bound_elsewhere])).await;
    let (history, mut client) = (History::default(), bed.client().await);
    let payload = format!(r#"{{"card": "{SECRET}", "email": "jo@{SECRET}.example"}}"#);
    let unroutable = NewEvent::new("order.paid", &payload).dead_letter("UNROUTABLE");
    let not_a_message = NewEvent { event_type: "x".repeat(300), ..unroutable.clone() }.dead_letter("INVALID_EVENT");
    let writer = Writer::new(&history);
    writer.commit_events(&mut client, "order-1", vec![unroutable.clone(), not_a_message]).await;
    writer.commit_events(&mut client, "order-2", vec![unroutable]).await;
    let args = ["--log-level", level, "--max-retries", "1", "--retry-backoff-min", "50ms"];
    let mut relay = Relay::start(&bed, &args).await;
    let dead = async || bed.dead_letters().await.len() == 3;
    eventually(Duration::from_secs(30), "all three are dead letters", dead).await;
    assert!(relay.metric_where("outbox_failures_total", "returned").await >= 2.0, "messages did come back");
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
    let log = relay.log();
    assert!(log.contains("UNROUTABLE"), "the log says what happened");
    for form in shown(SECRET) {
        let line = log.lines().find(|line| line.contains(&form));
        assert!(line.is_none(), "--log-level {level} shows the payload: {}", line.unwrap_or_default());
    }
}

#[tokio::test]
async fn no_payload_is_logged_at_level_trace() {
    no_payload_is_logged_at("trace").await;
}

#[tokio::test]
async fn no_payload_is_logged_at_lapins_level_trace() {
    no_payload_is_logged_at("info,lapin=trace").await;
    no_payload_is_logged_at("info,lapin::returned_messages=trace").await;
}

#[tokio::test]
async fn no_password_is_logged_at_any_level() {
    let bed = TestBed::new("passwords").await;
    bed.migrate().await;
    // Takes any login.
    let broker = FakeBroker::start(Behaviour::Ack);
    for level in ["trace", "trace,lapin=trace"] {
        let url = broker.url();
        let mut args = vec!["--log-level", level, "--amqp-url", &url, "--amqp-user", "shop"];
        args.extend(["--amqp-password", SECRET, "--database-password", SECRET]);
        let mut relay = Relay::start(&bed, &args).await;
        eventually(Duration::from_secs(20), "connected", async || relay.log().contains("connected to the broker"))
            .await;
        assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
        let log = relay.log();
        for form in shown(SECRET) {
            let line = log.lines().find(|line| line.contains(&form));
            assert!(line.is_none(), "--log-level {level} shows a password: {}", line.unwrap_or_default());
        }
    }
}
