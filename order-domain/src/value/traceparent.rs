//! The W3C trace context that travels from the request, through the outbox row's headers, to the consumer.

use std::fmt;

use crate::Invalid;

/// A `traceparent`, such as `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The traceparent of the OpenTelemetry span that is current on this thread, if there is one.
    #[cfg(feature = "opentelemetry")]
    pub fn current() -> Option<Self> {
        use opentelemetry::trace::TraceContextExt as _;

        let context = opentelemetry::Context::current();
        let span = context.span().span_context().clone();
        let flags = span.trace_flags().to_u8() & 1; // of the flags only "sampled" may be passed on
        span.is_valid().then(|| Self(format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())))
    }
}

impl std::str::FromStr for TraceParent {
    type Err = Invalid;

    /// Reads version 00; of a later version only the part that version 00 defines, as the standard asks.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let expected = "a W3C traceparent";
        let malformed = Invalid::Malformed { field: "traceparent", expected };
        let mut parts = text.split('-');
        let mut hex = |length: usize| {
            let part = parts.next().unwrap_or_default();
            let lower = part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if lower { Ok(part) } else { Err(malformed.clone()) }
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
        let has_more = parts.next().is_some();
        if version == "ff" || is_zero(trace) || is_zero(span) || (version == "00" && has_more) {
            return Err(malformed);
        }
        Ok(Self(format!("00-{trace}-{span}-{flags}")))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_calls_valid_is_taken() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(valid.parse::<TraceParent>().expect("valid").as_str(), valid);
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-is-to-come";
        assert_eq!(later.parse::<TraceParent>().expect("a later version").as_str(), valid);
        for text in [
            "",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(text.parse::<TraceParent>().is_err(), "{text}");
        }
    }

    #[cfg(feature = "opentelemetry")]
    #[test]
    fn the_current_span_is_found() {
        use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

        assert_eq!(TraceParent::current(), None);
        let span = SpanContext::new(
            TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").expect("hex"),
            SpanId::from_hex("b7ad6b7169203331").expect("hex"),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let _current = opentelemetry::Context::new().with_remote_span_context(span).attach();
        let found = TraceParent::current().expect("a span is current");
        assert_eq!(found.as_str(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(crate::Context::now().traceparent, Some(found), "commands take it from there");
    }
}
