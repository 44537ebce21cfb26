//! P1, no loss: a committed row is pending, published or a dead letter; published only once the broker took it on every route.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::world::{UNBOUND, orders};
use testkit::writer::{good, keys, of_type};
use testkit::{NewEvent, Queue, QueueKind, Relay, Topology, World, eventually};

#[tokio::test]
async fn committed_orders_all_arrive_in_order_and_rolled_back_ones_never() {
    let world = World::new("p1_rollback", [orders(), Queue::new("audit", QueueKind::Quorum)]).await;
    let _consumers = [world.consume("orders"), world.consume("audit")];
    let mut relay = Relay::start(&world.bed, &[]).await;
    let load = Load { pause: Duration::ZERO, roll_back_one_in: Some(3), ..Load::default() };
    let traffic = world.traffic(&load);
    eventually(SOON, "2,000 events are committed", async || world.history.progress().due >= 2_000).await;
    traffic.stop().await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    let (delivered, committed) = (verdict.delivered, verdict.committed);
    assert_eq!(delivered, committed, "a rolled-back event would be one too many");
    let in_both = || world.history.progress().arrivals == 2 * committed;
    eventually(SOON, "both queues are drained", async || in_both()).await;
    let sequence: i64 = world.ask("SELECT last_value FROM outbox.events_seq_seq", &[]).await;
    assert!(sequence > committed as i64, "some transactions were rolled back after they had taken a seq");
}

/// Records each mark of an event that no queue takes, whoever makes it.
const WATCH_MARKS: &str = "
    CREATE TABLE marks (id uuid);
    CREATE FUNCTION watch_marks() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO marks VALUES (new.id); RETURN new; END $$;
    CREATE TRIGGER watch_marks AFTER UPDATE ON outbox.events
        FOR EACH ROW WHEN (new.event_type LIKE 'nobody.%' AND new.published_at IS NOT NULL) EXECUTE FUNCTION watch_marks();";

#[tokio::test]
async fn nothing_is_marked_that_the_broker_returned() {
    let world = World::new("p1_returned", [orders()]).await;
    world.bed.client().await.batch_execute(WATCH_MARKS).await.expect("marks are watched");
    let _consumer = world.consume("orders");
    world.commit_each(&keys("good", 288), |key| good(key, 10)).await;
    world
        .commit_each(&keys("mixed", 12), |key| {
            let unbound = NewEvent::new(&format!("nobody.{key}"), "{}").dead_letter("UNROUTABLE");
            let mut events = good(key, 10);
            events.insert(5, unbound);
            events
        })
        .await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (3_000, 12));
    let attempts: Vec<i32> = world.ask("SELECT array_agg(attempts) FROM outbox.dead_letters", &[]).await;
    assert_eq!(attempts, [4; 12]);
    let marks: i64 = world.ask("SELECT count(*) FROM marks", &[]).await;
    assert_eq!(marks, 0, "a returned event was marked");
    let unpublished = "SELECT count(*) FROM outbox.dead_letter_documents WHERE original_event->>'id' = id::text";
    assert_eq!(world.ask::<i64>(unpublished, &[]).await, 12);
}

#[tokio::test]
async fn a_missing_binding_holds_its_events_and_charges_none_of_them() {
    let world = World::new("p1_binding", [orders()]).await;
    let _consumer = world.consume("orders");
    world.commit_each(&keys("order", 60), |_| of_type(UNBOUND, 1)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let all_held = async || world.waits("held").await == 60 && world.holds().await == ["unroutable"];
    eventually(SOON, "all 60 wait for one hold", all_held).await;
    assert_eq!(world.attempts_charged().await, 0);
    // Three events of each key behind the held ones, and other keys beside them.
    world.commit_each(&keys("order", 60), |key| good(key, 3)).await;
    world.commit_each(&keys("other", 20), |key| good(key, 5)).await;
    world.arrived(SOON, 100).await;
    assert_eq!(world.waits("held").await, 60, "the others left, these still wait");
    let bound = Queue::new("orders", QueueKind::Classic).bound_to(&["order.#", UNBOUND]);
    world.bed.declare_topology(&Topology::order_events([bound])).await;
    world.quiet().await;
    world.assert_nothing_charged(&relay).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (60 + 180 + 100, 0));
    assert_eq!(world.holds().await, [""; 0], "the probe lifted the hold");
}

#[tokio::test]
async fn a_missing_binding_met_row_by_row_loses_no_event() {
    let world = World::new("p1_trickle", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.commit_each(&keys("order", 60), |key| [of_type(UNBOUND, 1), good(key, 2)].concat()).await;
    eventually(SOON, "all 60 wait for one hold", async || world.waits("held").await == 60).await;
    assert_eq!(world.holds().await, ["unroutable"]);
    // Only what came back before the twentieth was charged, and only once.
    let charged: i64 = world.ask("SELECT count(*) FROM outbox.waits WHERE attempts > 0", &[]).await;
    assert!(charged < 20, "{charged} were charged");
    assert_eq!(world.attempts_charged().await, charged);
    let bound = Queue::new("orders", QueueKind::Classic).bound_to(&["order.#", UNBOUND]);
    world.bed.declare_topology(&Topology::order_events([bound])).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (180, 0));
}
