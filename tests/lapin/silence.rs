//! lapin's I/O thread dies on an ack for an unknown tag, and nothing says so (rule 8): confirms stay open for ever, the status says
//! connected. Silence is the only sign, and the relay goes by it.

use std::time::Duration;

use outbox_relay::outbox::broker::LinkState;
use testkit::{Behaviour, FakeBroker, Relay, World, eventually};

use crate::link::{Link, message};
use outbox_relay::outbox::broker::{Broker, Channel};
use tokio::time::timeout;

/// In flight when the wrong ack comes; with only a few lapin would report it (see `tests/testkit_checks`).
const IN_FLIGHT: u64 = 200;

#[tokio::test]
async fn our_link_stays_up_on_a_deaf_connection_until_its_generation_is_given_up() {
    let broker = FakeBroker::start_with_quiet(Behaviour::AckUnknownTag { after: IN_FLIGHT }, Duration::from_secs(5));
    let link = Link::to(&broker.url()).await;
    let mut channel = link.channel().await;
    for token in 0..IN_FLIGHT {
        channel.send(message(token, "", "orders", b"{}"));
    }
    let listening = async {
        loop {
            assert!(channel.progress().await.is_empty(), "a deaf connection answers nothing");
        }
    };
    assert!(timeout(Duration::from_secs(1), listening).await.is_err());
    assert_eq!(link.state(), LinkState::Up(channel.generation()), "the status is no evidence");
    let first = channel.generation();
    link.broker.end_generation(first, "silent");
    link.reaches("a new generation", |state| matches!(state, LinkState::Up(next) if next > first)).await;
    assert_eq!(broker.connections(), 2);
}

#[tokio::test]
async fn the_relay_gives_a_deaf_connection_up_and_publishes_everything_on_a_new_one() {
    let mut world = World::open("deaf").await;
    world.order(1_500, 1).await;
    // Slow to confirm, so that many are in flight when the wrong ack comes.
    let broker = FakeBroker::start_with_quiet(Behaviour::AckUnknownTag { after: 1_000 }, Duration::from_millis(40));
    let url = broker.url();
    let args = ["--amqp-url", &url, "--confirm-timeout", "2s", "--batch-deadline", "500ms", "--workers", "1"];
    let mut relay = Relay::start(&world.bed, &args).await;
    let bed = &world.bed;
    eventually(Duration::from_secs(40), "everything is published", async || bed.pending().await == 0).await;
    assert!(broker.connections() >= 2, "on a new connection");
    let lines = relay.log();
    // Which of the two comes first depends on what was in flight when the last answer came.
    let silence = ["no confirm at all within the timeout", "cannot open a channel in time"];
    assert!(silence.iter().any(|words| lines.contains(words)), "by silence\n{lines}");
    let published = broker.published();
    assert_eq!(published.len(), 1_500, "every event was sent");
    assert!(published.values().all(|times| *times <= 3), "and hardly ever twice");
    assert!(bed.dead_letters().await.is_empty(), "the outage costs no event an attempt");
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}
