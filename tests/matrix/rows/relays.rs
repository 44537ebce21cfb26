//! Faults of the relays themselves, three of them under load: killed, frozen, started and stopped, their clocks moved.

use testkit::patience::IN_THE_END;
use testkit::{Committed, Fate, Signal, body_hash, eventually};
use tokio_postgres::Client;
use uuid::Uuid;

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new("relay_frozen_60s", "SIGSTOP for 60 s, one relay of three", |trial| frozen(trial, 60, 2)),
        Row::new("relay_killed", "kill -9, one relay of three", killed),
        Row::new("relay_frozen_1s", "SIGSTOP for 1 s, one relay of three", |trial| {
            let rounds = trial.rounds(15, 3);
            frozen(trial, 1, rounds)
        })
        .quick(),
        Row::new("relays_scaled", "1 to 8 to 2 relays under load", scaled),
        Row::new("relays_rolled", "SIGTERM and a new relay, one after the other", rolled).quick(),
        Row::new(
            "relays_overtaken",
            "one relay of three killed, one frozen for 14 s, beside a transaction that commits 5 s late",
            overtaken,
        )
        .quick(),
        Row::new("relay_clock", "the clock of two relays of three moved by an hour, forth and back", clock),
    ]
}

async fn three(trial: &Trial) -> Scene {
    let mut scene = Scene::open(trial).await;
    for _ in 0..3 {
        scene.relay(&[]).await;
    }
    scene.load();
    scene.flow(100).await;
    scene
}

async fn killed(mut trial: Trial) -> Outcome {
    const ROUNDS: usize = 20;
    let mut scene = three(&trial).await;
    for _ in 0..ROUNDS {
        lasts(trial.millis(50..400)).await;
        scene.kill(trial.random.usize(..3)).await;
        scene.recover().await;
        scene.relay(&[]).await;
    }
    scene.finish(ROUNDS, ROUNDS * WINDOW).await
}

async fn frozen(mut trial: Trial, time: u64, rounds: usize) -> Outcome {
    let mut scene = three(&trial).await;
    for _ in 0..rounds {
        lasts(trial.millis(50..400)).await;
        let place = trial.random.usize(..3);
        scene.relays[place].signal(Signal::Stop);
        lasts(seconds(time)).await;
        scene.relays[place].signal(Signal::Cont);
        scene.recover().await;
    }
    // Within its transaction's 10 s nobody takes a frozen relay's place, so that nothing can be sent twice.
    scene.finish(rounds, if time < 5 { 0 } else { rounds * WINDOW }).await
}

async fn scaled(mut trial: Trial) -> Outcome {
    const ROUNDS: usize = 3;
    let mut scene = Scene::open(&trial).await;
    scene.relay(&[]).await;
    scene.load();
    for _ in 0..ROUNDS {
        while scene.relays.len() < 8 {
            scene.relay(&[]).await;
        }
        scene.flow(150).await;
        while scene.relays.len() > 2 {
            scene.retire(trial.random.usize(..scene.relays.len())).await;
        }
        scene.recover().await;
        scene.retire(0).await;
        scene.flow(50).await;
    }
    scene.finish(ROUNDS, 0).await
}

async fn rolled(trial: Trial) -> Outcome {
    let rounds = trial.rounds(12, 4);
    let mut scene = three(&trial).await;
    for _ in 0..rounds {
        scene.relay(&[]).await;
        scene.retire(0).await;
        scene.recover().await;
    }
    scene.finish(rounds, 0).await
}

/// Nobody can order two events of a key whose transactions do not know of each other; the lower seq must arrive all the same.
async fn overtaken(trial: Trial) -> Outcome {
    let rounds = trial.rounds(3, 1);
    let mut scene = three(&trial).await;
    for round in 0..rounds {
        let key = format!("overtaken-{round}");
        let (first, second) = (scene.bed.client().await, scene.bed.client().await);
        first.batch_execute("BEGIN").await.expect("a transaction");
        let late = insert(&first, &key).await;
        let early = insert(&second, &key).await;
        // In the order in which they may be seen.
        scene.history.commit([event(early, &key, 0)]);
        scene.kill(0).await;
        scene.relays[0].signal(Signal::Stop);
        // Longer than its transaction may be idle: the others take its lanes over.
        let commit = async {
            lasts(seconds(5)).await;
            let has_arrived = async || scene.history.have_arrived(&[early]);
            eventually(IN_THE_END, "the higher seq arrives", has_arrived).await;
            scene.history.commit([event(late, &key, 1)]);
            first.batch_execute("COMMIT").await.expect("the lower seq commits last");
        };
        tokio::join!(commit, lasts(seconds(14)));
        scene.relays[0].signal(Signal::Cont);
        scene.recover().await;
        scene.relay(&[]).await;
    }
    // Two incidents a round, each with what a relay had in flight.
    scene.finish(rounds, rounds * 2 * WINDOW).await
}

const PAYLOAD: &str = r#"{"late":true}"#;

/// Inserts an event of the key; returns its id.
async fn insert(client: &Client, key: &str) -> Uuid {
    const INSERT: &str = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                          VALUES ('Order', $1, 'order.updated', $2::text::json) RETURNING id";
    client.query_one(INSERT, &[&key, &PAYLOAD]).await.expect("a row").get(0)
}

fn event(id: Uuid, key: &str, ordinal: u64) -> Committed {
    let payload = body_hash(PAYLOAD.as_bytes());
    Committed { id, key: key.into(), ordinal, payload, fate: Fate::Delivered, certain: true }
}

/// By the preloaded library of Debian's package faketime, which reads the offset from a file at each call; the monotonic clock stays.
async fn clock(trial: Trial) -> Outcome {
    const OFFSETS: [&str; 6] = ["+3600", "-3600", "+0", "-3600", "+3600", "+0"];
    let library = faketime();
    let mut scene = Scene::open(&trial).await;
    let file = std::env::temp_dir().join(format!("{}.clock", scene.bed.name()));
    std::fs::write(&file, "+0").expect("the clock's file is written");
    let path = file.to_str().expect("a path of ours");
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", path),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    scene.relay(&[]).await;
    for _ in 0..2 {
        let relay = scene.new_relay(&[], &variables).await;
        scene.relays.push(relay);
    }
    scene.load();
    scene.flow(100).await;
    for offset in OFFSETS {
        std::fs::write(&file, offset).expect("the clock's file is written");
        lasts(seconds(4)).await;
        scene.recover().await;
    }
    std::fs::remove_file(&file).ok();
    scene.finish(OFFSETS.len(), 0).await
}

fn faketime() -> String {
    let places = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = places.map(|place| place.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    let found = found.expect("libfaketime is missing: dev/install faketime");
    found.to_str().expect("a path of Debian's").to_owned()
}
