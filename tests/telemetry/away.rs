//! A collector that is away, deaf or full of errors costs spans, and nothing else. And without an endpoint there is nothing at all.

use testkit::patience::IN_THE_END;
use testkit::process::free_port;
use testkit::{Relay, World, eventually};
use tokio::net::TcpListener;

use crate::collector::Collector;
use crate::{lines_with, relay};

/// Far more than the queue of spans holds.
const ORDERS: usize = 40;
const EVENTS: usize = 50;
const QUEUE: (&str, &str) = ("OTEL_BSP_MAX_QUEUE_SIZE", "64");

/// Publishes far more than the queue holds, and stops. The relay does both as if nobody had asked for spans.
async fn publishes_and_stops(world: &mut World, relay: &mut Relay) {
    world.order(ORDERS, EVENTS).await;
    world.quiet().await;
    assert_eq!(relay.stop(IN_THE_END).await.code(), Some(0), "{}", relay.log());
    world.verdict().await.assert_clean(0);
}

/// The spans that the log says are lost.
fn lost(relay: &Relay) -> usize {
    let lines = lines_with(relay, "spans lost");
    let counts = lines.iter().filter_map(|line| line.split_once("spans=")?.1.split(' ').next()?.parse::<usize>().ok());
    counts.sum()
}

/// Whether the library's exporting thread runs; the kernel keeps the first 15 bytes of its name.
fn has_exporter(relay: &Relay) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", relay.pid())).expect("the relay runs");
    threads.flatten().any(|thread| {
        std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.starts_with("OpenTelemetry"))
    })
}

#[tokio::test]
async fn a_collector_that_never_answers_costs_spans_and_nothing_else() {
    let mut world = World::open("collector deaf").await;
    // Connections are made by the kernel; nobody reads from them.
    let deaf = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", deaf.local_addr().expect("it is bound"));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), QUEUE];
    let mut relay = relay(&world.bed, &variables, &[]).await;
    publishes_and_stops(&mut world, &mut relay).await;
    assert_eq!(lost(&relay), ORDERS * EVENTS, "each span is accounted for: {}", relay.log());
    assert_eq!(lines_with(&relay, "not exported before the end").len(), 1);
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_a_few_lines_with_how_many_spans_were_lost() {
    let mut world = World::open("collector away").await;
    let url = format!("http://user:hunter2@127.0.0.1:{}", free_port());
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), QUEUE];
    let mut relay = relay(&world.bed, &variables, &[]).await;
    publishes_and_stops(&mut world, &mut relay).await;
    let refused = lines_with(&relay, "the collector does not accept them");
    assert!((1..=3).contains(&refused.len()), "{refused:#?}");
    assert!(refused[0].contains("Connection refused") && refused[0].contains("spans="), "{refused:#?}");
    assert!(lines_with(&relay, "spans lost").len() < 8, "{}", relay.log());
    assert_eq!(lost(&relay), ORDERS * EVENTS, "each span is accounted for: {}", relay.log());
    assert!(!relay.log().contains("hunter2"), "the URL may hold a password");
}

#[tokio::test]
async fn a_collector_that_refuses_and_then_takes_is_said_both_times() {
    let mut world = World::open("collector refuses").await;
    let collector = Collector::start().await;
    collector.answer(401);
    let url = collector.url();
    let mut relay = relay(&world.bed, &[("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())], &[]).await;
    world.order(1, 1).await;
    eventually(IN_THE_END, "the refusal is said", async || !lines_with(&relay, "status code: 401").is_empty()).await;
    assert!(collector.spans().is_empty());
    collector.answer(0);
    world.order(2, 1).await;
    eventually(IN_THE_END, "spans arrive", async || !collector.spans().is_empty()).await;
    eventually(IN_THE_END, "that is said", async || !lines_with(&relay, "accepts spans again").is_empty()).await;
    world.quiet().await;
    assert_eq!(relay.stop(IN_THE_END).await.code(), Some(0));
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_started() {
    let mut world = World::open("no collector").await;
    let collector = Collector::start().await;
    let url = collector.url();
    for (variables, is_started) in [
        (vec![], false),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_SDK_DISABLED", "true")], false),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], false),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())], true),
    ] {
        let asked = collector.requests();
        let mut relay = relay(&world.bed, &variables, &[]).await;
        world.order(1, 3).await;
        world.quiet().await;
        assert_eq!(has_exporter(&relay), is_started, "{variables:?}");
        assert_eq!(relay.stop(IN_THE_END).await.code(), Some(0));
        assert_eq!(collector.requests() > asked, is_started, "{variables:?}");
        let is_refused = variables.iter().any(|(_, value)| *value == "grpc");
        assert_eq!(lines_with(&relay, "only speaks http/protobuf").len(), usize::from(is_refused));
    }
}
