//! The broker closes a channel (rule 6): everything in flight is answered `Unknown`, the reason names the culprit, the connection stays.

use std::collections::HashMap;

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel as Raw, ExchangeKind};
use outbox_relay::outbox::broker::{Channel, CloseReason, LinkState, Reply, Token};
use outbox_relay::rabbitmq::channel::LapinChannel;
use testkit::patience::SOON;
use testkit::{Behaviour, FakeBroker, PrivateServices, TestBed, eventually};

use crate::link::{Link, answers, message, pump};

/// A culprit first, good ones behind it, all in one burst: what the broker has not looked at when it closes the channel is lost.
async fn burst(channel: &mut LapinChannel, exchange: &str, routing_key: &str, body: &[u8]) -> HashMap<Token, Reply> {
    channel.send(message(0, exchange, routing_key, body));
    for token in 1..50 {
        channel.send(message(token, "", "orders", b"{}"));
    }
    answers(channel).await
}

/// All unknown, with the reason; and the link serves a new channel on the same connection.
async fn assert_closed(link: &Link, channel: &LapinChannel, answers: &HashMap<Token, Reply>) -> CloseReason {
    assert_eq!(answers.len(), 50, "everything in flight is answered");
    assert!(answers.values().all(|reply| *reply == Reply::Unknown), "{answers:?}");
    let reason = channel.close_reason().expect("a reason").clone();
    assert!(!reason.connection_lost, "{reason:?}");
    assert_eq!(link.state(), LinkState::Up(channel.generation()), "the connection stays");
    let mut fresh = link.channel().await;
    assert_eq!(fresh.generation(), channel.generation());
    let after = pump(&mut fresh, 100, 50, |_| "orders".into()).await;
    assert!(after.values().all(|reply| *reply == Reply::Confirmed), "a new channel works: {after:?}");
    reason
}

async fn declare_orders(channel: &Raw) {
    let declared = channel.queue_declare("orders".into(), QueueDeclareOptions::default(), FieldTable::default()).await;
    declared.expect("the queue is declared");
}

#[tokio::test]
async fn a_missing_exchange_closes_the_channel_and_is_named() {
    let bed = TestBed::new("missing exchange").await;
    declare_orders(&bed.channel().await).await;
    let link = Link::to(&bed.amqp_url()).await;
    let mut channel = link.channel().await;
    let answers = burst(&mut channel, "nobody.declared.me", "order.paid", b"{}").await;
    let reason = assert_closed(&link, &channel, &answers).await;
    assert_eq!(reason.code, Some(404), "{reason:?}");
    assert!(reason.text.contains("nobody.declared.me"), "{reason:?}");
}

#[tokio::test]
async fn an_exchange_that_the_user_may_not_write_to_closes_the_channel_and_is_named() {
    let bed = TestBed::new("forbidden exchange").await;
    let raw = bed.channel().await;
    declare_orders(&raw).await;
    let options = ExchangeDeclareOptions::default();
    let declared = raw.exchange_declare("vault".into(), ExchangeKind::Topic, options, FieldTable::default()).await;
    declared.expect("the exchange is declared");
    let (management, user) = (bed.management(), bed.name());
    management.create_user(user, "secret").await;
    management.set_permissions(bed.vhost(), user, "", "^(orders|amq\\.default)$", "").await;
    let url = bed.amqp_url();
    let (_, host) = url.split_once('@').expect("a URL with a user");
    let link = Link::to(&format!("amqp://{user}:secret@{host}")).await;
    let mut channel = link.channel().await;
    let answers = burst(&mut channel, "vault", "order.paid", b"{}").await;
    let reason = assert_closed(&link, &channel, &answers).await;
    management.delete_user(user).await;
    assert_eq!(reason.code, Some(403), "{reason:?}");
    assert!(reason.text.contains("vault"), "{reason:?}");
}

#[tokio::test]
async fn a_message_over_the_brokers_limit_closes_the_channel_and_its_size_is_named() {
    let services = PrivateServices::start("size limit", &["rabbitmq"], Some("max_message_size = 10000\n")).await;
    let bed = TestBed::on(&services).await;
    declare_orders(&bed.channel().await).await;
    let link = Link::to(&bed.amqp_url()).await;
    let mut channel = link.channel().await;
    let answers = burst(&mut channel, "", "orders", &[b' '; 10_001]).await;
    let reason = assert_closed(&link, &channel, &answers).await;
    assert_eq!(reason.code, Some(406), "{reason:?}");
    assert!(reason.text.contains("10001"), "{reason:?}");
}

#[tokio::test]
async fn what_was_confirmed_before_the_close_stays_confirmed() {
    let close = Behaviour::CloseChannel { after: 300, code: 406, text: "PRECONDITION_FAILED - invalid something" };
    let broker = FakeBroker::start(close);
    let link = Link::to(&broker.url()).await;
    let mut channel = link.channel().await;
    let before = pump(&mut channel, 200, 50, |_| "orders".into()).await;
    assert!(before.values().all(|reply| *reply == Reply::Confirmed));
    for token in 200..300 {
        channel.send(message(token, "", "orders", b"{}"));
    }
    let after = answers(&mut channel).await;
    assert_eq!(after.len(), 100);
    assert!(after.values().all(|reply| matches!(reply, Reply::Confirmed | Reply::Unknown)), "{after:?}");
    assert_eq!(after[&299], Reply::Unknown, "the broker never acked the last one");
    let reason = channel.close_reason().expect("a reason");
    assert_eq!((reason.code, reason.connection_lost), (Some(406), false));
    assert!(reason.text.contains("invalid something"), "{reason:?}");
}

#[tokio::test]
async fn a_closed_connection_answers_everything_and_the_supervisor_makes_a_new_generation() {
    let close = Behaviour::CloseConnection { after: 50, code: 320, text: "CONNECTION_FORCED - maintenance" };
    for behaviour in [close, Behaviour::DropConnection { after: 50 }] {
        let broker = FakeBroker::start_with_quiet(behaviour.clone(), std::time::Duration::from_secs(5));
        let link = Link::to(&broker.url()).await;
        let mut channel = link.channel().await;
        let answers = burst(&mut channel, "", "orders", b"{}").await;
        assert!(answers.values().all(|reply| *reply == Reply::Unknown), "{behaviour:?}: {answers:?}");
        let reason = channel.close_reason().expect("a reason").clone();
        assert!(reason.connection_lost, "{behaviour:?}: {reason:?}");
        let first = channel.generation();
        let is_new = |state| matches!(state, LinkState::Up(generation) if generation > first);
        link.reaches("a new generation", is_new).await;
        let mut fresh = link.channel().await;
        let after = pump(&mut fresh, 100, 50, |_| "orders".into()).await;
        assert!(after.values().all(|reply| *reply == Reply::Confirmed), "{behaviour:?}: good afterwards");
        eventually(SOON, "two connections", async || broker.connections() == 2).await;
    }
}
