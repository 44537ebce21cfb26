//! The ways that each event takes through the broker, worked out from the catalogue. The relay's routes file says the
//! same in its own words; a test compares the two.

use super::catalogue::{Demand, EventType};

/// The exchange of every event of the order service.
pub const EXCHANGE: &str = "order.events";

/// The shape of a message's body. The relay makes it around the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// `id`, `type`, `data` and so on: seeds 000 (Notification) and 004 (Product).
    Domain,
    /// `messageId`, `messageType`, `payload` and so on: seed 003 (the platform).
    Standard,
    /// `eventId`, `eventType`, `payload` and so on: seed 001 (Inventory).
    Aggregate,
}

impl Envelope {
    /// The name in the routes file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Standard => "standard",
            Self::Aggregate => "aggregate",
        }
    }

    /// What the envelope gives as its source.
    pub fn source(self) -> &'static str {
        match self {
            Self::Domain | Self::Aggregate => "order-service",
            Self::Standard => "OrderService",
        }
    }
}

/// One way of an event through the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The key that consumers bind on [`EXCHANGE`].
    pub routing_key: String,
    /// The body's shape.
    pub envelope: Envelope,
    /// The type that the body gives.
    pub wire_type: &'static str,
    /// Whether the file must have this route, may have it, and may drop what nobody takes.
    pub demand: Demand,
}

impl EventType {
    /// Its ways through the broker.
    pub fn routes(self) -> Vec<Route> {
        let entry = self.entry();
        // Consumers of seed 000 know one name for every request.
        let is_confirmation = self == Self::OrderConfirmationNotificationRequested;
        let name = if is_confirmation { Self::NotificationSendRequested.as_str() } else { entry.name };
        let mut routes = Vec::new();
        routes.extend(entry.domain.map(|demand| route(name.to_owned(), Envelope::Domain, name, demand)));
        if let Some((message_type, demand)) = entry.message_type {
            routes.push(route(message_type.to_owned(), Envelope::Standard, message_type, demand));
        }
        if let Some(aggregate) = entry.aggregate {
            let key = format!("order.{}.order", aggregate.to_lowercase());
            routes.push(route(key, Envelope::Aggregate, aggregate, Demand::Sure));
        }
        if let Self::OrderCreated | Self::OrderUpdated = self {
            // The diagram of seed 003 shows the message type without its end as the key.
            routes.extend(entry.message_type.and_then(|(message_type, _)| {
                let key = message_type.strip_suffix("Event")?.to_owned();
                Some(route(key, Envelope::Standard, message_type, Demand::Derived))
            }));
        }
        routes
    }
}

fn route(routing_key: String, envelope: Envelope, wire_type: &'static str, demand: Demand) -> Route {
    Route { routing_key, envelope, wire_type, demand }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventory_finds_the_keys_of_its_document() {
        let keys: Vec<_> = EventType::all()
            .flat_map(EventType::routes)
            .filter(|route| route.envelope == Envelope::Aggregate)
            .map(|route| route.routing_key)
            .collect();
        let expected = ["ordercreated", "orderconfirmed", "ordercancelled", "orderreturninitiated"];
        assert_eq!(keys, expected.map(|name| format!("order.{name}.order")));
    }

    #[test]
    fn a_confirmation_reaches_notification_by_the_general_name() {
        let routes = EventType::OrderConfirmationNotificationRequested.routes();
        assert_eq!(
            (routes[0].routing_key.as_str(), routes[0].wire_type),
            ("notification.send_requested", "notification.send_requested")
        );
        assert_eq!(routes[1].routing_key, "OrderConfirmationNotificationRequestedEvent");
    }
}
