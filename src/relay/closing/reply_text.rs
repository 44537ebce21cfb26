//! Parses what a closed channel says about the messages that were in flight. Pure.
//!
//! An AMQP error has no delivery tag: the broker may have stored everything before the
//! culprit and discards everything after it, and only the reply text says more. RabbitMQ's texts,
//! 3.10 to 4.x:
//!
//! - `NOT_FOUND - no exchange 'e' in vhost 'v'`
//! - `ACCESS_REFUSED - access to exchange 'e' in vhost 'v' refused for user 'u'`
//! - `ACCESS_REFUSED - access to topic 'k' in exchange 'e' in vhost 'v' refused for user 'u'`
//! - `PRECONDITION_FAILED - message size 9 is larger than configured max size 8`

use crate::outbox::broker::{CloseReason, Token};
use crate::outbox::destination::Destination;
use crate::outbox::flow::Flow;
use crate::outbox::outcome::ChannelFault;

const NOT_FOUND: u16 = 404;
const ACCESS_REFUSED: u16 = 403;
const PRECONDITION_FAILED: u16 = 406;

/// A message that was in flight when the channel closed.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    /// Its id on the channel.
    pub token: Token,
    /// Where to.
    pub destination: Destination,
    /// The flow that it is part of.
    pub flow: Flow,
    /// Bytes of its body.
    pub body_bytes: usize,
}

/// What the close means for each message in flight.
#[derive(Debug, PartialEq)]
pub(super) enum Finding {
    /// The reply text names who it was about; one fault per message in flight, in their order.
    Named(Vec<ChannelFault>),
    /// One of them did it and nothing says which.
    Suspects,
    /// The connection was lost, or the relay closed it: no message is to blame.
    NobodysFault,
}

/// Reads `reason` for the messages `in_flight`.
pub(super) fn read(reason: &CloseReason, in_flight: &[InFlight]) -> Finding {
    if reason.connection_lost {
        return Finding::NobodysFault;
    }
    match reason.code {
        None => Finding::NobodysFault,
        Some(NOT_FOUND) => named(in_flight, |message| missing(reason, message)),
        Some(ACCESS_REFUSED) => named(in_flight, |message| forbidden(reason, message)),
        Some(PRECONDITION_FAILED) => too_large(reason, in_flight),
        Some(_) => Finding::Suspects,
    }
}

fn named(in_flight: &[InFlight], fault: impl Fn(&InFlight) -> ChannelFault) -> Finding {
    let faults: Vec<ChannelFault> = in_flight.iter().map(fault).collect();
    if faults.iter().all(|fault| *fault == ChannelFault::Bystander) {
        Finding::Suspects
    } else {
        Finding::Named(faults)
    }
}

fn names(text: &str, what: &str, name: &str) -> bool {
    text.contains(&format!("{what} '{name}'"))
}

/// The default exchange has no name, and RabbitMQ calls it this.
fn as_the_broker_says(exchange: &str) -> &str {
    if exchange.is_empty() { "amq.default" } else { exchange }
}

fn missing(reason: &CloseReason, message: &InFlight) -> ChannelFault {
    let exchange = &message.destination.exchange;
    if names(&reason.text, "exchange", as_the_broker_says(exchange)) {
        ChannelFault::ExchangeMissing { exchange: exchange.clone(), text: reason.text.clone() }
    } else {
        ChannelFault::Bystander
    }
}

fn forbidden(reason: &CloseReason, message: &InFlight) -> ChannelFault {
    let Destination { exchange, routing_key } = &message.destination;
    if !names(&reason.text, "exchange", as_the_broker_says(exchange)) {
        return ChannelFault::Bystander;
    }
    if !reason.text.contains("topic '") {
        ChannelFault::Forbidden { exchange: exchange.clone(), text: reason.text.clone() }
    } else if names(&reason.text, "topic", routing_key) {
        ChannelFault::TopicForbidden { text: reason.text.clone() }
    } else {
        ChannelFault::Bystander
    }
}

