//! Faults of what stands behind a template of many routing keys: a queue that falls silent, is full, or loses its binding. Other events flow
//! on meanwhile, nobody is charged, and everything arrives after it.

use std::time::Duration;

use lapin::ExchangeKind;
use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;
use serde_json::json;
use testkit::program::scratch_file;
use testkit::world::ORDERS;
use testkit::writer::of_type;
use testkit::{Consumer, PrivateServices, Queue, QueueKind, TestBed, Topology, Writer};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

/// A routing key for each order of one type; every other type beside it.
const ROUTES: &str = r#"
[[route]]
name = "side"
event_type = "order.side"
exchange = "order.events"
routing_key = "side.{key}"
envelope = "raw"
[[route]]
name = "all"
event_type = "*"
exchange = "order.events"
routing_key = "{event_type}"
envelope = "raw"
"#;
/// Orders of the type behind the template.
const KEYS: usize = 40;
/// One message of a probe, a few probes a fault.
const PROBES: usize = 20;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "flow_silent",
            "a queue behind a template of many keys suspended for 5 s: it confirms nothing",
            silent,
        ),
        Row::new("flow_burst", "the same while 2,000 events come for it at once", burst),
        Row::new("flow_unbound", "the binding of a template of many keys removed for 3 s", unbound),
        Row::new("flow_full", "a queue behind a template of many keys full with `reject-publish` for 3 s", full),
    ]
}

/// The scene with a second queue behind the template, and who reads from it.
struct Field {
    scene: Scene,
    side: Consumer,
}

impl Field {
    async fn open(trial: &Trial, bed: TestBed) -> Self {
        let queues = [
            Queue::new(ORDERS, QueueKind::Classic).bound_to(&["order.#"]),
            Queue::new("side", QueueKind::Classic).bound_to(&["side.#"]),
        ];
        let topology = Topology { exchange: "order.events".into(), kind: ExchangeKind::Topic, queues: queues.into() };
        let mut scene = Scene::with(trial, bed, &topology).await;
        scene.expect.queues.clear();
        let side = Consumer::start(&scene.bed.amqp_url(), "side", &scene.history);
        let routes = scratch_file("flows.toml", ROUTES);
        scene.relay(&["--routes", &routes]).await;
        scene.relay(&["--routes", &routes]).await;
        scene.load();
        let mut field = Self { scene, side };
        field.commit(1).await;
        field.scene.recover().await;
        field
    }

    /// Commits so many events of each key behind the template.
    async fn commit(&mut self, each: usize) {
        let writer = Writer::new(&self.scene.history);
        let mut client = self.scene.bed.client().await;
        for number in 0..KEYS {
            writer.commit_events(&mut client, &format!("side-{number}"), of_type("order.side", each)).await;
        }
    }

    /// What goes elsewhere flows on while the fault lasts.
    async fn others_flow(&mut self, time: Duration) {
        self.scene.flow(200).await;
        lasts(time).await;
        self.scene.flow(200).await;
    }

    async fn finish(self, rounds: usize, bound: usize) -> Outcome {
        let outcome = self.scene.finish(rounds, bound).await;
        self.side.stop().await;
        outcome
    }
}

/// A suspended queue has taken what it never confirmed, so all of that may come twice.
async fn silent(trial: Trial) -> Outcome {
    const ROUNDS: usize = 3;
    let services = PrivateServices::start(&trial.name, &["rabbitmq"], None).await;
    let mut field = Field::open(&trial, TestBed::on(&services).await).await;
    suspended(&mut field, &services, ROUNDS, 5).await;
    field.finish(ROUNDS, ROUNDS * (2 * WINDOW + PROBES)).await
}

async fn burst(trial: Trial) -> Outcome {
    const ROUNDS: usize = 2;
    let services = PrivateServices::start(&trial.name, &["rabbitmq"], None).await;
    let mut field = Field::open(&trial, TestBed::on(&services).await).await;
    suspended(&mut field, &services, ROUNDS, 50).await;
    field.finish(ROUNDS, ROUNDS * (2 * WINDOW + PROBES)).await
}

async fn suspended(field: &mut Field, services: &PrivateServices, rounds: usize, each: usize) {
    let vhost = field.scene.bed.vhost().to_owned();
    for _ in 0..rounds {
        services.suspend_queue(&vhost, "side").await;
        field.commit(each).await;
        field.others_flow(seconds(5)).await;
        services.resume_queue(&vhost, "side").await;
        field.scene.recover().await;
    }
}

async fn unbound(trial: Trial) -> Outcome {
    const ROUNDS: usize = 4;
    let mut field = Field::open(&trial, TestBed::new(&trial.name).await).await;
    for _ in 0..ROUNDS {
        let channel = field.scene.bed.channel().await;
        let (queue, exchange, pattern) = ("side".into(), "order.events".into(), "side.#".into());
        channel.queue_unbind(queue, exchange, pattern, FieldTable::default()).await.expect("it was bound");
        field.commit(5).await;
        field.others_flow(seconds(3)).await;
        let (queue, exchange, pattern) = ("side".into(), "order.events".into(), "side.#".into());
        let bind =
            channel.queue_bind(queue, exchange, pattern, QueueBindOptions::default(), FieldTable::default()).await;
        bind.expect("the queue is bound");
        field.scene.recover().await;
    }
    field.finish(ROUNDS, 0).await
}

async fn full(trial: Trial) -> Outcome {
    const ROUNDS: usize = 4;
    let mut field = Field::open(&trial, TestBed::new(&trial.name).await).await;
    let vhost = field.scene.bed.vhost().to_owned();
    let management = field.scene.bed.management();
    for _ in 0..ROUNDS {
        let policy = json!({"max-length": 0, "overflow": "reject-publish"});
        management.put_policy(&vhost, "full", "^side$", policy).await;
        field.commit(5).await;
        field.others_flow(seconds(3)).await;
        management.delete_policy(&vhost, "full").await;
        field.scene.recover().await;
    }
    field.finish(ROUNDS, 0).await
}
