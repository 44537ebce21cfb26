//! Faults of RabbitMQ itself: killed, restarted, its alarms.

use testkit::patience::IN_THE_END;
use testkit::{PrivateServices, eventually};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

/// What a broker that was killed gives out again to the consumer without saying so: its prefetch.
const GIVEN_AGAIN: usize = 1_000;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "mq_memory_alarm",
            "memory alarm for two minutes, relays killed, stopped and started in it",
            memory_alarm,
        )
        .quick(),
        Row::new("mq_away", "RabbitMQ stopped in good order, a minute away", |trial| outage(trial, false, 1, 60))
            .quick(),
        Row::new("mq_killed", "RabbitMQ killed, 3 s away", |trial| outage(trial, true, 4, 3)),
        Row::new("mq_restarted", "RabbitMQ stopped in good order, 3 s away", |trial| outage(trial, false, 4, 3)),
        Row::new("mq_disk_alarm", "disk alarm for 20 s", disk_alarm),
    ]
}

async fn two(trial: &Trial, services: &PrivateServices) -> Scene {
    let mut scene = Scene::open_on(trial, services).await;
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    scene.flow(100).await;
    scene
}

async fn outage(mut trial: Trial, killed: bool, rounds: usize, away: u64) -> Outcome {
    let services = PrivateServices::start(&trial.name, &["rabbitmq"], None).await;
    let mut scene = two(&trial, &services).await;
    for _ in 0..rounds {
        lasts(trial.millis(200..1_000)).await;
        if killed {
            services.kill("rabbitmq").await;
        } else {
            services.stop("rabbitmq").await;
        }
        lasts(seconds(away)).await;
        services.start_again("rabbitmq").await;
        scene.recover().await;
    }
    scene.finish(rounds, rounds * (2 * WINDOW + GIVEN_AGAIN)).await
}

async fn memory_alarm(trial: Trial) -> Outcome {
    let services = PrivateServices::start(&trial.name, &["rabbitmq"], None).await;
    let mut scene = two(&trial, &services).await;
    services.ctl(&["set_vm_memory_high_watermark", "0.0000001"]).await;
    let is_seen = async || scene.relays[0].metric("outbox_broker_blocked").await > 0.5;
    eventually(IN_THE_END, "the alarm is seen", is_seen).await;
    for _ in 0..trial.rounds(6, 1) {
        lasts(seconds(10)).await;
        scene.kill(0).await;
        scene.relay(&[]).await;
        lasts(seconds(10)).await;
        // What is blocked cannot be confirmed; a stop does not wait for it for ever.
        scene.retire(0).await;
        scene.relay(&[]).await;
    }
    services.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    scene.recover().await;
    // Each relay may have one batch at the broker when the alarm comes, and each new connection one message.
    scene.finish(1, 2 * WINDOW + 12 * 2).await
}

async fn disk_alarm(trial: Trial) -> Outcome {
    const ROUNDS: usize = 3;
    let services = PrivateServices::start(&trial.name, &["rabbitmq"], None).await;
    let mut scene = two(&trial, &services).await;
    for _ in 0..ROUNDS {
        scene.flow(100).await;
        services.ctl(&["set_disk_free_limit", "100000GB"]).await;
        lasts(seconds(20)).await;
        services.ctl(&["set_disk_free_limit", "50MB"]).await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, ROUNDS * 2 * WINDOW).await
}
