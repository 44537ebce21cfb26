//! Points in time as the wire writes them: UTC, milliseconds, `2023-11-21T12:34:56.789Z`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::Invalid;

const WIRE: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A point in time, to the millisecond. Reads any RFC 3339 time, with or without a fraction, with any offset; writes
/// one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// Now, by the clock of this machine.
    pub fn now() -> Self {
        // The system clock is a four-digit year for longer than this program is used.
        Self::new(OffsetDateTime::now_utc()).expect("the clock shows a year between 0 and 9999")
    }

    /// Takes a time; what is finer than a millisecond is cut off.
    pub fn new(time: OffsetDateTime) -> Result<Self, Invalid> {
        let expected = "a time in the years 1 to 9999";
        let malformed = Invalid::Malformed { field: "timestamp", expected };
        let utc = time.checked_to_offset(UtcOffset::UTC).ok_or_else(|| malformed.clone())?;
        let whole = utc.replace_millisecond(utc.millisecond()).map_err(|_| malformed.clone())?;
        if (1..=9999).contains(&whole.year()) { Ok(Self(whole)) } else { Err(malformed) }
    }

    /// The time, in UTC.
    pub fn time(self) -> OffsetDateTime {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(WIRE).map_err(|_| fmt::Error)?)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let expected = "an RFC 3339 time such as 2023-11-21T12:34:56.789Z";
        let time = OffsetDateTime::parse(text, &Rfc3339);
        Self::new(time.map_err(|_| Invalid::Malformed { field: "timestamp", expected })?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "UTC with milliseconds, such as 2023-11-21T12:34:56.789Z.",
            "type": "string",
            "format": "date-time"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_rfc_3339_is_read_and_one_is_written() {
        for (text, wire) in [
            ("2023-05-23T11:30:00Z", "2023-05-23T11:30:00.000Z"),
            ("2023-11-21T12:34:56.789Z", "2023-11-21T12:34:56.789Z"),
            ("2023-11-21T13:34:56.7899+01:00", "2023-11-21T12:34:56.789Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().expect("a time").to_string(), wire);
        }
        for text in ["", "2023-11-21", "2023-11-21T12:34:56", "0000-01-01T00:00:00+01:00", "1700000000"] {
            assert_eq!(text.parse::<Timestamp>().expect_err("refused").code(), "MALFORMED_VALUE", "{text}");
        }
    }
}
