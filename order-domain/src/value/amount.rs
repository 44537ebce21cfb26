//! Money: an exact decimal, a JSON number on the wire, its currency beside it.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::currency::Currency;
use super::exact;
use super::quantity::Quantity;
use crate::Invalid;

/// A consumer that reads JSON numbers as doubles keeps 15 significant digits of any decimal, so no amount has more.
pub const AMOUNT_DIGITS_MAX: u32 = 15;
/// No currency has more than 4; it also keeps every sum below within the digits of a decimal.
pub const AMOUNT_DECIMALS_MAX: u32 = 6;

/// An amount of money that is not negative. Keeps the decimals it was written with: `50.00` and `50` are equal and
/// print differently.
///
/// ```
/// use order_domain::Amount;
///
/// let price: Amount = serde_json::from_str("50.00")?;
/// assert_eq!(serde_json::to_string(&price)?, "50.00");
/// assert_eq!(price, "50".parse()?);
/// assert!("-1".parse::<Amount>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(Decimal);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Takes a decimal, or says why it is no amount.
    pub fn new(decimal: Decimal) -> Result<Self, Invalid> {
        if decimal.is_sign_negative() && !decimal.is_zero() {
            return Err(Invalid::NegativeAmount { amount: decimal.to_string() });
        }
        let has_many_digits = decimal.mantissa().unsigned_abs() >= 10u128.pow(AMOUNT_DIGITS_MAX);
        if has_many_digits || decimal.scale() > AMOUNT_DECIMALS_MAX {
            return Err(Self(decimal).too_long());
        }
        Ok(Self(decimal))
    }

    /// The decimal.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Refuses more decimals than `currency` has. Trailing zeros count: 5.000 is no amount of dollars.
    pub fn check_for(self, currency: Currency) -> Result<Self, Invalid> {
        if self.0.scale() > currency.decimals() {
            return Err(Invalid::AmountTooPrecise {
                amount: self.0.to_string(),
                currency: currency.as_str(),
                decimals: currency.decimals(),
            });
        }
        Ok(self)
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, Invalid> {
        let sum = self.0.checked_add(other.0).ok_or_else(|| self.too_long())?;
        Self::new(sum)
    }

    /// What is left after `other` is taken away.
    pub fn minus(self, other: Self) -> Result<Self, Invalid> {
        let rest = self.0.checked_sub(other.0).ok_or_else(|| self.too_long())?;
        Self::new(rest)
    }

    /// The price of several.
    pub fn times(self, quantity: Quantity) -> Result<Self, Invalid> {
        let product = self.0.checked_mul(Decimal::from(quantity.get())).ok_or_else(|| self.too_long())?;
        Self::new(product)
    }

    fn too_long(self) -> Invalid {
        Invalid::AmountTooLong {
            amount: self.0.to_string(),
            digits_max: AMOUNT_DIGITS_MAX,
            decimals_max: AMOUNT_DECIMALS_MAX,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Amount {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let expected = "a decimal number such as 149.99";
        Self::new(exact::parse(text).ok_or(Invalid::Malformed { field: "amount", expected })?)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        exact::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(exact::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Money: an exact decimal of at most 15 significant digits, as a JSON number.",
            "type": "number",
            "minimum": 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    #[test]
    fn sums_are_exact_and_keep_the_decimals() {
        assert_eq!(amount("299.99").plus(amount("649.99")).expect("fits").to_string(), "949.98");
        assert_eq!(amount("99.99").plus(amount("50.00")).expect("fits").to_string(), "149.99");
        let three = Quantity::new(3).expect("a quantity");
        assert_eq!(amount("0.1").times(three).expect("fits").to_string(), "0.3");
        assert_eq!(amount("1.00").minus(amount("1.01")).expect_err("below zero").code(), "NEGATIVE_AMOUNT");
    }

    #[test]
    fn what_a_double_would_not_keep_is_refused() {
        assert_eq!(amount("999999999999999").to_string(), "999999999999999");
        assert_eq!("9007199254740993".parse::<Amount>().expect_err("16 digits").code(), "AMOUNT_TOO_LONG");
        assert_eq!("twelve".parse::<Amount>().expect_err("no number").code(), "MALFORMED_VALUE");
    }

    #[test]
    fn decimals_beyond_the_currency_are_refused() {
        let (usd, jpy) = ("USD".parse().expect("dollars"), "JPY".parse().expect("yen"));
        assert_eq!(amount("79.5").check_for(usd).expect("fewer are fine").to_string(), "79.5");
        assert_eq!(amount("1.001").check_for(usd).expect_err("a tenth of a cent").code(), "AMOUNT_TOO_PRECISE");
        assert_eq!(amount("1.5").check_for(jpy).expect_err("half a yen").code(), "AMOUNT_TOO_PRECISE");
    }
}
