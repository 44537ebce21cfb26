//! The slow path: retention, floors, gauges, and backends that hang.

mod floors;
mod rest;
mod retention;

use outbox_relay::postgres::queries::Queries;
use outbox_relay::upkeep::COMMANDS;
use testkit::patience::SOON;
use testkit::world::ORDERS;
use testkit::writer::good;
use testkit::{Queue, QueueKind, Relay, World, eventually};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

/// Whose queue nobody consumes yet.
async fn world(name: &str) -> World {
    World::new(name, [Queue::new(ORDERS, QueueKind::Classic)]).await
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_about_the_whole_database_come_from_one_replica() {
    let mut world = world("gauges").await;
    world
        .client
        .execute(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, created_at)
             VALUES ('Order', 'nobody-listens', 'unbound.type', '{}', clock_timestamp() - interval '100 seconds')",
            &[],
        )
        .await
        .expect("a row");
    world.commit("order-1", good("order-1", 3)).await;
    let relays = [Relay::start(&world.bed, &[]).await, Relay::start(&world.bed, &[]).await];
    let exporting = async || {
        let mut count = 0;
        for relay in &relays {
            count +=
                usize::from(relay.get("/metrics").await.body.contains("outbox_stats_last_success_timestamp_seconds"));
        }
        count
    };
    eventually(SOON, "one replica exports the gauges", async || exporting().await == 1).await;
}

/// The cap's share in each of the 64 lanes is 10 of 640, and 2 of 128.
#[tokio::test(flavor = "multi_thread")]
async fn pending_events_are_counted_up_to_the_cap_however_they_lie_in_the_lanes() {
    let world = world("counted").await;
    let sql = Queries::new("outbox").count_backlog.clone();
    let pending = async |cap: i64| -> i64 {
        world.client.query_one(&sql, &[&cap]).await.expect("the gauges are counted").get("pending")
    };
    let insert = async |key: &str, events: i64| {
        let sql = format!(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
             SELECT 'Order', {key}, 'order.created', '{{}}' FROM generate_series(1, {events}) g"
        );
        world.client.batch_execute(&sql).await.expect("events");
    };
    assert_eq!(pending(640).await, 0);
    insert("'one'", 300).await;
    assert_eq!((pending(640).await, pending(128).await), (300, 128), "all in one lane");
    insert("'key-' || g", 200).await;
    assert_eq!((pending(640).await, pending(128).await), (500, 128), "most in one lane, some in all");
    insert("'other-' || g", 10_000).await;
    assert_eq!((pending(640).await, pending(100_000).await), (640, 10_500), "many in all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_of_a_relay_that_hangs_in_a_transaction_is_ended_and_no_other() {
    let world = world("backends").await;
    let named = async |name: &str| {
        let client = world.bed.client().await;
        client
            .batch_execute(&format!("SET application_name = '{name}'; BEGIN; SELECT 1"))
            .await
            .expect("a transaction");
        client
    };
    let (hanging, migrating, other) =
        (named("outbox-relay/0/x").await, named("outbox-relay/0/migrate").await, named("shop").await);
    let sql = Queries::new("outbox").end_hanging_backends.clone();
    let ended = async |seconds: i64| {
        let params: [&(dyn ToSql + Sync); 3] = [&"outbox-relay/", &seconds, &COMMANDS.as_slice()];
        world.client.query(&sql, &params).await.expect("the query runs").len()
    };
    assert_eq!(ended(60).await, 0, "none is that old");
    eventually(SOON, "the hanging backend is ended", async || ended(1).await == 1).await;
    eventually(SOON, "its connection is closed", async || hanging.is_closed()).await;
    assert!(!migrating.is_closed() && !other.is_closed());
}
