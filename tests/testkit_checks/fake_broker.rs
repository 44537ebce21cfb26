//! The fake broker, with lapin as its client: every behaviour must look to lapin as it is meant to.

use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Error, ExchangeKind, PublisherConfirm,
};
use testkit::patience::SOON;
use testkit::{Behaviour, FakeBroker, eventually};
use tokio::time::timeout;

async fn connect(broker: &FakeBroker) -> (Connection, Channel) {
    let connect = async {
        let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok::<_, Error>((connection, channel))
    };
    timeout(SOON, connect).await.expect("a connection in time").expect("a connection")
}

async fn publish(channel: &Channel, routing_key: &str, id: usize) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_message_id(id.to_string().into());
    let mandatory = BasicPublishOptions { mandatory: true, ..Default::default() };
    channel.basic_publish("order.events".into(), routing_key.into(), mandatory, b"a body", properties).await
}

/// Publishes `count` messages in one burst, every eighth unroutable, and awaits all confirms.
async fn burst(channel: &Channel, count: usize) -> Vec<lapin::Result<Confirmation>> {
    let one = async |id| {
        let key = if id % 8 == 3 { "nope.x" } else { "yes" };
        publish(channel, key, id).await?.await
    };
    timeout(SOON, join_all((0..count).map(one))).await.expect("every confirm in time")
}

fn is_unroutable(id: usize) -> bool {
    id % 8 == 3
}

fn returned_id(confirmation: &Confirmation) -> Option<usize> {
    let Confirmation::Ack(message) = confirmation else { panic!("not an ack: {confirmation:?}") };
    let message = message.as_ref()?;
    let id = message.delivery.properties.message_id().as_ref().expect("the return carries the message's properties");
    Some(id.as_str().parse().expect("our ids are numbers"))
}

/// All ids that came back, and how many came with the confirm of another message.
fn returns(confirmations: &[lapin::Result<Confirmation>]) -> (Vec<usize>, usize) {
    let found: Vec<Option<usize>> = confirmations.iter().map(|c| returned_id(c.as_ref().expect("an ack"))).collect();
    let misattributed = found.iter().enumerate().filter(|(id, found)| found.is_some_and(|found| found != *id)).count();
    let mut ids: Vec<usize> = found.into_iter().flatten().collect();
    ids.sort_unstable();
    (ids, misattributed)
}

#[tokio::test]
async fn a_good_broker_acks_declares_and_closes() {
    let broker = FakeBroker::start(Behaviour::Ack);
    let (connection, channel) = connect(&broker).await;
    let declare = channel.exchange_declare(
        "order.events".into(),
        ExchangeKind::Topic,
        ExchangeDeclareOptions::default(),
        FieldTable::default(),
    );
    timeout(SOON, declare).await.expect("an answer in time").expect("the exchange is declared");
    let (returned, _) = returns(&burst(&channel, 100).await);
    assert_eq!(
        returned,
        (0..100).filter(|id| is_unroutable(*id)).collect::<Vec<_>>(),
        "each unroutable message comes back once"
    );
    assert_eq!((broker.total(), broker.publishes_of("7"), broker.publishes_of("100")), (100, 1, 0));
    timeout(SOON, channel.close(200, "bye".into())).await.expect("in time").expect("the channel closes");
    timeout(SOON, connection.close(200, "bye".into())).await.expect("in time").expect("the connection closes");
}

/// The trap that the relay's drain is made for: returns before one multiple ack end up with other messages' confirms.
#[tokio::test]
async fn returns_before_a_multiple_ack_are_misattributed_by_lapin() {
    let broker = FakeBroker::start(Behaviour::ReturnThenMultipleAck { every: 64 });
    let (_connection, channel) = connect(&broker).await;
    let mut misattributed = 0;
    for _ in 0..20 {
        let (returned, wrong) = returns(&burst(&channel, 64).await);
        assert_eq!(returned, (0..64).filter(|id| is_unroutable(*id)).collect::<Vec<_>>(), "none is lost or doubled");
        misattributed += wrong;
    }
    assert!(misattributed > 0, "lapin gives each return to its own message now: the relay's rule can be made simpler");
}

#[tokio::test]
async fn a_tail_shorter_than_the_window_is_acked_after_quiet() {
    for behaviour in [Behaviour::ReturnThenMultipleAck { every: 64 }, Behaviour::AckOutOfOrderSingly { window: 64 }] {
        let broker = FakeBroker::start(behaviour.clone());
        let (_connection, channel) = connect(&broker).await;
        let confirms = burst(&channel, 70).await;
        assert_eq!(returns(&confirms).0.len(), (0..70).filter(|id| is_unroutable(*id)).count(), "{behaviour:?}");
    }
}

