//! What a span says, and where it belongs.

use lapin::types::AMQPValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use testkit::patience::SOON;
use testkit::queue::take;
use testkit::{Queue, QueueKind, TestBed, Topology, eventually};

use crate::collector::{Collector, Received};
use crate::relay;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Inserts an event of an hour ago with these headers; returns its id.
async fn insert(bed: &TestBed, key: &str, event_type: &str, headers: &str) -> String {
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers, correlation_id, created_at)
                  VALUES ('Order', $1, $2, '{\"n\": 1}', $3::text::jsonb, 'c-1', now() - interval '1 hour') RETURNING id::text";
    let row = bed.client().await.query_one(insert, &[&key, &event_type, &headers]).await;
    row.expect("the event is inserted").get(0)
}

async fn shop(name: &str) -> TestBed {
    let bed = TestBed::new(name).await;
    bed.migrate().await;
    let queue = Queue::new("orders", QueueKind::Classic).bound_to(&["order.created"]);
    bed.declare_topology(&Topology::order_events([queue])).await;
    bed
}

async fn only_span_of(collector: &Collector, id: &str) -> Received {
    eventually(SOON, "its span has arrived", async || !collector.spans_of(id).is_empty()).await;
    let spans = collector.spans_of(id);
    assert_eq!(spans.len(), 1, "{spans:#?}");
    spans.into_iter().next().expect("one")
}

#[tokio::test]
async fn a_message_has_a_span_below_the_one_that_wrote_its_row() {
    let (bed, collector) = (shop("span below").await, Collector::start().await);
    let headers = format!(r#"{{"traceparent": "00-{TRACE}-{PARENT}-01", "tracestate": "shop=1"}}"#);
    let id = insert(&bed, "order-1", "order.created", &headers).await;
    let url = collector.url();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let mut relay = relay(&bed, &variables, &["--log-level", "trace"]).await;
    let Received { span, attributes, resource } = only_span_of(&collector, &id).await;

    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(span.trace_state, "shop=1");
    assert_eq!((span.name.as_str(), span.kind), ("send order.events", SpanKind::Producer as i32));
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    assert!(span.status.is_none_or(|status| status.code() == StatusCode::Unset));
    let waited_ms: u64 = attributes["outbox.waited_ms"].parse().expect("a number");
    // An hour, and what this test has taken.
    assert!((3_600_000..4_200_000).contains(&waited_ms), "{waited_ms}");
    for (name, value) in [
        ("messaging.system", "rabbitmq"),
        ("messaging.operation.type", "send"),
        ("messaging.operation.name", "send"),
        ("messaging.destination.name", "order.events"),
        ("messaging.rabbitmq.destination.routing_key", "order.created"),
        ("messaging.message.conversation_id", "c-1"),
        ("outbox.event_type", "order.created"),
        ("outbox.key", "order-1"),
        ("outbox.seq", "1"),
        ("outbox.route", "default"),
        ("outbox.attempt", "1"),
    ] {
        assert_eq!(attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(attributes.contains_key("outbox.lane") && !attributes.contains_key("error.type"), "{attributes:?}");
    assert_eq!(resource["service.name"], "outbox-relay");
    assert_eq!(resource["deployment.environment.name"], "test");
    assert!(resource.contains_key("service.instance.id"), "{resource:?}");
    assert_eq!(collector.header("authorization").as_deref(), Some("Bearer hunter2"));

    // The message is what it would be without spans: its own headers, its own body.
    let message = take(&bed.channel().await, "orders").await.expect("the message is there");
    let size = message.body.len().to_string();
    assert_eq!(attributes["messaging.message.body.size"], size);
    let table = message.properties.headers().as_ref().expect("headers").inner();
    let traceparent = AMQPValue::LongString(format!("00-{TRACE}-{PARENT}-01").into());
    assert_eq!(table.get("traceparent"), Some(&traceparent));
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
    assert!(!relay.log().contains("hunter2"), "a secret is in no log, at any level");
}

#[tokio::test]
async fn the_sampled_flag_of_the_row_decides_and_a_row_without_a_trace_begins_one() {
    let (bed, collector) = (shop("span sampled").await, Collector::start().await);
    let unsampled =
        insert(&bed, "order-1", "order.created", &format!(r#"{{"traceparent": "00-{TRACE}-{PARENT}-00"}}"#)).await;
    let mut roots = Vec::new();
    for (key, headers) in [
        ("order-2", "{}"),
        ("order-3", r#"{"traceparent": "00-ab"}"#),
        ("order-4", r#"{"traceparent": 7}"#),
        ("order-5", r#"{"traceparent": "00-00000000000000000000000000000000-b7ad6b7169203331-01"}"#),
    ] {
        roots.push(insert(&bed, key, "order.created", headers).await);
    }
    let url = format!("{}/v1/traces", collector.url());
    let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()), ("OTEL_SERVICE_NAME", "shop-relay")];
    let mut relay = relay(&bed, &variables, &[]).await;
    eventually(SOON, "all are published", async || bed.pending().await == 0).await;
    // A stop exports what waits.
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
    for id in &roots {
        let Received { span, resource, .. } = only_span_of(&collector, id).await;
        assert_eq!(hex(&span.parent_span_id), "", "it has no parent");
        assert_eq!(span.trace_id.len(), 16);
        assert_ne!(hex(&span.trace_id), TRACE);
        assert_eq!(resource["service.name"], "shop-relay");
    }
    assert_eq!(collector.spans().len(), roots.len(), "{unsampled} has no span");
}

#[tokio::test]
async fn a_message_that_comes_back_is_an_error_at_each_attempt() {
    let (bed, collector) = (shop("span error").await, Collector::start().await);
    let id = insert(&bed, "order-1", "order.lost", "{}").await;
    let url = collector.url();
    let args = ["--retry-backoff-min", "10ms", "--retry-backoff-max", "50ms"];
    let mut relay = relay(&bed, &[("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())], &args).await;
    eventually(SOON, "it is given up", async || bed.dead_letters().await.len() == 1).await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
    let spans = collector.spans_of(&id);
    let attempts: Vec<&str> = spans.iter().map(|received| received.attributes["outbox.attempt"].as_str()).collect();
    assert_eq!(attempts, ["1", "2", "3", "4"]);
    for Received { span, attributes, .. } in &spans {
        assert_eq!(attributes["error.type"], "returned");
        let status = span.status.as_ref().expect("a status");
        assert_eq!(status.code(), StatusCode::Error);
        assert!(status.message.contains("NO_ROUTE"), "{status:?}");
    }
}
