//! Faults of the lines to the two servers, made by a proxy before each: silent in one direction or both, slow, cut in the middle of a
//! frame or of a COMMIT, refused.

use std::time::Duration;

use testkit::traffic::Load;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Stall};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new("pg_half_open", "PostgreSQL's line silent for 20 s: both ways, up, down", |trial| {
            silent(trial, true, false)
        }),
        Row::new("mq_half_open", "RabbitMQ's line silent for 20 s: both ways, up, down", |trial| {
            silent(trial, false, true)
        }),
        Row::new("both_half_open", "both lines silent for 20 s: both ways, up, down", |trial| {
            silent(trial, true, true)
        })
        .quick(),
        Row::new("pg_slow", "PostgreSQL 200 ms, then 2 s away for 15 s each", |trial| slow(trial, true)),
        Row::new("mq_slow", "RabbitMQ 500 ms and 50 kB/s, then 3 s away for 15 s each", |trial| slow(trial, false)),
        Row::new("pg_cut", "PostgreSQL's line cut after a few hundred bytes, in a COMMIT too", |trial| {
            cut(trial, true)
        })
        .quick(),
        Row::new("mq_cut", "RabbitMQ's line cut after a few hundred bytes, inside a frame", |trial| cut(trial, false))
            .quick(),
        Row::new("both_refused", "both lines reset and refused for 5 s", refused),
    ]
}

/// Two relays behind the proxies, and a load.
struct Lines {
    scene: Scene,
    database: Proxy,
    broker: Proxy,
}

async fn behind_proxies(trial: &Trial) -> Lines {
    let mut scene = Scene::open(trial).await;
    let database_url = scene.bed.relay_database_url();
    let (database, broker) =
        (Proxy::start(addr_of(&database_url)).await, Proxy::start(addr_of(&scene.bed.amqp_url())).await);
    let urls = (with_addr(&database_url, database.addr()), with_addr(&scene.bed.amqp_url(), broker.addr()));
    for _ in 0..2 {
        scene.relay(&["--database-url", &urls.0, "--amqp-url", &urls.1]).await;
    }
    let load = Load { producers: 2, keys: 60, events_at_most: 4, pause: Duration::from_millis(12), ..Load::default() };
    scene.load_with(&load);
    scene.flow(100).await;
    Lines { scene, database, broker }
}

async fn silent(trial: Trial, database: bool, broker: bool) -> Outcome {
    const STALLS: [Stall; 3] = [Stall::Both, Stall::Up, Stall::Down];
    let mut lines = behind_proxies(&trial).await;
    let rounds = trial.rounds(STALLS.len(), 1);
    for stall in STALLS.into_iter().take(rounds) {
        lines.scene.flow(100).await;
        let faults = Faults { stall, ..Faults::default() };
        if database {
            lines.database.set(faults.clone());
        }
        if broker {
            lines.broker.set(faults);
        }
        lasts(seconds(20)).await;
        lines.database.heal();
        lines.broker.heal();
        lines.scene.recover().await;
    }
    let outcome = lines.scene.finish(rounds, rounds * 2 * WINDOW).await;
    drop((lines.database, lines.broker));
    outcome
}

async fn slow(trial: Trial, database: bool) -> Outcome {
    let mut lines = behind_proxies(&trial).await;
    let proxy = if database { &lines.database } else { &lines.broker };
    let rate = (!database).then_some(50_000);
    let (first, second) = if database { (200, 2_000) } else { (500, 3_000) };
    for (millis, bytes_per_second) in [(first, rate), (second, None)] {
        proxy.set(Faults { latency: Duration::from_millis(millis), bytes_per_second, ..Faults::default() });
        lasts(seconds(15)).await;
        proxy.heal();
        lines.scene.recover().await;
    }
    lines.scene.finish(2, 2 * 2 * WINDOW).await
}

/// Each round cuts one connection of a relay, which ends one batch or all of its workers' batches.
async fn cut(mut trial: Trial, database: bool) -> Outcome {
    let rounds = trial.rounds(30, 6);
    let mut lines = behind_proxies(&trial).await;
    let proxy = if database { &lines.database } else { &lines.broker };
    for _ in 0..rounds {
        let bytes = trial.random.u64(1..3_000);
        proxy.set(Faults { cut_after: Some(bytes), ..Faults::default() });
        lines.scene.flow(20).await;
        lasts(trial.millis(20..200)).await;
        proxy.heal();
        lines.scene.recover().await;
    }
    lines.scene.finish(rounds, rounds * WINDOW).await
}

async fn refused(trial: Trial) -> Outcome {
    const ROUNDS: usize = 4;
    let mut lines = behind_proxies(&trial).await;
    for _ in 0..ROUNDS {
        lines.scene.flow(100).await;
        for proxy in [&lines.database, &lines.broker] {
            proxy.set(Faults { refuse: true, ..Faults::default() });
            proxy.reset_all();
        }
        lasts(seconds(5)).await;
        lines.database.heal();
        lines.broker.heal();
        lines.scene.recover().await;
    }
    lines.scene.finish(ROUNDS, ROUNDS * 2 * WINDOW).await
}
