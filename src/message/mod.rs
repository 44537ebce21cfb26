//! From an event to its messages: the stages route, envelope and message, without a broker. Pure.
//!
//! Called for each event of a batch when its turn comes, and by `routes render`.

pub mod amqp;
pub mod envelope;

use std::sync::Arc;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::outbox::broker::{Message, Token};
use crate::outbox::carried::OwnHeader;
use crate::outbox::destination::Destination;
use crate::outbox::event::{Event, Payload};
use crate::outbox::flow::Flow;
use crate::outbox::limits::{FRAME_BYTES_MAX, headers_bytes_max};
use crate::outbox::outcome::Fate;
use crate::outbox::route::Route;
use crate::outbox::route::RouteTable;

/// An event's messages on all its routes, or its fate if it would not be sent. For `routes render`.
pub fn render(
    routes: &RouteTable,
    event: &Event,
    payload_bytes_max: usize,
    now: OffsetDateTime,
) -> Result<Vec<(Arc<Route>, Message)>, Fate> {
    let (draft, ways) = draft(routes, event, payload_bytes_max)?;
    let message = |(number, (route, destination)): (usize, (Arc<Route>, Destination))| {
        let message = draft.message(&route, (route.flow(event, &destination), destination), number as Token, now)?;
        Ok((route, message))
    };
    ways.into_iter().enumerate().map(message).collect()
}

/// What all messages of an event share.
pub(crate) struct Draft<'a> {
    event: &'a Event,
    text: &'a str,
    headers: Map<String, Value>,
}

/// Where an event goes.
pub(crate) type Ways = Vec<(Arc<Route>, Destination)>;

/// The route stage, after checks that would stop the event on every route.
pub(crate) fn draft<'a>(routes: &RouteTable, event: &'a Event, limit: usize) -> Result<(Draft<'a>, Ways), Fate> {
    if let Some(error) = event.defect.clone() {
        return Err(Fate::Invalid { error });
    }
    let text = match &event.payload {
        Payload::Text(text) => text,
        Payload::TooLarge(bytes) => return Err(Fate::TooLarge { bytes: *bytes, limit }),
    };
    if routes.routes_of(event).next().is_none() {
        return Err(Fate::NoRoute);
    }
    amqp::check_payload(text).map_err(invalid)?;
    let headers = amqp::own_headers(event.headers.as_deref()).map_err(invalid)?;
    let ways = routes.ways(event, &headers).map_err(|error| Fate::Invalid { error })?;
    Ok((Draft { event, text, headers }, ways))
}

impl Draft<'_> {
    /// Envelope and message of one route.
    pub(crate) fn message(
        &self,
        route: &Route,
        (flow, destination): (Flow, Destination),
        token: Token,
        now: OffsetDateTime,
    ) -> Result<Message, Fate> {
        let labels = route.labels(self.event);
        let body = envelope::render(route.envelope, self.event, self.text, &labels, &self.headers);
        let headers = route.headers_over(self.event, &self.headers).map_err(|error| Fate::Invalid { error })?;
        let headers = envelope::with_attributes(route.envelope, headers, self.event, &labels);
        let carries_route = route.carried.headers.has(OwnHeader::Route);
        let headers = if carries_route { amqp::with_route(headers, &route.name) } else { headers };
        let message = amqp::build(token, self.event, &labels, destination, body, headers, now).map_err(invalid)?;
        Ok(Message { flow, ..message })
    }
}

/// Whether a message fits into the frames of a connection that has smaller ones than most.
pub(crate) fn check_frame(message: &Message, frame_bytes_max: usize) -> Result<(), Fate> {
    if frame_bytes_max >= FRAME_BYTES_MAX {
        return Ok(());
    }
    amqp::check_headers_fit(&message.properties.headers, headers_bytes_max(frame_bytes_max)).map_err(invalid)
}

fn invalid(error: amqp::InvalidEvent) -> Fate {
    Fate::Invalid { error: error.to_string() }
}
