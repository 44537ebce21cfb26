//! How many pieces of a line.

use crate::Invalid;

/// More of one product than that is a mistake, not an order.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// 1 to 1,000,000 pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "i64")]
pub struct Quantity(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))] u32);

impl Quantity {
    /// Takes a whole number as it comes from a request, or says why it is no quantity.
    pub fn new(quantity: i64) -> Result<Self, Invalid> {
        match u32::try_from(quantity) {
            Ok(number @ 1..=QUANTITY_MAX) => Ok(Self(number)),
            Ok(_) | Err(_) => Err(Invalid::Quantity { quantity, quantity_max: QUANTITY_MAX }),
        }
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = Invalid;

    fn try_from(quantity: i64) -> Result<Self, Invalid> {
        Self::new(quantity)
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_negative_and_absurd_quantities_are_refused() {
        for wrong in [0, -1, i64::MIN, 1_000_001, i64::MAX] {
            assert_eq!(Quantity::new(wrong).expect_err("refused").code(), "INVALID_QUANTITY");
        }
        assert_eq!(Quantity::new(1_000_000).expect("the most").get(), 1_000_000);
    }
}
