//! `connection.blocked` (rule 7): publishes and closes of lapin hang while the broker has an alarm. Ours never wait.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use outbox_relay::outbox::broker::{Channel, LinkState, Reply};
use testkit::{PrivateServices, Queue, QueueKind, TestBed, Topology};
use tokio::time::timeout;

use crate::link::{Link, answers, message};

async fn alarm(services: &PrivateServices, on: bool) {
    services.ctl(&["set_vm_memory_high_watermark", if on { "0.000001" } else { "0.4" }]).await;
}

#[tokio::test]
async fn a_blocked_connection_says_so_takes_sends_without_waiting_and_confirms_them_later() {
    let services = PrivateServices::start("blocked", &["rabbitmq"], None).await;
    let bed = TestBed::on(&services).await;
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    let link = Link::to(&bed.amqp_url()).await;
    let mut channel = link.channel().await;
    let generation = channel.generation();

    alarm(&services, true).await;
    assert_eq!(link.state(), LinkState::Up(generation), "the broker blocks only who publishes");
    let started = Instant::now();
    channel.send(message(0, "order.events", "order.paid", b"{}"));
    // lapin's I/O thread has to be asked for progress once; whatever it answers, nothing is confirmed.
    let mut early: HashMap<_, _> =
        timeout(Duration::from_millis(200), channel.progress()).await.unwrap_or_default().into_iter().collect();
    link.reaches("blocked", |state| state == LinkState::Blocked(generation)).await;
    for token in 1..1_000 {
        channel.send(message(token, "order.events", "order.paid", b"{}"));
    }
    assert!(started.elapsed() < Duration::from_secs(30), "send waits for nobody");
    early.extend(timeout(Duration::from_millis(200), channel.progress()).await.unwrap_or_default());
    assert!(early.is_empty(), "nothing is answered while the alarm lasts: {early:?}");

    alarm(&services, false).await;
    link.reaches("unblocked", |state| state == LinkState::Up(generation)).await;
    let answers = answers(&mut channel).await;
    assert_eq!(answers.len(), 1_000);
    assert!(answers.values().all(|reply| *reply == Reply::Confirmed), "{:?}", answers.values().next());
    assert_eq!(bed.queue_messages("orders").await, 1_000, "each is stored once");

    alarm(&services, true).await;
    channel.send(message(1_000, "order.events", "order.paid", b"{}"));
    link.reaches("blocked again", |state| state == LinkState::Blocked(generation)).await;
    link.stop(Duration::from_secs(5)).await;
    alarm(&services, false).await;
}
