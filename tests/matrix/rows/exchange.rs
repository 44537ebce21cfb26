//! Faults of the broker's topology under a running relay, on the broker of the whole run: full queues, exchanges, bindings and
//! permissions that come and go, a message that is too large.

use std::time::Duration;

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::FieldTable;
use serde_json::json;
use testkit::urls::with_path;
use testkit::world::ORDERS;
use testkit::{NewEvent, PrivateServices, Queue, QueueKind, TestBed, Topology, Writer, eventually};

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new("queue_full", "a second queue full with `reject-publish`, for 3 s", full).quick(),
        Row::new("exchange_deleted", "the exchange deleted, 3 s later made again with its bindings", |trial| {
            exchange(trial, true)
        }),
        Row::new("exchange_unbound", "the exchange deleted and made again, bound 3 s later", |trial| {
            exchange(trial, false)
        }),
        Row::new("permission_revoked", "the relay's permission to write revoked for 3 s", permission),
        Row::new("binding_removed", "one type's binding removed for 3 s", binding),
        Row::new("message_too_large", "events over the broker's limit among good ones", too_large),
    ]
}

async fn two(trial: &Trial, args: &[&str]) -> Scene {
    let mut scene = Scene::open(trial).await;
    scene.relay(args).await;
    scene.relay(args).await;
    scene.load();
    scene.flow(100).await;
    scene
}

/// What goes to the full queue goes to nobody else, so that a nack means that nobody has it.
async fn full(trial: Trial) -> Outcome {
    const TYPES: [&str; 3] = ["order.created", "order.paid", "order.shipped"];
    let rounds = trial.rounds(6, 2);
    let bed = TestBed::new(&trial.name).await;
    let queues = [
        Queue::new(ORDERS, QueueKind::Classic).bound_to(&TYPES),
        Queue::new("full", QueueKind::Classic).bound_to(&["order.completed"]),
    ];
    let mut scene = Scene::with(&trial, bed, &Topology::order_events(queues)).await;
    scene.expect.queues.clear();
    let (vhost, management) = (scene.bed.vhost().to_owned(), scene.bed.management());
    let second = testkit::Consumer::start(&scene.bed.amqp_url(), "full", &scene.history);
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    for _ in 0..rounds {
        scene.flow(100).await;
        management.put_policy(&vhost, "full", "^full$", json!({"max-length": 0, "overflow": "reject-publish"})).await;
        lasts(seconds(3)).await;
        management.delete_policy(&vhost, "full").await;
        scene.recover().await;
    }
    let outcome = scene.finish(rounds, 0).await;
    second.stop().await;
    outcome
}

async fn exchange(trial: Trial, bound: bool) -> Outcome {
    const ROUNDS: usize = 6;
    let mut scene = two(&trial, &[]).await;
    for _ in 0..ROUNDS {
        scene.flow(100).await;
        scene.bed.management().delete_exchange(scene.bed.vhost(), "order.events").await;
        if bound {
            lasts(seconds(3)).await;
            scene.bed.declare_topology(&Topology::order_events([Queue::new(ORDERS, QueueKind::Classic)])).await;
        } else {
            lasts(seconds(1)).await;
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let channel = scene.bed.channel().await;
            let declare =
                channel.exchange_declare("order.events".into(), ExchangeKind::Topic, durable, FieldTable::default());
            declare.await.expect("the exchange is made again");
            lasts(seconds(3)).await;
            bind(&scene, "#").await;
        }
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await
}

async fn bind(scene: &Scene, pattern: &str) {
    let channel = scene.bed.channel().await;
    let (queue, exchange) = (ORDERS.into(), "order.events".into());
    let bind = channel.queue_bind(queue, exchange, pattern.into(), QueueBindOptions::default(), FieldTable::default());
    bind.await.expect("the queue is bound");
}

async fn permission(trial: Trial) -> Outcome {
    const ROUNDS: usize = 6;
    let mut scene = Scene::open(&trial).await;
    let (user, vhost, management) = (scene.bed.name().to_owned(), scene.bed.vhost().to_owned(), scene.bed.management());
    management.create_user(&user, "secret").await;
    management.set_permissions(&vhost, &user, "", ".*", "").await;
    let address = testkit::urls::addr_of(&scene.bed.amqp_url());
    let url = with_path(&format!("amqp://{user}:secret@{address}/x"), &vhost);
    scene.relay(&["--amqp-url", &url]).await;
    scene.relay(&["--amqp-url", &url]).await;
    scene.load();
    for _ in 0..ROUNDS {
        scene.flow(100).await;
        management.set_permissions(&vhost, &user, "", "^$", "").await;
        lasts(seconds(3)).await;
        management.set_permissions(&vhost, &user, "", ".*", "").await;
        scene.recover().await;
    }
    let outcome = scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await;
    management.delete_user(&user).await;
    outcome
}

/// The first twenty that come back are charged, by the rule; what waits behind the hold is not, and nobody is given up.
async fn binding(trial: Trial) -> Outcome {
    const ROUNDS: usize = 6;
    let bed = TestBed::new(&trial.name).await;
    let bound = ["order.created", "order.paid", "order.shipped", "order.completed"];
    let queues = [Queue::new(ORDERS, QueueKind::Classic).bound_to(&bound)];
    let mut scene = Scene::with(&trial, bed, &Topology::order_events(queues)).await;
    scene.may_charge = true;
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    for _ in 0..ROUNDS {
        scene.flow(100).await;
        let channel = scene.bed.channel().await;
        let (queue, exchange) = (ORDERS.into(), "order.events".into());
        channel.queue_unbind(queue, exchange, "order.paid".into(), FieldTable::default()).await.expect("it was bound");
        lasts(seconds(3)).await;
        bind(&scene, "order.paid").await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, 0).await
}

/// The channel closes on each, with all that was in flight on it.
async fn too_large(trial: Trial) -> Outcome {
    const ROUNDS: usize = 10;
    let services = PrivateServices::start(&trial.name, &["rabbitmq"], Some("max_message_size = 65536\n")).await;
    let mut scene = Scene::open_on(&trial, &services).await;
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    let (writer, mut client) = (Writer::new(&scene.history), scene.bed.client().await);
    let payload = format!("{{\"blob\":\"{}\"}}", "x".repeat(100_000));
    for round in 0..ROUNDS {
        scene.flow(60).await;
        let large = NewEvent::new("order.created", &payload).dead_letter("PAYLOAD_TOO_LARGE");
        let events = vec![NewEvent::of_order("large", 0), large, NewEvent::of_order("large", 2)];
        let ids = writer.commit_events(&mut client, &format!("order-{round}"), events).await;
        let is_given_up = async || scene.bed.dead_letters().await.contains_key(&ids[1]);
        eventually(Duration::from_secs(60), "the large event is given up", is_given_up).await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await
}
