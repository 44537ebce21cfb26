//! `--schema`: two outboxes side by side in one database, each with its relay, and neither sees the other.

use std::time::Duration;

use futures_util::future::join;
use testkit::{Queue, QueueKind, Relay, TestBed, Topology, eventually};
use tokio_postgres::Client;

use crate::migrate::command::migrated;

const EVENTS: i64 = 60;

async fn write(client: &Client, schema: &str) {
    let insert = format!(
        "INSERT INTO {schema}.events (aggregate_type, aggregate_id, event_type, payload)
         SELECT 'Order', 'order-' || n % 7, 'order.created', '{{}}' FROM generate_series(1, {EVENTS}) AS n"
    );
    client.batch_execute(&insert).await.expect("events are written");
}

async fn published(client: &Client, schema: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {schema}.events WHERE published_at IS NOT NULL");
    client.query_one(&count, &[]).await.expect("events are counted").get(0)
}

/// An exchange and a queue of the schema's own.
async fn declare(bed: &TestBed, schema: &str) {
    let queues = vec![Queue::new(&format!("{schema}.queue"), QueueKind::Classic)];
    let topology = Topology { exchange: format!("{schema}.exchange"), queues, ..Topology::order_events([]) };
    bed.declare_topology(&topology).await;
}

#[tokio::test]
async fn two_outboxes_in_one_database_have_nothing_to_do_with_each_other() {
    let bed = TestBed::new("two schemas").await;
    for schema in ["shop", "billing_2"] {
        migrated(&bed, &["--schema", schema, "--with-notify"]).await;
        bed.grant(&["--schema", schema]).await;
        declare(&bed, schema).await;
    }
    let client = bed.client().await;
    write(&client, "shop").await;
    let start = async |schema: &str, exchange: &str| {
        Relay::start(&bed, &["--schema", schema, "--exchange", exchange, "--wake", "listen"]).await
    };
    let mut shop = start("shop", "shop.exchange").await;
    let deadline = Duration::from_secs(30);
    eventually(deadline, "shop is relayed", async || published(&client, "shop").await == EVENTS).await;
    write(&client, "billing_2").await;
    let mut billing = start("billing_2", "billing_2.exchange").await;
    eventually(deadline, "billing is relayed", async || published(&client, "billing_2").await == EVENTS).await;
    for schema in ["shop", "billing_2"] {
        let arrived = bed.queue_messages(&format!("{schema}.queue")).await;
        assert_eq!(i64::from(arrived), EVENTS, "{schema}: its own events, each once");
    }
    let (first, second) = join(shop.stop(deadline), billing.stop(deadline)).await;
    assert_eq!((first.code(), second.code()), (Some(0), Some(0)));
    let outbox = client.query_one("SELECT to_regclass('outbox.events') IS NULL", &[]).await;
    assert!(outbox.expect("an answer").get::<_, bool>(0), "nothing of the default name was made");
}
