//! The bed, the management client, writers and consumers against real services.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use serde_json::json;
use testkit::bed::{ServiceUrls, try_connect};
use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::{
    Consumer, Expect, Fate, History, NewEvent, PrivateServices, Queue, QueueKind, Signal, TestBed, Topology, Traffic,
    Writer, eventually, judge,
};
use tokio::time::timeout;
use tokio_postgres::Client;
use uuid::Uuid;

/// The outbox without the relay's binary, which these checks must not need.
async fn with_outbox(bed: &TestBed) -> Client {
    let client = bed.client().await;
    client.batch_execute(include_str!("../../sql/migrations/0001_outbox.up.sql")).await.expect("the schema applies");
    client
}

/// Plays the relay: publishes all pending rows in order with their payload as body, and marks what was acked.
async fn relay_once(bed: &TestBed, client: &Client) {
    let channel = bed.channel().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let rows = client
        .query("SELECT id, aggregate_id, payload::text FROM outbox.events WHERE published_at IS NULL ORDER BY seq", &[])
        .await;
    for row in rows.expect("pending rows") {
        let (id, key, payload): (Uuid, String, String) = (row.get(0), row.get(1), row.get(2));
        // A quorum queue without a leader, right after a restart, says no.
        eventually(SOON, "the queue takes the event", async || publish(&channel, id, &key, &payload).await).await;
        client.execute("UPDATE outbox.events SET published_at = now() WHERE id = $1", &[&id]).await.expect("marked");
    }
}

async fn publish(channel: &Channel, id: Uuid, key: &str, payload: &str) -> bool {
    let mut headers = FieldTable::default();
    headers.insert("x-outbox-key".into(), AMQPValue::LongString(key.into()));
    let properties =
        BasicProperties::default().with_message_id(id.to_string().into()).with_headers(headers).with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let published =
        channel.basic_publish("order.events".into(), "order".into(), options, payload.as_bytes(), properties).await;
    published.expect("written").await.expect("confirmed").is_ack()
}

#[tokio::test]
async fn a_bed_is_fresh_and_leaves_nothing_behind() {
    let services = ServiceUrls::from_env();
    let bed = TestBed::new("fresh bed").await;
    let name = bed.name().to_owned();
    let client = bed.client().await;
    let database: String = client.query_one("SELECT current_database()", &[]).await.expect("a row").get(0);
    assert_eq!(database, name);
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    drop(bed);
    let admin = try_connect(&services.database).await.expect("the services are there");
    let left = admin.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.expect("an answer");
    assert!(left.is_none(), "the database is dropped although a client was connected");
    let management = testkit::Management::new(&services.management);
    assert!(management.queue(&name, "orders").await.is_none(), "the vhost is gone");
}

#[tokio::test]
async fn what_writers_commit_is_what_consumers_get() {
    let bed = TestBed::new("history").await;
    let mut client = with_outbox(&bed).await;
    let queues = [Queue::new("orders", QueueKind::Classic), Queue::new("audit", QueueKind::Quorum)];
    bed.declare_topology(&Topology::order_events(queues)).await;
    let history = History::default();
    let consumers = ["orders", "audit"].map(|queue| Consumer::start(&bed.amqp_url(), queue, &history));
    let writer = Writer::new(&history);
    for key in ["a", "b", "a"] {
        writer.commit(&mut client, key, 3).await;
    }
    writer.roll_back(&mut client, "a", 2).await.expect("a rollback");
    writer.commit_events(&mut client, "a", vec![NewEvent::poison()]).await;
    let poison = "INSERT INTO outbox.dead_letters (id, seq, aggregate_type, aggregate_id, event_type, payload, created_at, lane,
                      original_event, failure_reason, attempts)
                  SELECT id, seq, aggregate_type, aggregate_id, event_type, payload, created_at, lane, '{}', 'INVALID_EVENT', 0
                  FROM outbox.events WHERE octet_length(event_type) > 255";
    client.execute(poison, &[]).await.expect("a dead letter");
    client.execute("DELETE FROM outbox.events WHERE octet_length(event_type) > 255", &[]).await.expect("moved");
    assert_eq!(bed.pending().await, 9);
    relay_once(&bed, &client).await;
    bed.quiet(&history, SOON).await;
    eventually(SOON, "both queues are drained", async || history.progress().arrivals == 18).await;
    for consumer in consumers {
        consumer.stop().await;
    }
    let expect = Expect { bodies: testkit::Bodies::EqualPayload, ..bed.expect(&["orders", "audit"]).await };
    let verdict = judge(&history, &expect);
    verdict.assert_clean(0);
    assert_eq!((verdict.committed, verdict.delivered, verdict.dead_lettered), (10, 9, 1));
    assert_eq!(bed.queue_messages("orders").await, 0, "the consumer acked what it recorded");
    let ordinals: Vec<u64> =
        history.committed().iter().filter(|e| e.key == "a" && e.fate == Fate::Delivered).map(|e| e.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2, 3, 4, 5], "the order's version is the business order");
}

