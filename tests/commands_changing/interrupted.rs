//! A replay that is cut off in the middle: nothing is half-done, and the rest is done by `--resume`, no event twice.

use std::time::Duration;

use testkit::{Relay, Signal, eventually, signal};
use tokio::process::Child;

use crate::commands_changing::command::{end_of, interrupt, run, start};
use crate::commands_changing::scene::{SOON, Scene};

const EVENTS: i64 = 1_000;

/// Events published, and a replay of them that is in the middle.
async fn in_the_middle(name: &str) -> (Scene, Relay, Child) {
    let mut scene = Scene::open(name).await;
    let relay = Relay::start(&scene.bed, &[]).await;
    scene.order(100, 10).await;
    scene.quiet().await;
    let until = scene.now().await;
    let child = start(&scene.bed, &["replay", "--until", &until, "--yes", "--rate", "100"]);
    let middle = async || scene.ask::<i64>("SELECT coalesce(sum(events), 0)::bigint FROM outbox.replays").await >= 200;
    eventually(SOON, "the replay is in the middle", middle).await;
    (scene, relay, child)
}

/// What holds whenever a replay was cut off; returns the run.
async fn nothing_is_half_done(scene: &Scene) -> String {
    let counted: i64 = scene.ask("SELECT events FROM outbox.replays").await;
    let rows = "SELECT count(*) FROM outbox.events e JOIN outbox.replays r ON r.id = e.replay_id";
    assert_eq!(scene.ask::<i64>(rows).await, counted);
    assert!((200..EVENTS).contains(&counted), "{counted}");
    assert!(scene.ask::<bool>("SELECT finished_at IS NULL FROM outbox.replays").await);
    scene.ask("SELECT id::text FROM outbox.replays").await
}

async fn the_rest_is_done(scene: &Scene, relay: &mut Relay, run_id: &str) {
    let answer = run(&scene.bed, &["replay", "--resume", run_id, "--json"]).await.with_code(0).json();
    assert_eq!((&answer["replayed_by_run"], &answer["finished"]), (&EVENTS.into(), &true.into()), "{answer}");
    scene.arrivals(2_000).await;
    let verdict = scene.finish(relay).await;
    verdict.assert_clean(1_000);
    assert_eq!(verdict.duplicates, 1_000);
    run(&scene.bed, &["replay", "--resume", run_id]).await.with_code(0).saying("nothing is left to do");
    run(&scene.bed, &["replay", "--runs"]).await.with_code(0).saying(run_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_replay_between_two_chunks_and_says_how_to_go_on() {
    let (scene, mut relay, child) = in_the_middle("replay_ctrl_c").await;
    interrupt(&child);
    let ended = end_of(child).await.with_code(1).saying("not finished");
    let run_id = nothing_is_half_done(&scene).await;
    let ended = ended.saying(&format!("replay --resume {run_id}"));
    assert!(ended.stderr.contains("interrupted"), "{ended:#?}");
    the_rest_is_done(&scene, &mut relay, &run_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_leaves_no_half_chunk_and_the_run_goes_on() {
    let (scene, mut relay, child) = in_the_middle("replay_kill").await;
    signal(child.id().expect("it runs"), Signal::Kill);
    assert_eq!(end_of(child).await.code, None);
    let gone =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%/replay'";
    eventually(SOON, "its connection is gone", async || scene.ask::<i64>(gone).await == 0).await;
    let run_id = nothing_is_half_done(&scene).await;
    the_rest_is_done(&scene, &mut relay, &run_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_replay_that_was_cut_off_goes_on_too() {
    let mut scene = Scene::open("dlq_cut").await;
    let ids = scene.order(60, 1).await;
    for id in ids {
        scene.dead_letter(id, "UNROUTABLE", &[], &["default"]).await;
    }
    let child = start(&scene.bed, &["dlq", "replay", "--since", "1h", "--yes", "--rate", "10", "--limit", "50"]);
    let middle = async || scene.ask::<i64>("SELECT coalesce(sum(events), 0)::bigint FROM outbox.replays").await >= 20;
    eventually(SOON, "the replay is in the middle", middle).await;
    interrupt(&child);
    end_of(child).await.with_code(1);
    let run_id: String = scene.ask("SELECT id::text FROM outbox.replays").await;
    let done: i64 = scene.ask("SELECT events FROM outbox.replays").await;
    assert_eq!(scene.bed.pending().await, done);
    let answer = run(&scene.bed, &["replay", "--resume", &run_id, "--json"]).await.with_code(0).json();
    assert_eq!((&answer["replayed_by_run"], &answer["source"]), (&50.into(), &"dead_letters".into()), "{answer}");
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM outbox.dead_letters WHERE processed_at IS NULL").await, 10);
    let mut relay = Relay::start(&scene.bed, &[]).await;
    scene.arrivals(50).await;
    relay.stop(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_rolls_the_chunk_at_hand_back() {
    let mut scene = Scene::open("dlq_twice").await;
    let ids = scene.order(3, 1).await;
    for id in ids {
        scene.dead_letter(id, "UNROUTABLE", &[], &["default"]).await;
    }
    scene.execute("BEGIN; SELECT FROM outbox.dead_letters FOR UPDATE").await;
    let other = scene.bed.client().await;
    let child = start(&scene.bed, &["dlq", "replay", "--since", "1h", "--yes"]);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let count = async || other.query_one(waits, &[]).await.expect("an answer").get::<_, i64>(0);
    eventually(SOON, "its chunk waits for the rows", async || count().await == 1).await;
    interrupt(&child);
    interrupt(&child);
    // Signals of one number that come together are one.
    let is_over = async || {
        if count().await > 0 {
            interrupt(&child);
        }
        count().await == 0
    };
    eventually(SOON, "its chunk is given up", is_over).await;
    scene.execute("COMMIT").await;
    let ended = end_of(child).await.with_code(1).saying("interrupted twice").saying("rolled back");
    assert!(ended.stdout.contains("sent 0 of 3 again (0 in total by this run)"), "{ended:#?}");
    assert_eq!(scene.bed.pending().await, 0);
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM outbox.dead_letters WHERE processed_at IS NULL").await, 3);
    assert_eq!(scene.ask::<i64>("SELECT events FROM outbox.replays").await, 0);
    let run_id: String = scene.ask("SELECT id::text FROM outbox.replays").await;
    run(&scene.bed, &["replay", "--resume", &run_id]).await.with_code(0).saying("3 in total by this run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_waits_for_a_row_says_so_and_not_that_the_database_is_gone() {
    let mut scene = Scene::open("purge_locked").await;
    scene.order(3, 1).await;
    scene.execute("UPDATE outbox.events SET published_at = clock_timestamp() - interval '1 hour'").await;
    scene.execute("BEGIN; SELECT FROM outbox.events FOR UPDATE").await;
    let ended = run(&scene.bed, &["purge", "published", "--older-than", "1m", "--yes"]).await;
    scene.execute("COMMIT").await;
    assert!(!ended.stderr.contains("reached"), "{ended:#?}");
    ended.with_code(1).saying("lock");
}
