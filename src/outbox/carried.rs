//! Which of its own headers and properties the relay sends with a message. Each costs the broker time and memory; a consumer that needs
//! none of them gets a leaner message. The message id, persistence, a replay's id and what the row and the route set are always sent.
//!
//! Set per route, or for all routes by a flag; the message stage and the broker's wire obey.

use std::marker::PhantomData;

/// A header of the relay's own, `x-outbox-…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnHeader {
    /// The key whose order is kept.
    Key,
    /// The place in the key's order.
    Seq,
    /// The route's name.
    Route,
    /// When the relay sent the message.
    PublishedAt,
}

/// A property that a consumer may do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnProperty {
    /// `type`.
    Type,
    /// `timestamp`.
    Timestamp,
    /// `app_id`.
    AppId,
    /// `content_type`.
    ContentType,
    /// `correlation_id`.
    CorrelationId,
}

/// A part of a message with a name in flags and files.
pub trait Part: Copy + 'static {
    /// Every part.
    const ALL: &'static [Self];
    /// Those that are sent unless somebody says otherwise.
    const DEFAULT: &'static [Self];
    /// Its name.
    fn as_str(self) -> &'static str;
    /// Its place in a set.
    fn bit(self) -> u8;
}

impl Part for OwnHeader {
    const ALL: &'static [Self] = &[Self::Key, Self::Seq, Self::Route, Self::PublishedAt];
    const DEFAULT: &'static [Self] = &[Self::Key, Self::Seq, Self::Route];

    fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Seq => "seq",
            Self::Route => "route",
            Self::PublishedAt => "published-at",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Part for OwnProperty {
    const ALL: &'static [Self] = &[Self::Type, Self::Timestamp, Self::AppId, Self::ContentType, Self::CorrelationId];
    const DEFAULT: &'static [Self] = Self::ALL;

    fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Timestamp => "timestamp",
            Self::AppId => "app-id",
            Self::ContentType => "content-type",
            Self::CorrelationId => "correlation-id",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Some of the parts of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<T> {
    bits: u8,
    kind: PhantomData<T>,
}

impl<T: Part> Parts<T> {
    /// These parts.
    pub fn of(parts: &[T]) -> Self {
        Self { bits: parts.iter().fold(0, |bits, part| bits | part.bit()), kind: PhantomData }
    }

    /// Whether this part is among them.
    pub fn has(self, part: T) -> bool {
        self.bits & part.bit() != 0
    }

    /// Reads their names; the error says which names there are.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut parts = Vec::new();
        for name in names {
            match T::ALL.iter().find(|part| part.as_str() == name) {
                Some(part) => parts.push(*part),
                None => {
                    let all: Vec<&str> = T::ALL.iter().map(|part| part.as_str()).collect();
                    return Err(format!("'{name}' is unknown; use some of {}, or none", all.join(", ")));
                }
            }
        }
        Ok(Self::of(&parts))
    }

    /// Reads a list with commas, or `none`.
    pub fn parse_list(text: &str) -> Result<Self, String> {
        if text == NONE { Ok(Self::of(&[])) } else { Self::parse(text.split(',').map(str::trim)) }
    }
}

impl<T: Part> Default for Parts<T> {
    fn default() -> Self {
        Self::of(T::DEFAULT)
    }
}

/// The word for no parts at all.
pub const NONE: &str = "none";

/// What of its own the relay sends with the messages of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Headers.
    pub headers: Parts<OwnHeader>,
    /// Properties.
    pub properties: Parts<OwnProperty>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_a_wrong_name_is_answered_with_the_right_ones() {
        let parts = Parts::<OwnHeader>::parse_list("key, published-at").expect("two headers");
        assert!(parts.has(OwnHeader::Key) && parts.has(OwnHeader::PublishedAt) && !parts.has(OwnHeader::Seq));
        assert_eq!(Parts::<OwnProperty>::parse_list("none"), Ok(Parts::of(&[])));
        let error = Parts::<OwnHeader>::parse_list("keys").expect_err("no such header");
        assert_eq!(error, "'keys' is unknown; use some of key, seq, route, published-at, or none");
    }

    #[test]
    fn by_default_a_message_carries_what_consumers_need_for_once_and_in_order() {
        let Carried { headers, properties } = Carried::default();
        assert!([OwnHeader::Key, OwnHeader::Seq, OwnHeader::Route].into_iter().all(|header| headers.has(header)));
        assert!(!headers.has(OwnHeader::PublishedAt));
        assert!(OwnProperty::ALL.iter().all(|property| properties.has(*property)));
    }
}
