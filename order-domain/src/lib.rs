//! The order service's model, its events, the writer that puts them into the outbox, and what it hears from others. The relay beside it is told
//! nothing of orders: it finds rows and publishes them. This crate is told nothing of the relay: it writes rows.
//!
//! ```text
//!   command ──► Order ──► Decision { order, events } ──► UPDATE orders; append(events) ──► COMMIT ──► the relay
//!                 └─────► Refusal                         one transaction
//! ```
//!
//! # A whole example
//!
//! An order is placed, paid, cancelled too late, and refunded. Nothing here needs a database.
//!
//! ```
//! use order_domain::order::{Address, Customer, Item, NewOrder, RefundRequest, Shipment, Status};
//! use order_domain::value::text::{Email, PersonName};
//! use order_domain::{Amount, Context, Order, Quantity, event::RefundRequester};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What a request says, each value checked once. Every error has a code and details for a 4xx body.
//! let customer = Customer::new(
//!     "user-xyz-789".parse()?,
//!     PersonName::new("John Doe")?,
//!     Email::new("john.doe@example.com")?,
//! );
//! let new = NewOrder {
//!     id: "order-abc-123".parse()?,
//!     order_number: "ORD-12345678".parse()?,
//!     customer,
//!     shipping_address: Address {
//!         line1: "123 Main St".into(),
//!         line2: None,
//!         city: "Anytown".into(),
//!         state: None,
//!         postal_code: "12345".into(),
//!         country: "US".into(),
//!     },
//!     currency: "USD".parse()?,
//!     items: vec![Item {
//!         order_item_id: "item-1".parse()?,
//!         product_id: "prod-789".parse()?,
//!         variant_id: None,
//!         inventory_item_id: None,
//!         product_name: "Desk".into(),
//!         quantity: Quantity::new(3)?,
//!         unit_price: "50.00".parse()?,
//!     }],
//!     tax: "12.5".parse()?,
//!     shipping: Amount::ZERO,
//!     allocation: Default::default(),
//!     confirmation: Default::default(),
//! };
//!
//! // A decision is the new state and what others are to be told. Write both in one transaction.
//! let context = Context::now();
//! let placed = Order::place(new, &context)?;
//! assert_eq!(placed.order.status(), Status::PendingPayment);
//! let types: Vec<_> = placed.events.iter().map(|event| event.event_type().as_str()).collect();
//! assert_eq!(
//!     types,
//!     [
//!         "order.created",
//!         "order.created_for_inventory",
//!         "order.placed_for_analytics",
//!         "order.confirmation_notification_requested",
//!     ]
//! );
//! assert!(placed.events[0].payload().to_json().contains(r#""totalAmount":162.50,"currency":"USD","itemCount":1"#));
//!
//! // Stored as JSON text; what is read back is checked.
//! let order: Order = serde_json::from_str(&serde_json::to_string(&placed.order)?)?;
//! let started = order.start_payment("pay-1".parse()?, &context)?.order;
//! let paid = started.complete_payment("pay-1".parse()?, "162.50".parse()?, &context)?.order;
//! let processing = paid.start_processing(&context)?.order;
//! let shipped = processing.ship(Shipment::of_the_rest("ship-1".parse()?, "UPS"), &context)?.order;
//!
//! // A refusal changes nothing, and emits nothing.
//! let refusal = shipped.cancel("changed my mind", &context).unwrap_err();
//! assert_eq!(refusal.code(), "ILLEGAL_TRANSITION");
//! assert_eq!(refusal.to_string(), "an order that is SHIPPED cannot be cancelled");
//!
//! let refund = RefundRequest {
//!     refund_id: "refund-1".parse()?,
//!     amount: None, // everything
//!     lines: Vec::new(),
//!     reason: "late".into(),
//!     requested_by: RefundRequester::User,
//! };
//! assert_eq!(shipped.request_refund(refund, &context)?.order.status(), Status::RefundRequested);
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! - [`order`]: the order, its commands, its status machine ([`order::Status::next`]).
//! - [`event`]: the events, and [`event::catalogue`], which knows each by all of its names. `EVENTS.md` shows a sample of
//!   each, `schemas/` has their JSON Schemas.
//! - [`notification`], [`product`]: requests to other services that are events as well.
//! - [`price`]: whether an order's prices are still those of the Product Service.
//! - [`received`]: reading our own messages back.
//! - [`inbound`]: what other services tell, and what it does; [`review`]: what a person has to look at.
//! - `outbox`, `postgres`, `sqlx`: the writer, and the order promise it takes part in.
//! - [`value`]: ids, amounts, times. Ids are opaque; amounts are exact decimals and JSON numbers at once
//!   ([`value::exact`] says how).
//!
//! # Statuses
//!
//! ```text
//!  PENDING_PAYMENT ◄─► PAYMENT_FAILED
//!    │      └───────────┬──────────────► CANCELLED ─────────────┐ (paid)
//!  CONFIRMED ───────────┤                                       │
//!    │                  │                                       ▼
//!  PROCESSING ──────────┘   any paid ──► REFUND_REQUESTED ──► REFUND_INITIATED ──► REFUNDED
//!    │
//!  SHIPPED ──► DELIVERED ──► RETURN_INITIATED ──► RETURN_APPROVED
//! ```
//!
//! Every change emits `order.status_changed`, first of its transaction. Shipments, deliveries and refunds of a part leave
//! the status alone until the whole has followed.
//!
//! # Features
//!
//! None is on by default: no database, no HTTP, no AMQP.
//!
//! | feature | what it adds |
//! |---|---|
//! | `amqp` | `amqp::start`: consumers of what other services tell |
//! | `http` | `client`: calls to the Product, Inventory, User and Payment Services, and `cache`: products, in memory |
//! | `redis` | the same cache in Redis |
//! | `postgres` | `postgres::append` in a `tokio_postgres::Transaction`, and `inbox` |
//! | `sqlx` | `sqlx::append` in a `sqlx::Transaction`, on any runtime |
//! | `schema` | `schema::schema`, the JSON Schema of each event |
//! | `opentelemetry` | [`Context::now`] takes the `traceparent` of the current span |
//!
//! The last reads `opentelemetry::Context::current()` and needs no SDK. `tracing-opentelemetry` makes a tracing span's
//! context the current one when the span is entered, so a service that logs with `tracing` needs nothing else.
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::unwrap_used, clippy::todo, clippy::dbg_macro, clippy::print_stdout)]

mod invalid;
mod refusal;
pub mod value;
mod context;
pub mod order;
pub mod event;
pub mod notification;
pub mod product;
pub mod price;
pub mod received;
pub mod review;
pub mod inbound;
#[cfg(feature = "http")]
pub mod client;
#[cfg(feature = "http")]
pub mod cache;
#[cfg(feature = "http")]
pub mod reconcile;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(any(feature = "postgres", feature = "sqlx"))]
pub mod outbox;
#[cfg(feature = "amqp")]
pub mod amqp;
#[cfg(feature = "postgres")]
pub mod inbox;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlx")]
pub mod sqlx;

pub use self::context::Context;
pub use self::event::{Event, EventType, Payload};
pub use self::invalid::Invalid;
pub use self::order::{Command, Decision, Order};
pub use self::refusal::Refusal;
pub use self::value::amount::Amount;
pub use self::value::currency::Currency;
pub use self::value::quantity::Quantity;
pub use self::value::timestamp::Timestamp;
