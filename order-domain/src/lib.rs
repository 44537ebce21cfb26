//! x
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
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(any(feature = "postgres", feature = "sqlx"))]
pub mod outbox;
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
