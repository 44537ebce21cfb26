//! Where the events of other services come from: the order service's queues, what each is bound to, and every name that an
//! event has on the wire. Exchanges and keys in no document are ours: `notification.events`, `product.events`,
//! `payment.events`, and the keys of the last.

use std::fmt;

/// A service that tells the order service something. One queue each, so that one that sends nonsense holds up no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// What became of notifications: seed 000.
    Notification,
    /// What became of stock: seed 001.
    Inventory,
    /// Products: seed 004.
    Product,
    /// Payments and refunds: seed 003 names them, no document shows them.
    Payment,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::Notification, Self::Inventory, Self::Product, Self::Payment];

    /// A name for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Inventory => "inventory",
            Self::Product => "product",
            Self::Payment => "payment",
        }
    }

    /// Its queue.
    pub fn queue(self) -> &'static str {
        match self {
            Self::Notification => "OrderService_NotificationEvents",
            Self::Inventory => "OrderService_InventoryEvents",
            Self::Product => "OrderService_ProductEvents",
            Self::Payment => "OrderService_PaymentEvents",
        }
    }

    /// Where its dead letters wait to be stored.
    pub fn dead_letter_queue(self) -> &'static str {
        match self {
            Self::Notification => "DLQ_OrderService_Notification",
            Self::Inventory => "DLQ_OrderService_Inventory",
            Self::Product => "DLQ_OrderService_Product",
            Self::Payment => "DLQ_OrderService_Payment",
        }
    }

    /// What its queue is bound to: each key by name, so that a new event of a neighbour is not heard by accident.
    pub fn bindings(self) -> impl Iterator<Item = &'static Binding> {
        BINDINGS.iter().filter(move |binding| binding.event.source() == self)
    }

    /// The exchanges of its bindings, each once.
    pub fn exchanges(self) -> Vec<&'static str> {
        let mut exchanges: Vec<_> = self.bindings().map(|binding| binding.exchange).collect();
        exchanges.dedup();
        exchanges
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event of another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InboundEvent {
    /// A notification reached the customer.
    NotificationSent,
    /// A notification did not.
    NotificationFailed,
    /// The Notification Service gave one of its own messages up.
    NotificationRetriesExhausted,
    /// Stock was allocated for an item.
    AllocationCreated,
    /// The allocation was confirmed.
    AllocationConfirmed,
    /// The allocation was cancelled: the item has no stock.
    AllocationCancelled,
    /// The allocated pieces were picked, packed and shipped.
    AllocationFulfilled,
    /// There is not enough stock for an item.
    InsufficientStock,
    /// A product changed.
    ProductUpdated,
    /// The price of a product changed.
    ProductPriceChanged,
    /// A product is not sold any more.
    ProductDiscontinued,
    /// A new product.
    ProductCreated,
    /// How much of a product there is changed.
    ProductAvailabilityChanged,
    /// The answer to `product.details_requested`.
    ProductDetailsProvided,
    /// The answer to `product.batch_details_requested`.
    ProductBatchDetailsProvided,
    /// The Payment Service is at a payment.
    PaymentProcessingInitiated,
    /// A payment is done.
    PaymentCompleted,
    /// A payment failed.
    PaymentFailed,
    /// The Payment Service is at a refund.
    RefundInitiated,
    /// A refund is done.
    RefundProcessed,
}

/// One key that a queue is bound by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The exchange, of the service that sends.
    pub exchange: &'static str,
    /// The routing key.
    pub routing_key: &'static str,
    /// What comes by it.
    pub event: InboundEvent,
}

const fn bind(exchange: &'static str, routing_key: &'static str, event: InboundEvent) -> Binding {
    Binding { exchange, routing_key, event }
}

use InboundEvent::*;

/// Every binding. Two keys may tell one event: seed 003 has `inventory.items_reserved` for what seed 001 calls
/// `AllocationCreated`.
#[rustfmt::skip]
pub const BINDINGS: [Binding; 21] = [
    bind("notification.events", "notification.sent", NotificationSent),
    bind("notification.events", "notification.failed", NotificationFailed),
    bind("notification.events", "notification.retry.maxattempts", NotificationRetriesExhausted),
    bind("inventory.events", "inventory.allocationcreated.allocation", AllocationCreated),
    bind("inventory.events", "inventory.allocationconfirmed.allocation", AllocationConfirmed),
    bind("inventory.events", "inventory.allocationcancelled.allocation", AllocationCancelled),
    bind("inventory.events", "inventory.allocationfulfilled.allocation", AllocationFulfilled),
    bind("inventory.events", "inventory.items_reserved", AllocationCreated),
    bind("inventory.notifications", "inventory.insufficientstock.inventoryitem", InsufficientStock),
    bind("product.events", "product.updated", ProductUpdated),
    bind("product.events", "product.price_changed", ProductPriceChanged),
    bind("product.events", "product.discontinued", ProductDiscontinued),
    bind("product.events", "product.created", ProductCreated),
    bind("product.events", "product.availability_changed", ProductAvailabilityChanged),
    bind("product.events", "product.details_provided", ProductDetailsProvided),
    bind("product.events", "product.batch_details_provided", ProductBatchDetailsProvided),
    bind("payment.events", "payment.processing_initiated", PaymentProcessingInitiated),
    bind("payment.events", "payment.completed", PaymentCompleted),
    bind("payment.events", "payment.failed", PaymentFailed),
    bind("payment.events", "payment.refund_initiated", RefundInitiated),
    bind("payment.events", "payment.refund_processed", RefundProcessed),
];

