//! A relay that dies, or stops, at a chosen moment of a batch, without help from inside: locked rows hold its settle, a silent or a slow line
//! its confirms.

use std::time::Duration;

use testkit::patience::IN_THE_END;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Stall, Writer, eventually};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW};

const KEYS: usize = 40;
const EVENTS: usize = 3;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "relay_killed_settling",
            "kill -9 between the confirms and the COMMIT, which locked rows hold up",
            settling,
        )
        .quick(),
        Row::new(
            "relay_killed_unconfirmed",
            "kill -9 between publish and confirm, on a line that falls silent",
            unconfirmed,
        )
        .quick(),
        Row::new("relay_stopped_unconfirmed", "SIGTERM while every confirm comes 4 s late", stopped).quick(),
    ]
}

/// Commits some events of each of 40 orders.
async fn order(scene: &Scene) {
    let (writer, mut client) = (Writer::new(&scene.history), scene.bed.client().await);
    for key in 0..KEYS {
        writer.commit(&mut client, &format!("order-{key}"), EVENTS).await;
    }
}

/// Starts a relay whose line to the broker is this proxy, and waits until it has nothing to do.
async fn relay_behind(scene: &mut Scene, proxy: &Proxy) {
    let url = with_addr(&scene.bed.amqp_url(), proxy.addr());
    scene.relay(&["--amqp-url", &url]).await;
    order(scene).await;
    scene.bed.quiet(&scene.history, IN_THE_END).await;
}

async fn settling(trial: Trial) -> Outcome {
    let rounds = trial.rounds(10, 1);
    let mut scene = Scene::open(&trial).await;
    for _ in 0..rounds {
        order(&scene).await;
        let before = scene.history.progress().distinct;
        let mut client = scene.bed.client().await;
        let lock = client.transaction().await.expect("a transaction");
        // Claims go on, marking does not.
        lock.batch_execute("SELECT FROM outbox.events FOR UPDATE").await.expect("the rows' locks");
        scene.relay(&[]).await;
        let has_arrived = async || scene.history.progress().distinct > before;
        eventually(IN_THE_END, "what is to be settled arrives", has_arrived).await;
        let is_settling = async || {
            let sql =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            scene.bed.client().await.query_one(sql, &[]).await.expect("waits are counted").get::<_, i64>(0) > 0
        };
        eventually(IN_THE_END, "a settle waits for a row", is_settling).await;
        scene.kill(0).await;
        lock.rollback().await.expect("the lock is given back");
        scene.relay(&[]).await;
        scene.recover().await;
        scene.retire(0).await;
    }
    scene.finish(rounds, rounds * WINDOW).await
}

async fn unconfirmed(trial: Trial) -> Outcome {
    let rounds = trial.rounds(10, 1);
    let mut scene = Scene::open(&trial).await;
    let proxy = Proxy::start(addr_of(&scene.bed.amqp_url())).await;
    for _ in 0..rounds {
        relay_behind(&mut scene, &proxy).await;
        let before = scene.history.progress().distinct;
        proxy.set(Faults { stall: Stall::Down, ..Faults::default() });
        order(&scene).await;
        let some_arrived = async || scene.history.progress().distinct > before;
        eventually(IN_THE_END, "events arrive whose confirms do not", some_arrived).await;
        scene.kill(0).await;
        proxy.heal();
        scene.relay(&[]).await;
        scene.recover().await;
        scene.retire(0).await;
    }
    // Of each key, one event was out.
    scene.finish(rounds, rounds * KEYS).await
}

async fn stopped(trial: Trial) -> Outcome {
    let rounds = trial.rounds(5, 1);
    let mut scene = Scene::open(&trial).await;
    let proxy = Proxy::start(addr_of(&scene.bed.amqp_url())).await;
    for _ in 0..rounds {
        relay_behind(&mut scene, &proxy).await;
        proxy.set(Faults { latency: Duration::from_secs(2), ..Faults::default() });
        order(&scene).await;
        // Longer than a batch may take, so that the batch ends before its confirms come.
        let is_owed = async || {
            let sql = "SELECT count(*) FROM outbox.waits WHERE reason = 'unconfirmed'";
            scene.bed.client().await.query_one(sql, &[]).await.expect("a count").get::<_, i64>(0) > 0
        };
        eventually(IN_THE_END, "events wait for their confirms", is_owed).await;
        scene.retire(0).await;
        proxy.heal();
        scene.relay(&[]).await;
        scene.recover().await;
        scene.retire(0).await;
    }
    scene.finish(rounds, 0).await
}