fn too_large(reason: &CloseReason, in_flight: &[InFlight]) -> Finding {
    let size = reason.text.split("message size ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    let Some(size) = size else { return Finding::Suspects };
    if in_flight.iter().filter(|message| message.body_bytes == size).count() != 1 {
        return Finding::Suspects;
    }
    named(in_flight, |message| {
        if message.body_bytes == size {
            ChannelFault::TooLarge { text: reason.text.clone() }
        } else {
            ChannelFault::Bystander
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(token: Token, exchange: &str, routing_key: &str, body_bytes: usize) -> InFlight {
        let destination = Destination { exchange: exchange.into(), routing_key: routing_key.into() };
        InFlight { token, flow: Flow::of(&destination), destination, body_bytes }
    }

    fn closed(code: u16, text: &str) -> CloseReason {
        CloseReason { code: Some(code), text: text.into(), connection_lost: false }
    }

    /// Which of the messages in flight the finding names.
    fn named_tokens(reason: &CloseReason, in_flight: &[InFlight]) -> Vec<Token> {
        match read(reason, in_flight) {
            Finding::Named(faults) => in_flight
                .iter()
                .zip(faults)
                .filter(|(_, fault)| *fault != ChannelFault::Bystander)
                .map(|(message, _)| message.token)
                .collect(),
            Finding::Suspects | Finding::NobodysFault => Vec::new(),
        }
    }

    #[test]
    fn a_missing_exchange_is_named_and_its_neighbours_are_bystanders() {
        let in_flight = [message(1, "gone", "k", 1), message(2, "order.events", "k", 1)];
        assert_eq!(named_tokens(&closed(404, "NOT_FOUND - no exchange 'gone' in vhost '/'"), &in_flight), [1]);
    }

    #[test]
    fn a_refused_topic_names_the_key_and_a_refused_exchange_all_of_it() {
        let in_flight = [message(1, "e", "a", 1), message(2, "e", "b", 1), message(3, "f", "a", 1)];
        let topic =
            closed(403, "ACCESS_REFUSED - access to topic 'a' in exchange 'e' in vhost '/' refused for user 'u'");
        assert_eq!(named_tokens(&topic, &in_flight), [1]);
        let exchange = closed(403, "ACCESS_REFUSED - access to exchange 'e' in vhost '/' refused for user 'u'");
        assert_eq!(named_tokens(&exchange, &in_flight), [1, 2]);
    }

    #[test]
    fn the_default_exchange_is_called_amq_default() {
        let reason = closed(403, "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'u'");
        assert_eq!(named_tokens(&reason, &[message(1, "", "q", 1), message(2, "e", "q", 1)]), [1]);
    }

    #[test]
    fn a_size_names_one_message_or_makes_suspects() {
        let reason = closed(406, "PRECONDITION_FAILED - message size 900 is larger than configured max size 800");
        assert_eq!(named_tokens(&reason, &[message(1, "e", "a", 900), message(2, "e", "a", 5)]), [1]);
        assert_eq!(read(&reason, &[message(1, "e", "a", 900), message(2, "e", "a", 900)]), Finding::Suspects);
        assert_eq!(read(&closed(406, "PRECONDITION_FAILED - invalid expiration"), &[]), Finding::Suspects);
    }

    #[test]
    fn a_lost_connection_is_nobodys_fault_and_any_other_close_makes_suspects() {
        let lost = CloseReason { code: Some(320), text: "CONNECTION_FORCED".into(), connection_lost: true };
        assert_eq!(read(&lost, &[message(1, "e", "a", 1)]), Finding::NobodysFault);
        assert_eq!(read(&closed(541, "INTERNAL_ERROR"), &[message(1, "e", "a", 1)]), Finding::Suspects);
        assert_eq!(read(&closed(404, "NOT_FOUND - no exchange 'x'"), &[message(1, "e", "a", 1)]), Finding::Suspects);
    }
}
