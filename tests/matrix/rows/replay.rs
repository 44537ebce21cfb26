//! Replays under load while confirms come later than anyone waits for them: a late confirm of an older copy must not stand for the copy
//! of the replay.

use std::time::Duration;

use testkit::command::run;
use testkit::patience::IN_THE_END;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, lasts, seconds};

const ROUNDS: usize = 6;
/// Events of one replay.
const REPLAYED: usize = 50;

pub fn rows() -> Vec<Row> {
    vec![Row::new("replay_late_confirms", "replays while every confirm comes 2 s late, after its timeout", late)]
}

async fn late(trial: Trial) -> Outcome {
    let mut scene = Scene::open(&trial).await;
    // Replays are copies, and so is what is sent again for want of a confirm: the counter cannot tell them apart.
    scene.lost_a_relay();
    let line = Proxy::start(addr_of(&scene.bed.amqp_url())).await;
    let url = with_addr(&scene.bed.amqp_url(), line.addr());
    let hasty = ["--amqp-url", &url, "--batch-deadline", "100ms", "--confirm-timeout", "1s"];
    scene.relay(&hasty).await;
    scene.relay(&hasty).await;
    scene.load();
    scene.flow(200).await;
    for _ in 0..ROUNDS {
        line.set(Faults { latency: Duration::from_secs(1), ..Faults::default() });
        replay(&scene).await;
        lasts(seconds(3)).await;
        replay(&scene).await;
        lasts(seconds(2)).await;
        line.heal();
        scene.recover().await;
    }
    scene.stop_load().await;
    scene.bed.quiet(&scene.history, IN_THE_END).await;
    let unsent = unsent(&scene).await;
    // Each round sends again what it replays, and may send again, once a second, the one event that each key has out.
    let mut outcome = scene.finish(ROUNDS, ROUNDS * (2 * REPLAYED + 10 * 60)).await;
    outcome
        .broken
        .extend((unsent > 0).then(|| format!("{unsent} replayed events are marked published and were not sent")));
    outcome
}

/// As an operator does, of whatever is published by now.
async fn replay(scene: &Scene) {
    let limit = REPLAYED.to_string();
    let ended = run(&scene.bed, &["replay", "--since", "1h", "--limit", &limit, "--yes", "--by", "matrix"]).await;
    // Whatever retention or another run takes away between looking and replaying is only partly done.
    assert!(ended.code.is_some_and(|code| code <= 1), "{ended:#?}");
}

/// Events whose last replay is marked and never arrived.
async fn unsent(scene: &Scene) -> usize {
    let query =
        "SELECT id::text, replay_id::text FROM outbox.events WHERE replay_id IS NOT NULL AND published_at IS NOT NULL";
    let rows = scene.bed.client().await.query(query, &[]).await.expect("replayed events are read");
    assert!(!rows.is_empty(), "events were replayed");
    // What was confirmed may be on its way to the consumer still.
    let missing = || rows.iter().filter(|row| !scene.history.has_replay(row.get(0), row.get(1))).count();
    for _ in 0..100 {
        if missing() == 0 {
            break;
        }
        lasts(Duration::from_millis(50)).await;
    }
    missing()
}
