//! What a single value can be refused for, before any order sees it. Every constructor of [`crate::value`] answers with
//! it; the service turns it into a 4xx body by [`Invalid::code`] and [`Invalid::details`].

use serde_json::{Map, Value, json};

/// A value that the domain does not take. Its text names the field and the limit, never the refused text itself, which
/// may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A field that must say something is empty.
    #[error("{field} is empty")]
    Empty {
        /// Its name on the wire.
        field: &'static str,
    },
    /// A text is longer than its field takes.
    #[error("{field} has {bytes} bytes, of at most {bytes_max}")]
    TooLong {
        /// Its name on the wire.
        field: &'static str,
        /// What was given.
        bytes: usize,
        /// What is taken.
        bytes_max: usize,
    },
    /// A text has a control character, or is not of the form that its field asks for.
    #[error("{field} must be {expected}")]
    Malformed {
        /// Its name on the wire.
        field: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A quantity is zero, negative, or beyond anything that can be ordered.
    #[error("quantity {quantity} is not between 1 and {quantity_max}")]
    Quantity {
        /// What was given.
        quantity: i64,
        /// What is taken.
        quantity_max: u32,
    },
    /// No such currency in ISO 4217.
    #[error("currency must be a code of ISO 4217 that is in use, such as USD")]
    UnknownCurrency,
    /// An amount is negative.
    #[error("{amount} is negative")]
    NegativeAmount {
        /// What was given.
        amount: String,
    },
    /// An amount has more digits than consumers keep that read JSON numbers as doubles.
    #[error("{amount} has more than {digits_max} significant digits or {decimals_max} decimals")]
    AmountTooLong {
        /// What was given.
        amount: String,
        /// How many are taken.
        digits_max: u32,
        /// How many of them after the point.
        decimals_max: u32,
    },
    /// An amount has more decimals than its currency.
    #[error("{amount} has more decimals than {currency}, which has {decimals}")]
    AmountTooPrecise {
        /// What was given.
        amount: String,
        /// The order's currency.
        currency: &'static str,
        /// How many that currency has.
        decimals: u32,
    },
}

impl Invalid {
    /// A stable name for programs, for example `VALUE_TOO_LONG`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "EMPTY_VALUE",
            Self::TooLong { .. } => "VALUE_TOO_LONG",
            Self::Malformed { .. } => "MALFORMED_VALUE",
            Self::Quantity { .. } => "INVALID_QUANTITY",
            Self::UnknownCurrency => "UNKNOWN_CURRENCY",
            Self::NegativeAmount { .. } => "NEGATIVE_AMOUNT",
            Self::AmountTooLong { .. } => "AMOUNT_TOO_LONG",
            Self::AmountTooPrecise { .. } => "AMOUNT_TOO_PRECISE",
        }
    }

    /// The same as [`Display`](std::fmt::Display) in parts, for the `details` of an error body.
    pub fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Empty { field } => json!({ "field": field }),
            Self::TooLong { field, bytes, bytes_max } => {
                json!({ "field": field, "bytes": bytes, "bytesMax": bytes_max })
            }
            Self::Malformed { field, expected } => json!({ "field": field, "expected": expected }),
            Self::Quantity { quantity, quantity_max } => {
                json!({ "field": "quantity", "quantity": quantity, "quantityMax": quantity_max })
            }
            Self::UnknownCurrency => json!({ "field": "currency" }),
            Self::NegativeAmount { amount } => json!({ "amount": amount }),
            Self::AmountTooLong { amount, digits_max, decimals_max } => {
                json!({ "amount": amount, "digitsMax": digits_max, "decimalsMax": decimals_max })
            }
            Self::AmountTooPrecise { amount, currency, decimals } => {
                json!({ "amount": amount, "currency": currency, "decimals": decimals })
            }
        };
        match details {
            Value::Object(fields) => fields,
            other => unreachable!("details are written as an object above: {other}"),
        }
    }
}
