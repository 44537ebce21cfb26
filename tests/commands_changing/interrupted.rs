//! A replay that is cut off in the middle: nothing is half-done, and the rest is done by `--resume`, no event twice.

use std::time::Duration;

use testkit::command::{Command, Running, run};
use testkit::patience::SOON;
use testkit::{Relay, Signal, World, eventually, signal};

use crate::commands_changing::scene::{self, Scene};

const EVENTS: i64 = 1_000;

/// Events published, and a replay of them that is in the middle.
async fn in_the_middle(name: &str) -> (World, Relay, Running) {
    let mut world = scene::open(name).await;
    let relay = Relay::start(&world.bed, &[]).await;
    world.seed(100, 10).await;
    world.quiet().await;
    let until = world.now().await;
    let child = Command::on(&world.bed, &["replay", "--until", &until, "--yes", "--rate", "100"]).start();
    let middle =
        async || world.value::<i64>("SELECT coalesce(sum(events), 0)::bigint FROM outbox.replays").await >= 200;
    eventually(SOON, "the replay is in the middle", middle).await;
    (world, relay, child)
}

/// What holds whenever a replay was cut off; returns the run.
async fn nothing_is_half_done(world: &World) -> String {
    let counted: i64 = world.value("SELECT events FROM outbox.replays").await;
    let rows = "SELECT count(*) FROM outbox.events e JOIN outbox.replays r ON r.id = e.replay_id";
    assert_eq!(world.value::<i64>(rows).await, counted);
    assert!((200..EVENTS).contains(&counted), "{counted}");
    assert!(world.value::<bool>("SELECT finished_at IS NULL FROM outbox.replays").await);
    world.value("SELECT id::text FROM outbox.replays").await
}

async fn the_rest_is_done(world: &World, relay: &mut Relay, run_id: &str) {
    let answer = run(&world.bed, &["replay", "--resume", run_id, "--json"]).await.with_code(0).json();
    assert_eq!((&answer["replayed_by_run"], &answer["finished"]), (&EVENTS.into(), &true.into()), "{answer}");
    world.arrivals(2_000).await;
    let verdict = world.finish(relay).await;
    verdict.assert_clean(1_000);
    assert_eq!(verdict.duplicates, 1_000);
    run(&world.bed, &["replay", "--resume", run_id]).await.with_code(0).saying("nothing is left to do");
    run(&world.bed, &["replay", "--runs"]).await.with_code(0).saying(run_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_replay_between_two_chunks_and_says_how_to_go_on() {
    let (world, mut relay, child) = in_the_middle("replay_ctrl_c").await;
    child.interrupt();
    let ended = child.end().await.with_code(1).saying("not finished");
    let run_id = nothing_is_half_done(&world).await;
    let ended = ended.saying(&format!("replay --resume {run_id}"));
    assert!(ended.stderr.contains("interrupted"), "{ended:#?}");
    the_rest_is_done(&world, &mut relay, &run_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_leaves_no_half_chunk_and_the_run_goes_on() {
    let (world, mut relay, child) = in_the_middle("replay_kill").await;
    signal(child.pid(), Signal::Kill);
    assert_eq!(child.end().await.code, None);
    let gone =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%/replay'";
    eventually(SOON, "its connection is gone", async || world.value::<i64>(gone).await == 0).await;
    let run_id = nothing_is_half_done(&world).await;
    the_rest_is_done(&world, &mut relay, &run_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_replay_that_was_cut_off_goes_on_too() {
    let mut world = scene::open("dlq_cut").await;
    let ids = world.seed(60, 1).await;
    for id in ids {
        world.dead_letter(id, "UNROUTABLE", &[], &["default"]).await;
    }
    let child =
        Command::on(&world.bed, &["dlq", "replay", "--since", "1h", "--yes", "--rate", "10", "--limit", "50"]).start();
    let middle = async || world.value::<i64>("SELECT coalesce(sum(events), 0)::bigint FROM outbox.replays").await >= 20;
    eventually(SOON, "the replay is in the middle", middle).await;
    child.interrupt();
    child.end().await.with_code(1);
    let run_id: String = world.value("SELECT id::text FROM outbox.replays").await;
    let done: i64 = world.value("SELECT events FROM outbox.replays").await;
    assert_eq!(world.bed.pending().await, done);
    let answer = run(&world.bed, &["replay", "--resume", &run_id, "--json"]).await.with_code(0).json();
    assert_eq!((&answer["replayed_by_run"], &answer["source"]), (&50.into(), &"dead_letters".into()), "{answer}");
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.dead_letters WHERE processed_at IS NULL").await, 10);
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.arrivals(50).await;
    relay.stop(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_rolls_the_chunk_at_hand_back() {
    let mut world = scene::open("dlq_twice").await;
    let ids = world.seed(3, 1).await;
    for id in ids {
        world.dead_letter(id, "UNROUTABLE", &[], &["default"]).await;
    }
    world.execute("BEGIN; SELECT FROM outbox.dead_letters FOR UPDATE").await;
    let other = world.bed.client().await;
    let child = Command::on(&world.bed, &["dlq", "replay", "--since", "1h", "--yes"]).start();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let count = async || other.query_one(waits, &[]).await.expect("an answer").get::<_, i64>(0);
    eventually(SOON, "its chunk waits for the rows", async || count().await == 1).await;
    child.interrupt();
    child.interrupt();
    // Signals of one number that come together are one.
    let is_over = async || {
        if count().await > 0 {
            child.interrupt();
        }
        count().await == 0
    };
    eventually(SOON, "its chunk is given up", is_over).await;
    world.execute("COMMIT").await;
    let ended = child.end().await.with_code(1).saying("interrupted twice").saying("rolled back");
    assert!(ended.stdout.contains("queued 0 of 3 to be sent again (0 in total by this run)"), "{ended:#?}");
    assert_eq!(world.bed.pending().await, 0);
    assert_eq!(world.value::<i64>("SELECT count(*) FROM outbox.dead_letters WHERE processed_at IS NULL").await, 3);
    assert_eq!(world.value::<i64>("SELECT events FROM outbox.replays").await, 0);
    let run_id: String = world.value("SELECT id::text FROM outbox.replays").await;
    run(&world.bed, &["replay", "--resume", &run_id]).await.with_code(0).saying("3 in total by this run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_waits_for_a_row_says_so_and_not_that_the_database_is_gone() {
    let mut world = scene::open("purge_locked").await;
    world.seed(3, 1).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp() - interval '1 hour'").await;
    world.execute("BEGIN; SELECT FROM outbox.events FOR UPDATE").await;
    let ended = run(&world.bed, &["purge", "published", "--older-than", "1m", "--yes"]).await;
    world.execute("COMMIT").await;
    assert!(!ended.stderr.contains("reached"), "{ended:#?}");
    ended.with_code(1).saying("lock");
}
