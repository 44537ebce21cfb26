//! A mark on an order that a person should look at it. Facts and checks raise it; the service keeps it until somebody has
//! looked. It moves nothing: an order under review goes on.
//!
//! One review exists for each order, reason and subject. It depends on which facts were heard and never on their order, so
//! raising it twice is raising it once: `INSERT … ON CONFLICT DO UPDATE SET message`.

use serde::{Deserialize, Serialize};

/// Why a person should look at an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewReason {
    /// The customer was not told something important.
    NotificationFailure,
    /// The customer's address or number is wrong.
    ContactInfo,
    /// Stock of an item is missing.
    Allocation,
    /// A product of the order is not sold any more.
    DiscontinuedProduct,
    /// The price of a product is another one by now.
    PriceDiscrepancy,
    /// The order was placed without a look at its prices.
    PriceUnverified,
    /// The order was placed without a look at its customer.
    UserUnverified,
    /// Money moved that the order does not account for.
    Payment,
}

impl ReviewReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::NotificationFailure,
        Self::ContactInfo,
        Self::Allocation,
        Self::DiscontinuedProduct,
        Self::PriceDiscrepancy,
        Self::PriceUnverified,
        Self::UserUnverified,
        Self::Payment,
    ];

    /// The name on the wire and in tables, such as `NOTIFICATION_FAILURE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotificationFailure => "NOTIFICATION_FAILURE",
            Self::ContactInfo => "CONTACT_INFO",
            Self::Allocation => "ALLOCATION",
            Self::DiscontinuedProduct => "DISCONTINUED_PRODUCT",
            Self::PriceDiscrepancy => "PRICE_DISCREPANCY",
            Self::PriceUnverified => "PRICE_UNVERIFIED",
            Self::UserUnverified => "USER_UNVERIFIED",
            Self::Payment => "PAYMENT",
        }
    }
}

impl std::fmt::Display for ReviewReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A review of an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Review {
    /// Why.
    pub reason: ReviewReason,
    /// What of the order it is about: an item, a payment, a notification's channel. With the order and the reason it names the
    /// review. At most 512 bytes.
    pub subject: String,
    /// What is wrong, for people.
    pub message: String,
}
