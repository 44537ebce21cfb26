//! `purge`: what is deleted, and what never is.

use testkit::command::{Command, run};
use testkit::patience::SOON;
use testkit::{NewEvent, Relay, eventually};

use crate::commands_changing::scene::{self, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn old_published_events_are_deleted_and_pending_ones_never() {
    let mut world = scene::open("purge_published").await;
    world.seed(100, 25).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp() - interval '2 days'").await;
    world.commit("new", vec![NewEvent::of_order("new", 0)]).await;
    world.execute("UPDATE outbox.events SET created_at = clock_timestamp() - interval '9 days'").await;
    let before = world.fingerprint().await;
    let args = ["purge", "published", "--older-than", "1d"];
    let looked = run(&world.bed, &[&args[..], &["--dry-run", "--json"]].concat()).await.with_code(0).json();
    assert_eq!((&looked["matched"], looked["sample"].as_array().map(Vec::len)), (&2_500.into(), Some(5)), "{looked}");
    assert_eq!(world.fingerprint().await, before);
    let answer = run(&world.bed, &[&args[..], &["--yes", "--json"]].concat()).await.with_code(0).json();
    assert_eq!((&answer["deleted"], &answer["finished"]), (&2_500.into(), &true.into()), "{answer}");
    assert_eq!(world.value::<String>("SELECT string_agg(aggregate_id, ',') FROM outbox.events").await, "new");
    run(&world.bed, &[&args[..], &["--yes"]].concat()).await.with_code(1).saying("nothing matches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_beside_a_replay_deletes_nothing_that_the_replay_made_pending() {
    let mut world = scene::open("purge_replay").await;
    world.seed(100, 60).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp() - interval '2 days'").await;
    let replay = Command::on(&world.bed, &["replay", "--until", "1d", "--yes", "--json", "--rate", "1500"]).start();
    let begun = async || world.value::<i64>("SELECT coalesce(sum(events), 0)::bigint FROM outbox.replays").await > 0;
    eventually(SOON, "the replay has begun", begun).await;
    let purge = Command::on(&world.bed, &["purge", "published", "--older-than", "1d", "--yes", "--json"]).start();
    let (replay, purge) = tokio::join!(replay.end(), purge.end());
    let replayed = replay.json()["replayed"].as_i64().expect("a count");
    let deleted = purge.with_code(0).json()["deleted"].as_i64().expect("a count");
    assert_eq!(replayed + deleted, 6_000);
    assert!(deleted > 0, "the purge came too late to prove anything");
    assert_eq!(world.bed.pending().await, replayed);
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.arrivals(usize::try_from(replayed).expect("a count")).await;
    relay.stop(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_waited_for_a_replays_rows_leaves_them_alone() {
    let mut world = scene::open("purge_waits").await;
    world.seed(50, 2).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp() - interval '2 days'").await;
    // A replay's chunk that is not committed yet.
    let chunk = world.bed.client().await;
    let replayed = "BEGIN; UPDATE outbox.events SET published_at = NULL WHERE seq % 2 = 0";
    chunk.batch_execute(replayed).await.expect("half of them are pending");
    let purge = Command::on(&world.bed, &["purge", "published", "--older-than", "1d", "--yes", "--json"]).start();
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE '%/purge' AND wait_event_type = 'Lock'";
    eventually(SOON, "the purge waits", async || world.value::<i64>(waits).await == 1).await;
    chunk.batch_execute("COMMIT").await.expect("committed");
    assert_eq!(purge.end().await.with_code(0).json()["deleted"], 50);
    assert_eq!(world.bed.pending().await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_erasure_says_what_it_does_not_reach() {
    let mut world = scene::open("purge_erasure").await;
    let ids = world.seed(3, 3).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp() WHERE seq % 3 <> 0").await;
    let pending: i64 =
        world.value("SELECT count(*) FROM outbox.events WHERE aggregate_id = 'seed-1' AND published_at IS NULL").await;
    let purge = run(&world.bed, &["purge", "published", "--aggregate-id", "seed-1", "--yes"]).await.with_code(0);
    purge
        .saying("2 published events deleted")
        .saying("run this again once nothing is pending")
        .saying("the broker's queues");
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.events WHERE aggregate_id = 'seed-1'").await, pending);
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.events").await, 6 + pending);
    drop(ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_deleted_only_when_resolved_unless_said_otherwise() {
    let mut world = scene::open("purge_dead_letters").await;
    let ids = world.seed(4, 1).await;
    for id in &ids {
        world.dead_letter(*id, "UNROUTABLE", &[], &["default"]).await;
    }
    world.execute("UPDATE outbox.dead_letters SET dead_lettered_at = clock_timestamp() - interval '99 days'").await;
    let resolve =
        "UPDATE outbox.dead_letters SET resolution = 'discarded', processed_at = clock_timestamp() - interval";
    world
        .execute(&format!("{resolve} '95 days' WHERE id = '{}'; {resolve} '1 day' WHERE id = '{}'", ids[0], ids[1]))
        .await;
    let args = ["purge", "dead-letters", "--older-than", "90d"];
    run(&world.bed, &[&args[..], &["--yes"]].concat()).await.with_code(0).saying("1 dead letter");
    run(&world.bed, &[&args[..], &["--unresolved"]].concat()).await.with_code(64).saying("add --yes");
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.dead_letters").await, 3);
    run(&world.bed, &[&args[..], &["--unresolved", "--yes"]].concat())
        .await
        .with_code(0)
        .saying("2 dead letters deleted");
    let left: String = world.value("SELECT string_agg(id::text, ',') FROM outbox.dead_letters").await;
    assert_eq!(left, ids[1].to_string());
}
