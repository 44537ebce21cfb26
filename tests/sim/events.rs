//! The events of a run: what kinds there are, which routes they take, and how a row of a kind reads.

use std::sync::Arc;

use outbox_relay::outbox::carried::Carried;
use outbox_relay::outbox::destination::{Destination, OnUnroutable};
use outbox_relay::outbox::event::{Event, FailureReason, Payload, Waited};
use outbox_relay::outbox::flow::Flow;
use outbox_relay::outbox::labels::Envelope;
use outbox_relay::outbox::route::Route;
use outbox_relay::outbox::route::RouteTable;
use outbox_relay::outbox::template::Template;
use serde_json::Map;
use testkit::fixtures;
use time::macros::datetime;
use uuid::Uuid;

/// Bodies over this are more than the simulated broker takes.
pub const BROKER_BYTES_MAX: usize = 2_000;
/// Payloads over this are more than the relay takes.
pub const RELAY_BYTES_MAX: usize = 5_000;

/// What an event is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One route.
    A,
    /// One route, to another queue.
    B,
    /// Two routes over two exchanges.
    Fan,
    /// Two routes; one may be unrouted, and is.
    Ignored,
    /// Its destination goes on hold when it is not bound.
    Holding,
    /// A routing key of its own for each key, all of them to one queue.
    Many,
    /// A queue for each tenant behind one template; a key is one tenant's.
    Tenant,
    /// Nobody ever binds its destination.
    Unbound,
    /// No route names its type.
    NoRoute,
    /// Its headers hold a reserved name.
    BadHeaders,
    /// Its payload is null.
    Null,
    /// It exceeds the relay's limit.
    Large,
    /// Over the broker's limit, on the route of `A`.
    Oversize,
    /// Closes every channel it is sent on, on the route of `B`.
    Closer,
}

impl Kind {
    pub const BAD: [Self; 7] =
        [Self::Unbound, Self::NoRoute, Self::BadHeaders, Self::Null, Self::Large, Self::Oversize, Self::Closer];
    pub const GOOD: [Self; 7] = [Self::A, Self::B, Self::Fan, Self::Ignored, Self::Holding, Self::Many, Self::Tenant];

    pub fn is_good(self) -> bool {
        Self::GOOD.contains(&self)
    }

    fn event_type(self) -> &'static str {
        match self {
            Self::A | Self::Oversize | Self::BadHeaders | Self::Null | Self::Large => "a",
            Self::B | Self::Closer => "b",
            Self::Fan => "fan",
            Self::Ignored => "ignored",
            Self::Holding => "holding",
            Self::Many => "many",
            Self::Tenant => "tenant",
            Self::Unbound => "unbound",
            Self::NoRoute => "no-route",
        }
    }

    /// The reasons for which it may be dead-lettered whatever its destination is like.
    pub fn reasons(self) -> &'static [FailureReason] {
        match self {
            Self::BadHeaders | Self::Null => &[FailureReason::InvalidEvent],
            Self::Large | Self::Oversize => &[FailureReason::PayloadTooLarge],
            Self::Closer => &[FailureReason::ChannelClosed],
            Self::A | Self::B | Self::Fan | Self::Ignored | Self::Holding | Self::Many | Self::Tenant => &[],
            Self::Unbound | Self::NoRoute => &[],
        }
    }

    /// Where an event of `key` goes, and what a return from there means.
    pub fn ways(self, key: &str) -> Vec<(Destination, OnUnroutable)> {
        let event_type = self.event_type();
        let ways = routes().into_iter().filter(|route| route.event_type.as_deref() == Some(event_type));
        let rendered = |route: &Route| {
            route.routing_key.to_string().replace("{key}", key).replace("{header.tenant}", &tenant_of(key))
        };
        ways.map(|route| (there(&route.exchange, &rendered(&route)), route.on_unroutable)).collect()
    }
}

impl Kind {
    /// The flows that an event of `key` is part of.
    pub fn flows(self, key: &str) -> Vec<Flow> {
        let event = event(0, 0, 0, key, self, None);
        let event_type = self.event_type();
        let routes = routes().into_iter().filter(|route| route.event_type.as_deref() == Some(event_type));
        routes.zip(self.ways(key)).map(|(route, (destination, _))| route.flow(&event, &destination)).collect()
    }
}

