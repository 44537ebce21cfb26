//! A cluster of three RabbitMQ nodes on this machine with a quorum queue, whose leader is killed.

use testkit::urls::with_path;
use testkit::world::ORDERS;
use testkit::{PrivateServices, Queue, QueueKind, TestBed, Topology};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

/// What a node that was killed gives out again to the consumer without saying so: its prefetch.
const GIVEN_AGAIN: usize = 1_000;

pub fn rows() -> Vec<Row> {
    vec![Row::new(
        "mq_quorum_leader",
        "the node with the leader of a quorum queue killed, one of three, 5 s away",
        leader,
    )]
}

async fn leader(trial: Trial) -> Outcome {
    const ROUNDS: usize = 4;
    let first = PrivateServices::start(&trial.name, &["rabbitmq"], None).await;
    let second = PrivateServices::join("mq_second", &first).await;
    let third = PrivateServices::join("mq_third", &first).await;
    let bed = TestBed::on(&first).await;
    let queues = [Queue::new(ORDERS, QueueKind::Quorum)];
    let mut scene = Scene::with(&trial, bed, &Topology::order_events(queues)).await;
    let nodes = [(first.node().await, &first), (second.node().await, &second), (third.node().await, &third)];
    let urls = nodes.iter().map(|(_, services)| with_path(&services.urls().amqp, scene.bed.vhost()));
    let urls = urls.collect::<Vec<_>>().join(",");
    scene.relay(&["--amqp-url", &urls]).await;
    scene.relay(&["--amqp-url", &urls]).await;
    scene.load();
    for _ in 0..ROUNDS {
        scene.flow(200).await;
        // A quorum queue killed within seconds of its declaration comes back deaf (seen on 3.10.8).
        lasts(seconds(5)).await;
        let queue = scene.bed.management().queue(scene.bed.vhost(), ORDERS).await.expect("the queue is there");
        let leader = queue["leader"].as_str().expect("a quorum queue has a leader").to_owned();
        let (_, node) = nodes.iter().find(|(name, _)| *name == leader).expect("the leader is one of the nodes");
        node.kill("rabbitmq").await;
        lasts(seconds(5)).await;
        node.start_again("rabbitmq").await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, ROUNDS * (2 * WINDOW + GIVEN_AGAIN)).await
}