#[tokio::test]
async fn traffic_keeps_the_business_order_across_producers() {
    let bed = TestBed::new("traffic").await;
    let client = with_outbox(&bed).await;
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let load = Load { keys: 5, pause: Duration::ZERO, ..Load::default() };
    let traffic = Traffic::start(&bed.database_url(), &history, &load);
    eventually(SOON, "200 events are committed", async || history.progress().due >= 200).await;
    traffic.stop().await;
    relay_once(&bed, &client).await;
    bed.quiet(&history, SOON).await;
    consumer.stop().await;
    judge(&history, &bed.expect(&["orders"]).await).assert_clean(0);
}

#[tokio::test]
async fn management_changes_what_the_broker_allows() {
    let bed = TestBed::new("management").await;
    let management = bed.management();
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    let publish = async || {
        let channel = bed.channel().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let sent = channel.basic_publish(
            "order.events".into(),
            "x".into(),
            Default::default(),
            b"{}",
            BasicProperties::default(),
        );
        let confirmation = sent.await.map_err(|e| e.to_string())?.await.map_err(|e| e.to_string())?;
        if confirmation.is_ack() { Ok(()) } else { Err("nack".to_owned()) }
    };
    publish().await.expect("allowed at first");
    management.set_permissions(bed.vhost(), "guest", ".*", "^$", ".*").await;
    assert!(publish().await.is_err_and(|e| e.contains("ACCESS_REFUSED")), "write is revoked");
    management.set_permissions(bed.vhost(), "guest", ".*", ".*", ".*").await;
    publish().await.expect("allowed again");
    management.put_policy(bed.vhost(), "full", ".*", json!({"max-length": 2, "overflow": "reject-publish"})).await;
    eventually(SOON, "the full queue nacks", async || publish().await.is_err_and(|e| e == "nack")).await;
    management.delete_policy(bed.vhost(), "full").await;
    eventually(SOON, "the queue takes again", async || publish().await.is_ok()).await;
    management.delete_exchange(bed.vhost(), "order.events").await;
    assert!(publish().await.is_err_and(|e| e.contains("NOT_FOUND")), "the exchange is gone");
    management.delete_queue(bed.vhost(), "orders").await;
    assert!(management.queue(bed.vhost(), "orders").await.is_none());
}

#[tokio::test]
async fn consumers_come_back_after_their_connection_is_closed() {
    let bed = TestBed::new("consumer").await;
    let mut client = with_outbox(&bed).await;
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Quorum)])).await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let writer = Writer::new(&history);
    writer.commit(&mut client, "a", 5).await;
    relay_once(&bed, &client).await;
    bed.quiet(&history, SOON).await;
    eventually(SOON, "the connection is listed and closed", async || {
        bed.management().close_connections(bed.vhost(), "").await > 0
    })
    .await;
    writer.commit(&mut client, "a", 5).await;
    relay_once(&bed, &client).await;
    bed.quiet(&history, SOON).await;
    consumer.stop().await;
    judge(&history, &bed.expect(&["orders"]).await).assert_clean(0);
}

#[tokio::test]
async fn private_services_can_be_killed_under_traffic_and_come_back() {
    let services = PrivateServices::start("private", &["postgres", "rabbitmq"], Some("channel_max = 100\n")).await;
    let bed = TestBed::on(&services).await;
    with_outbox(&bed).await;
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let traffic = Traffic::start(&bed.database_url(), &history, &Load { keys: 5, ..Load::default() });
    let committed =
        async |count| eventually(SOON, "events are committed", async || history.progress().due >= count).await;
    committed(50).await;
    services.kill("postgres").await;
    let before = history.progress().due;
    services.start_again("postgres").await;
    committed(before + 50).await;
    traffic.stop().await;
    relay_once(&bed, &bed.client().await).await;
    services.kill("rabbitmq").await;
    services.start_again("rabbitmq").await;
    Writer::new(&history).commit(&mut bed.client().await, "order-1", 5).await;
    relay_once(&bed, &bed.client().await).await;
    bed.quiet(&history, SOON).await;
    consumer.stop().await;
    assert!(services.ctl(&["environment"]).await.contains("{channel_max,100}"), "the extra configuration counts");
    services.signal("postgres", Signal::Stop);
    let database = bed.database_url();
    assert!(
        timeout(Duration::from_millis(300), try_connect(&database)).await.is_err(),
        "a frozen server does not answer"
    );
    services.signal("postgres", Signal::Cont);
    // What the consumer had not acked when the broker was killed comes again, perhaps without the redelivered flag.
    judge(&history, &bed.expect(&["orders"]).await).assert_clean(1000);
}

#[tokio::test]
async fn a_private_database_goes_with_the_suites_broker() {
    let services = PrivateServices::start("database", &["postgres"], None).await;
    let suite = ServiceUrls::from_env();
    let bed = TestBed::on(&services).await;
    assert_ne!(services.urls().database, suite.database);
    assert_eq!(services.urls().amqp, suite.amqp);
    services.stop("postgres").await;
    assert!(try_connect(&bed.database_url()).await.is_err(), "stopped");
    services.start_again("postgres").await;
    bed.client().await;
}
