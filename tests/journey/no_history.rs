//! `--retention 0` and `--mark-durability off`: the promises hold without history and without waiting for the disk.

use testkit::patience::{IN_THE_END, SOON};
use testkit::services::PrivateServices;
use testkit::world::order_types;
use testkit::{Relay, World, eventually};

/// Rows that are not pending; there is to be none.
const KEPT: &str = "SELECT count(*) FROM outbox.events WHERE published_at IS NOT NULL";

#[tokio::test]
async fn without_retention_confirmed_events_are_gone_and_everything_else_is_as_ever() {
    let mut world = World::new("no_history", [order_types("orders")]).await.consumed("orders");
    let mut relay =
        Relay::start(&world.bed, &["--retention", "0", "--retry-backoff-min", "10ms", "--retry-backoff-max", "20ms"])
            .await;
    world.order(20, 5).await;
    world.quiet().await;
    let rows: i64 = world.value("SELECT count(*) FROM outbox.events").await;
    assert_eq!(rows, 0, "nothing is left of what was confirmed");
    world.order(20, 5).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    let unbound = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
        VALUES ('Order', 'nobody-listens', 'unbound.type', '{}')";
    world.execute(unbound).await;
    let letters = "SELECT count(*) FROM outbox.dead_letters WHERE event_type = 'unbound.type'";
    eventually(SOON, "it is a dead letter", async || world.value::<i64>(letters).await == 1).await;
    let left = "SELECT (SELECT count(*) FROM outbox.events) + (SELECT count(*) FROM outbox.waits)";
    assert_eq!(world.value::<i64>(left).await, 0);
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

/// What an earlier run kept is history too.
#[tokio::test]
async fn where_nothing_is_to_be_kept_what_was_kept_before_goes_too() {
    let mut world = World::open("history_ends").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.order(5, 4).await;
    world.quiet().await;
    assert_eq!(world.value::<i64>(KEPT).await, 20);
    relay.stop_well().await;
    // Not only once the job of the relay before is late.
    world.execute("UPDATE outbox.upkeep SET last_run_at = '-infinity'").await;
    let mut relay = Relay::start(&world.bed, &["--retention", "0"]).await;
    eventually(SOON, "the kept events are deleted", async || world.value::<i64>(KEPT).await == 0).await;
    world.verdict().await.assert_clean(0);
    relay.stop_well().await;
}

/// Marks that a crash forgets cost copies, never order or an event.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_database_that_forgets_marks_costs_copies_of_these_events_at_most() {
    const ORDERS_OF_ROUND: usize = 10;
    const EVENTS: usize = 5;
    const ROUNDS: usize = 3;
    let services = PrivateServices::start("lazy_marks", &["postgres"], None).await;
    let mut world = World::open_on(&services).await;
    // The server's log waits as long as it may, so that a crash forgets as much as it can.
    world.execute("ALTER SYSTEM SET wal_writer_delay = '10s'").await;
    world.execute("SELECT pg_reload_conf()").await;
    let mut relay = Relay::start(&world.bed, &["--mark-durability", "off"]).await;
    for _ in 0..ROUNDS {
        world.order(ORDERS_OF_ROUND, EVENTS).await;
        world.quiet().await;
        services.kill("postgres").await;
        services.start_again("postgres").await;
        world.client = world.bed.client().await;
        eventually(IN_THE_END, "the relay uses the database again", async || world.bed.pending().await == 0).await;
    }
    let verdict = world.verdict().await;
    verdict.assert_clean(ROUNDS * ORDERS_OF_ROUND * EVENTS);
    assert_eq!(verdict.delivered, ROUNDS * ORDERS_OF_ROUND * EVENTS);
    relay.stop_well().await;
}
