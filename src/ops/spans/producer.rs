//! The span of one message, by OpenTelemetry's conventions for messaging and RabbitMQ
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/>). It is a child of the span
//! that wrote the row, whose `traceparent` is in the row's headers. A row without a readable
//! `traceparent` starts a trace.

use std::time::SystemTime;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::ops::spans::SentMessage;
use crate::outbox::destination::OnUnroutable;
use crate::outbox::outcome::Answer;

/// Makes the span, unless the sampler drops it.
pub(super) fn record(tracer: &SdkTracer, message: &SentMessage<'_>) {
    let (now, elapsed) = (SystemTime::now(), message.sent_at.elapsed());
    let start = now.checked_sub(elapsed).unwrap_or(now);
    let exchange = &message.destination.exchange;
    // The default exchange has an empty name.
    let name = if exchange.is_empty() { "send".to_owned() } else { format!("send {exchange}") };
    let builder = tracer.span_builder(name).with_kind(SpanKind::Producer).with_start_time(start);
    let mut span = builder.start_with_context(tracer, &parent(message.event.headers.as_deref()));
    if !span.is_recording() {
        return;
    }
    span.set_attributes(attributes(message, start));
    if let Some((kind, words)) = failure(message.answer) {
        span.set_attribute(KeyValue::new("error.type", kind));
        span.set_status(Status::error(words.to_owned()));
    }
    let took = message.answered_at.map_or(elapsed, |answered| answered.duration_since(message.sent_at));
    span.end_with_timestamp(start + took);
}

fn attributes(message: &SentMessage<'_>, start: SystemTime) -> Vec<KeyValue> {
    let SentMessage { event, destination, .. } = message;
    let mut all = vec![
        KeyValue::new("messaging.system", "rabbitmq"),
        KeyValue::new("messaging.operation.type", "send"),
        KeyValue::new("messaging.operation.name", "send"),
        KeyValue::new("messaging.destination.name", destination.exchange.clone()),
        KeyValue::new("messaging.rabbitmq.destination.routing_key", destination.routing_key.clone()),
        KeyValue::new("messaging.message.id", event.id.to_string()),
        KeyValue::new("messaging.message.body.size", i64::try_from(message.body_bytes).unwrap_or(i64::MAX)),
        KeyValue::new("outbox.event_type", event.event_type.clone()),
        KeyValue::new("outbox.key", event.key().to_owned()),
        KeyValue::new("outbox.seq", event.seq),
        KeyValue::new("outbox.lane", i64::from(event.lane)),
        KeyValue::new("outbox.route", message.route.to_owned()),
        KeyValue::new("outbox.attempt", i64::from(event.attempts()) + 1),
    ];
    if let Some(id) = &event.correlation_id {
        all.push(KeyValue::new("messaging.message.conversation_id", id.clone()));
    }
    match &event.replay_id {
        Some(id) => all.push(KeyValue::new("outbox.replay_id", id.to_string())),
        // The age of a replayed event says nothing about the relay.
        None => {
            let waited = OffsetDateTime::from(start) - event.created_at;
            let waited_ms = i64::try_from(waited.whole_milliseconds()).unwrap_or(i64::MAX);
            // The two clocks may differ.
            all.push(KeyValue::new("outbox.waited_ms", waited_ms.max(0)));
        }
    }
    all
}

/// What failed, as a reason of `outbox_failures_total`, and the broker's message.
fn failure(answer: &Answer) -> Option<(&'static str, &str)> {
    use crate::outbox::outcome::ChannelFault as Fault;
    match answer {
        Answer::Confirmed | Answer::Returned { on_unroutable: OnUnroutable::Ignore, .. } => None,
        Answer::Returned { on_unroutable: OnUnroutable::DeadLetter | OnUnroutable::Hold, text, .. } => {
            Some(("returned", text))
        }
        Answer::Nacked { .. } => Some(("nacked", "")),
        Answer::Closed { fault, .. } => Some((
            "channel_closed",
            match fault {
                Fault::ExchangeMissing { text, .. }
                | Fault::Forbidden { text, .. }
                | Fault::TopicForbidden { text }
                | Fault::TooLarge { text }
                | Fault::Culprit { text }
                | Fault::DestinationClosed { text } => text,
                Fault::Bystander => "",
            },
        )),
        // The confirm may still come; `outbox_confirm_duration_seconds` will count it.
        Answer::Unconfirmed => Some(("unconfirmed", "")),
        // Not sent.
        Answer::Held { .. } | Answer::Stalled { .. } | Answer::NotSent => None,
    }
}

/// The part of a row's headers that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TraceHeaders {
    traceparent: Value,
    tracestate: Value,
}

impl Extractor for TraceHeaders {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "traceparent" => self.traceparent.as_str(),
            "tracestate" => self.tracestate.as_str(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

fn parent(headers: Option<&str>) -> Context {
    let Some(headers) = headers.filter(|text| text.contains("traceparent")) else { return Context::new() };
    // The message stage refuses headers that are not an object; such a row is never sent.
    let headers: TraceHeaders = serde_json::from_str(headers).unwrap_or_default();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::destination::Destination;
    use crate::outbox::hold::HoldScope;
    use crate::outbox::outcome::{ChannelFault, Past, Trouble};

    #[test]
    fn what_did_not_reach_its_queue_is_a_failure_and_what_nobody_listens_to_is_none() {
        let destination = Destination { exchange: "e".into(), routing_key: "k".into() };
        let trouble = || Trouble::Of(HoldScope::Key(destination.clone()));
        let returned = |on_unroutable| Answer::Returned {
            trouble: trouble(),
            on_unroutable,
            past: Past::Returned(1),
            is_probe: false,
            text: "NO_ROUTE".into(),
        };
        let closed = |fault| Answer::Closed { trouble: trouble(), fault };
        for (answer, expected) in [
            (Answer::Confirmed, None),
            (returned(OnUnroutable::Ignore), None),
            (returned(OnUnroutable::Hold), Some(("returned", "NO_ROUTE"))),
            (returned(OnUnroutable::DeadLetter), Some(("returned", "NO_ROUTE"))),
            (Answer::Nacked { trouble: trouble() }, Some(("nacked", ""))),
            (closed(ChannelFault::Bystander), Some(("channel_closed", ""))),
            (closed(ChannelFault::TooLarge { text: "too large".into() }), Some(("channel_closed", "too large"))),
            (Answer::Unconfirmed, Some(("unconfirmed", ""))),
            (Answer::NotSent, None),
        ] {
            assert_eq!(failure(&answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_header_of_any_shape_is_a_parent_or_none() {
        use opentelemetry::trace::TraceContextExt;
        let is_found = |headers: &str| parent(Some(headers)).span().span_context().is_valid();
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_found(&format!(r#"{{"traceparent": "{good}"}}"#)));
        assert!(is_found(&format!(r#"{{"traceparent": "{good}", "tracestate": 7}}"#)), "it goes without its state");
        assert!(!parent(None).span().span_context().is_valid());
        for headers in
            ["{}", r#"{"traceparent": 7}"#, r#"{"traceparent": "00-ab"}"#, r#"["traceparent"]"#, "traceparent"]
        {
            assert!(!is_found(headers), "{headers}");
        }
    }
}
