//! Our own link to a broker, without the relay around it: a supervised connection, channels of it, and traffic through one channel.

use std::collections::HashMap;
use std::time::Duration;

use outbox_relay::net::dial::GoodAddresses;
use outbox_relay::net::tls::TlsFiles;
use outbox_relay::outbox::broker::{Broker, Channel, ChannelUser, LinkState, Message, Properties, Reply, Token};
use outbox_relay::outbox::carried::Parts;
use outbox_relay::outbox::destination::Destination;
use outbox_relay::outbox::flow::Flow;
use outbox_relay::rabbitmq::channel::LapinChannel;
use outbox_relay::rabbitmq::connect::BrokerAddress;
use outbox_relay::rabbitmq::supervisor::{BrokerSettings, Declared, RabbitMq};
use testkit::patience::SOON;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages sent in one go.
const BURST: usize = 64;

/// A `RabbitMq` and its supervisor.
pub struct Link {
    pub broker: RabbitMq,
    stop: CancellationToken,
    supervisor: Option<JoinHandle<()>>,
}

impl Link {
    /// Connected.
    pub async fn to(url: &str) -> Self {
        let settings = BrokerSettings {
            address: BrokerAddress {
                urls: vec![url.into()],
                user: None,
                password: None,
                files: TlsFiles::default(),
                good: GoodAddresses::default(),
            },
            connection_name: "outbox-relay/tests".into(),
            declare: Declared::default(),
        };
        let (broker, stop) = (RabbitMq::new(), CancellationToken::new());
        let supervisor = Some(tokio::spawn(broker.clone().supervise(settings, stop.clone())));
        let link = Self { broker, stop, supervisor };
        link.reaches("connected", |state| matches!(state, LinkState::Up(_))).await;
        link
    }

    pub fn state(&self) -> LinkState {
        *self.broker.link().borrow()
    }

    /// Waits until the link's state is the one wanted.
    pub async fn reaches(&self, what: &str, wanted: impl Fn(LinkState) -> bool) -> LinkState {
        let mut states = self.broker.link();
        let reached = timeout(SOON, states.wait_for(|state| wanted(*state))).await;
        *reached.unwrap_or_else(|_| panic!("not within {SOON:?}: {what}")).expect("the supervisor lives")
    }

    pub async fn channel(&self) -> LapinChannel {
        timeout(SOON, self.broker.open(ChannelUser::FirstWorker)).await.expect("a channel in time").expect("a channel")
    }

    /// Tells the supervisor to stop and waits for its end.
    pub async fn stop(mut self, within: Duration) {
        self.stop.cancel();
        let supervisor = self.supervisor.take().expect("stopped once");
        timeout(within, supervisor).await.expect("the supervisor ends in time").expect("it did not panic");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.abort();
        }
    }
}

/// A message as the relay makes them.
pub fn message(token: Token, exchange: &str, routing_key: &str, body: &[u8]) -> Message {
    let destination = Destination { exchange: exchange.into(), routing_key: routing_key.into() };
    Message {
        token,
        event_id: Uuid::new_v4(),
        flow: Flow::of(&destination),
        destination,
        body: body.to_vec(),
        properties: Properties {
            message_type: "order.created".into(),
            timestamp_seconds: Some(1_790_000_000),
            app_id: "order-service".into(),
            correlation_id: None,
            content_type: "application/json".into(),
            sent: Parts::default(),
            headers: serde_json::Map::new(),
        },
    }
}

/// Sends `count` messages at full speed with at most `window` unanswered, message n to `routing_key(n)` of the default exchange;
/// returns every answer.
pub async fn pump(
    channel: &mut LapinChannel,
    count: u64,
    window: usize,
    routing_key: impl Fn(u64) -> String,
) -> HashMap<Token, Reply> {
    let (mut answers, mut next) = (HashMap::new(), 0);
    while next < count || channel.outstanding() > 0 {
        if channel.is_flushed() {
            for _ in 0..BURST {
                if next == count || channel.outstanding() >= window {
                    break;
                }
                channel.send(message(next, "", &routing_key(next), b"0123456789"));
                next += 1;
            }
        }
        take(channel, &mut answers).await;
    }
    answers
}

/// Waits until everything that was sent is answered.
pub async fn answers(channel: &mut LapinChannel) -> HashMap<Token, Reply> {
    let mut answers = HashMap::new();
    while channel.outstanding() > 0 {
        take(channel, &mut answers).await;
    }
    answers
}

async fn take(channel: &mut LapinChannel, answers: &mut HashMap<Token, Reply>) {
    let progress = timeout(SOON, channel.progress()).await;
    for (token, reply) in progress.expect("the channel makes progress") {
        assert!(answers.insert(token, reply).is_none(), "message {token} was answered twice");
    }
}
