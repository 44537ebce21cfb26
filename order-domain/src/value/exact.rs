//! Decimals as JSON numbers, digit by digit: 50.00 stays `50.00` and never becomes a double on the way.
//!
//! Through `serde_json::value::RawValue`, which hands the text of a number over unread. The feature `arbitrary_precision`
//! of serde_json would do the same for every number of every crate in the build, so it is not used. The price: such a
//! value reads and writes JSON text only (`from_str`, `to_string`); `serde_json::to_value`, and fields below
//! `#[serde(flatten)]` or in untagged enums, would go through doubles or fail, so none of our types uses them.

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
use serde_json::value::RawValue;

/// Reads the text of a JSON number; more digits than a decimal holds (28) are refused, never rounded.
pub fn parse(text: &str) -> Option<Decimal> {
    // The grammar is JSON's: the decimal's own reader also takes `1_0`, `+1` and `.5`.
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if !is_number || serde_json::from_str::<&RawValue>(text).is_err() {
        return None;
    }
    let mut number = match text.find(['e', 'E']) {
        Some(_) => Decimal::from_scientific(text).ok()?,
        None => Decimal::from_str_exact(text).ok()?,
    };
    if number.is_zero() {
        number.set_sign_positive(true); // -0
    }
    Some(number)
}

/// For `#[serde(with = "exact")]`.
pub fn serialize<S: Serializer>(number: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(number.to_string()).map_err(S::Error::custom)?.serialize(serializer)
}

/// For `#[serde(with = "exact")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    parse(raw.get()).ok_or_else(|| D::Error::custom("expected a JSON number of at most 28 digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        for text in ["50.00", "949.98", "79.5", "0", "1029.48", "-3.10", "9007199254740993", "0.00"] {
            assert_eq!(parse(text).expect("a number").to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_held_exactly_is_refused() {
        for text in [
            "\"1\"",
            "null",
            "true",
            "1_0",
            "0.00000000000000000000000000001",
            "1e40",
            "",
            "-",
            "NaN",
            "01",
            "+1",
            ".5",
            "1.",
            "1 2",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("1e2").expect("an exponent").to_string(), "100");
        assert_eq!(parse("-0").expect("zero").to_string(), "0");
    }
}