pub fn there(exchange: &str, routing_key: &str) -> Destination {
    Destination { exchange: exchange.into(), routing_key: routing_key.into() }
}

/// What is bound in a broker where nothing is wrong; `many` stands for `many.#`.
pub const BINDINGS: [(&str, &str); 12] = [
    ("e", "a"),
    ("e", "b"),
    ("e", "fan"),
    ("f", "fan"),
    ("e", "ignored"),
    ("e", "holding"),
    ("f", "spare"),
    ("e", "many"),
    ("e", "tenant.t0"),
    ("e", "tenant.t1"),
    ("e", "tenant.t2"),
    ("e", "tenant.t3"),
];
const TENANTS: u64 = 4;

/// The tenant of a key.
pub fn tenant_of(key: &str) -> String {
    let number = key.trim_start_matches('k').parse::<u64>().unwrap_or(0);
    format!("t{}", number % TENANTS)
}

fn routes() -> Vec<Route> {
    let route = |name: &str, event_type: &str, exchange: &str, routing_key: &str, on_unroutable| Route {
        name: name.into(),
        event_type: Some(event_type.into()),
        exchange: exchange.into(),
        routing_key: Template::parse(routing_key).expect("a plain key"),
        envelope: Envelope::Raw,
        message_type: None,
        version: None,
        source: Arc::from("sim"),
        on_unroutable,
        allow_headers: Vec::new(),
        headers: Map::new(),
        header_templates: Vec::new(),
        content_type: None,
        carried: Carried::default(),
        queues: None,
    };
    vec![
        route("a", "a", "e", "a", OnUnroutable::DeadLetter),
        route("b", "b", "e", "b", OnUnroutable::DeadLetter),
        route("fan-e", "fan", "e", "fan", OnUnroutable::DeadLetter),
        route("fan-f", "fan", "f", "fan", OnUnroutable::DeadLetter),
        route("ignored-e", "ignored", "e", "ignored", OnUnroutable::DeadLetter),
        route("ignored-f", "ignored", "f", "ignored", OnUnroutable::Ignore),
        route("holding", "holding", "e", "holding", OnUnroutable::Hold),
        route("many", "many", "e", "many.{key}", OnUnroutable::DeadLetter),
        route("tenant", "tenant", "e", "tenant.{header.tenant}", OnUnroutable::DeadLetter),
        route("unbound", "unbound", "e", "nobody", OnUnroutable::DeadLetter),
    ]
}

pub fn route_table() -> RouteTable {
    RouteTable::new(routes(), "sim")
}

/// The id of the event with this number; ids are in no order that a seq could be mistaken for.
pub fn id_of(number: usize) -> Uuid {
    Uuid::from_u128((number as u128 + 1).reverse_bits())
}

pub fn number_of(id: Uuid) -> usize {
    usize::try_from(id.as_u128().reverse_bits() - 1).expect("made by id_of")
}

/// The row as a claim reads it.
pub fn event(number: usize, seq: i64, lane: i16, key: &str, kind: Kind, waited: Option<Waited>) -> Event {
    let payload = match kind {
        Kind::Null => Payload::Text("null".into()),
        Kind::Large => Payload::TooLarge(RELAY_BYTES_MAX + 1),
        // Each its own size, as the reply text of a broker names only that.
        Kind::Oversize => Payload::Text(format!("{{\"n\":\"{}\"}}", "x".repeat(BROKER_BYTES_MAX + number))),
        Kind::A
        | Kind::B
        | Kind::Fan
        | Kind::Ignored
        | Kind::Holding
        | Kind::Many
        | Kind::Tenant
        | Kind::Unbound
        | Kind::NoRoute
        | Kind::BadHeaders
        | Kind::Closer => Payload::Text(format!("{{\"n\":{number}}}")),
    };
    Event {
        id: id_of(number),
        lane,
        event_type: kind.event_type().into(),
        payload,
        headers: match kind {
            Kind::BadHeaders => Some(r#"{"x-death": 1}"#.to_owned()),
            _ => Some(format!(r#"{{"tenant": "{}"}}"#, tenant_of(key))),
        },
        correlation_id: None,
        created_at: datetime!(2026-11-21 12:00 UTC),
        waited,
        ..fixtures::event(key, seq)
    }
}