#[tokio::test]
async fn silence_confirms_nothing_until_it_ends() {
    let broker = FakeBroker::start(Behaviour::Silent);
    let (connection, channel) = connect(&broker).await;
    let confirm = publish(&channel, "yes", 1).await.expect("the publish is written");
    eventually(SOON, "the broker got it", async || broker.total() == 1).await;
    let mut confirm = Box::pin(confirm);
    assert!(timeout(Duration::from_millis(150), &mut confirm).await.is_err(), "no confirm");
    assert!(connection.status().connected(), "silent, not gone");
    broker.behave(Behaviour::Ack);
    let confirmation = timeout(SOON, confirm).await.expect("a confirm in time").expect("an ack");
    assert_eq!(confirmation, Confirmation::Ack(None));
}

/// With few messages in flight lapin reports it; with many its error text, a list of all their tags, does not fit into a
/// `ShortString`: the I/O thread panics, no confirm resolves any more, and the status still says connected.
#[tokio::test]
async fn a_lost_ack_is_the_only_one_that_is_missing() {
    let broker = FakeBroker::start(Behaviour::LoseAck { nth: 7 });
    let (connection, channel) = connect(&broker).await;
    assert!(burst(&channel, 6).await.iter().all(Result::is_ok));
    let lost = publish(&channel, "order.created", 6).await.expect("sent");
    assert!(burst(&channel, 20).await.iter().all(Result::is_ok), "the connection goes on");
    let answer = timeout(Duration::from_millis(500), lost).await;
    assert!(answer.is_err() && connection.status().connected(), "{answer:?}");
}

#[tokio::test]
async fn an_ack_of_an_unknown_tag_leaves_lapin_deaf() {
    for (in_flight, deaf) in [(1, false), (100, true)] {
        let broker =
            FakeBroker::start_with_quiet(Behaviour::AckUnknownTag { after: in_flight }, Duration::from_secs(5));
        let (connection, channel) = connect(&broker).await;
        let confirms = join_all((0..in_flight as usize).map(|id| publish(&channel, "yes", id))).await;
        let confirms = join_all(confirms.into_iter().map(|written| written.expect("the publish is written")));
        let outcome = timeout(Duration::from_millis(500), confirms).await;
        assert_eq!(outcome.is_err(), deaf, "{in_flight} in flight: {outcome:?}");
        assert_eq!(connection.status().connected(), deaf, "{in_flight} in flight: the status is no evidence");
        let (_connection, channel) = connect(&broker).await;
        assert_eq!(burst(&channel, 20).await.len(), 20, "a new connection is served");
        assert_eq!(broker.connections(), 2);
    }
}

#[tokio::test]
async fn a_closed_channel_fails_all_in_flight_and_the_connection_goes_on() {
    let quiet = Duration::from_secs(5);
    let broker = FakeBroker::start_with_quiet(
        Behaviour::CloseChannel { after: 50, code: 404, text: "NOT_FOUND - no exchange" },
        quiet,
    );
    let (connection, channel) = connect(&broker).await;
    let outcomes = burst(&channel, 50).await;
    assert!(outcomes.iter().all(Result::is_err), "every confirm in flight fails");
    let error = outcomes.into_iter().find_map(Result::err).expect("an error");
    assert!(error.to_string().contains("NOT_FOUND"), "{error}");
    assert!(connection.status().connected());
    let channel = timeout(SOON, connection.create_channel()).await.expect("in time").expect("a new channel");
    timeout(SOON, channel.confirm_select(ConfirmSelectOptions::default())).await.expect("in time").expect("confirms");
    assert!(burst(&channel, 20).await.iter().all(Result::is_ok), "the broker is good afterwards");
}

#[tokio::test]
async fn a_closed_or_dropped_connection_fails_all_in_flight() {
    let closed = Behaviour::CloseConnection { after: 50, code: 320, text: "CONNECTION_FORCED - maintenance" };
    for behaviour in [closed, Behaviour::DropConnection { after: 50 }] {
        let broker = FakeBroker::start_with_quiet(behaviour.clone(), Duration::from_secs(5));
        let (connection, channel) = connect(&broker).await;
        assert!(burst(&channel, 50).await.iter().all(Result::is_err), "{behaviour:?}");
        eventually(SOON, "lapin notices", async || !connection.status().connected()).await;
        let (_connection, channel) = connect(&broker).await;
        assert!(burst(&channel, 20).await.iter().all(Result::is_ok), "{behaviour:?}: good afterwards");
        assert!(broker.publishes_of("7") == 2, "published before and after");
    }
}

#[tokio::test]
async fn the_clients_heartbeat_is_answered() {
    let broker = FakeBroker::start(Behaviour::Silent);
    let url = format!("{}?heartbeat=1", broker.url());
    let connect = Connection::connect(&url, ConnectionProperties::default());
    let connection = timeout(SOON, connect).await.expect("in time").expect("a connection");
    let lost = timeout(Duration::from_secs(4), async {
        eventually(SOON, "a loss", async || !connection.status().connected()).await;
    });
    assert!(lost.await.is_err(), "an idle connection with heartbeats stays up");
}