impl InboundEvent {
    /// Every event.
    pub const ALL: [Self; 20] = [
        NotificationSent,
        NotificationFailed,
        NotificationRetriesExhausted,
        AllocationCreated,
        AllocationConfirmed,
        AllocationCancelled,
        AllocationFulfilled,
        InsufficientStock,
        ProductUpdated,
        ProductPriceChanged,
        ProductDiscontinued,
        ProductCreated,
        ProductAvailabilityChanged,
        ProductDetailsProvided,
        ProductBatchDetailsProvided,
        PaymentProcessingInitiated,
        PaymentCompleted,
        PaymentFailed,
        RefundInitiated,
        RefundProcessed,
    ];

    /// What comes by a routing key.
    pub fn by_key(routing_key: &str) -> Option<Self> {
        BINDINGS.iter().find(|binding| binding.routing_key == routing_key).map(|binding| binding.event)
    }

    /// Who tells it.
    pub fn source(self) -> Source {
        match self {
            NotificationSent | NotificationFailed | NotificationRetriesExhausted => Source::Notification,
            AllocationCreated | AllocationConfirmed | AllocationCancelled | AllocationFulfilled | InsufficientStock => {
                Source::Inventory
            }
            ProductUpdated
            | ProductPriceChanged
            | ProductDiscontinued
            | ProductCreated
            | ProductAvailabilityChanged
            | ProductDetailsProvided
            | ProductBatchDetailsProvided => Source::Product,
            PaymentProcessingInitiated | PaymentCompleted | PaymentFailed | RefundInitiated | RefundProcessed => {
                Source::Payment
            }
        }
    }

    /// The name of the class that the documents give it, without `Event`; with it, and by its routing keys, it is known too.
    pub fn as_str(self) -> &'static str {
        match self {
            NotificationSent => "NotificationSent",
            NotificationFailed => "NotificationFailed",
            NotificationRetriesExhausted => "NotificationRetryMaxAttempts",
            AllocationCreated => "AllocationCreated",
            AllocationConfirmed => "AllocationConfirmed",
            AllocationCancelled => "AllocationCancelled",
            AllocationFulfilled => "AllocationFulfilled",
            InsufficientStock => "InsufficientStock",
            ProductUpdated => "ProductUpdated",
            ProductPriceChanged => "ProductPriceChanged",
            ProductDiscontinued => "ProductDiscontinued",
            ProductCreated => "ProductCreated",
            ProductAvailabilityChanged => "ProductAvailabilityChanged",
            ProductDetailsProvided => "ProductDetailsProvided",
            ProductBatchDetailsProvided => "ProductBatchDetailsProvided",
            PaymentProcessingInitiated => "PaymentProcessingInitiated",
            PaymentCompleted => "PaymentCompleted",
            PaymentFailed => "PaymentFailed",
            RefundInitiated => "RefundInitiated",
            RefundProcessed => "RefundProcessed",
        }
    }

    /// Names of no document that services are likely to use for it.
    fn aliases(self) -> &'static [&'static str] {
        match self {
            AllocationCreated => &["ItemsReserved", "ItemsReservedEvent", "InventoryItemsReservedEvent"],
            RefundInitiated => &["PaymentRefundInitiated", "PaymentRefundInitiatedEvent"],
            RefundProcessed => &["PaymentRefundProcessed", "PaymentRefundProcessedEvent", "payment.refund_completed"],
            NotificationSent
            | NotificationFailed
            | NotificationRetriesExhausted
            | AllocationConfirmed
            | AllocationCancelled
            | AllocationFulfilled
            | InsufficientStock
            | ProductUpdated
            | ProductPriceChanged
            | ProductDiscontinued
            | ProductCreated
            | ProductAvailabilityChanged
            | ProductDetailsProvided
            | ProductBatchDetailsProvided
            | PaymentProcessingInitiated
            | PaymentCompleted
            | PaymentFailed => &[],
        }
    }

    /// Whether a type that a body gives is this event.
    pub fn is_called(self, name: &str) -> bool {
        let by_class = name == self.as_str() || name.strip_suffix("Event") == Some(self.as_str());
        let by_key = BINDINGS.iter().any(|binding| binding.event == self && binding.routing_key == name);
        by_class || by_key || self.aliases().contains(&name)
    }
}

impl fmt::Display for InboundEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_binding_and_no_key_two_events() {
        for event in InboundEvent::ALL {
            assert!(BINDINGS.iter().any(|binding| binding.event == event), "{event}");
        }
        for binding in &BINDINGS {
            assert_eq!(InboundEvent::by_key(binding.routing_key), Some(binding.event));
        }
        assert_eq!(InboundEvent::by_key("inventory.events"), None);
    }

    #[test]
    fn no_name_means_two_events() {
        for event in InboundEvent::ALL {
            let class = event.as_str();
            let names = [class.to_owned(), format!("{class}Event")];
            let more = event.aliases().iter().map(|name| (*name).to_owned());
            for name in names.into_iter().chain(more) {
                let called: Vec<_> = InboundEvent::ALL.into_iter().filter(|other| other.is_called(&name)).collect();
                assert_eq!(called, [event], "{name}");
            }
        }
    }

    #[test]
    fn inventory_has_two_exchanges_and_the_others_one() {
        assert_eq!(Source::Inventory.exchanges(), ["inventory.events", "inventory.notifications"]);
        for source in [Source::Notification, Source::Product, Source::Payment] {
            assert_eq!(source.exchanges(), [format!("{source}.events")]);
        }
        assert_eq!(Source::ALL.map(|source| source.bindings().count()).iter().sum::<usize>(), BINDINGS.len());
    }
}
