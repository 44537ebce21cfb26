//! The simulated broker: exchanges, bindings, queues, connections and channels, and what it does with each message. `wire` moves frames
//! to it and back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use outbox_relay::outbox::broker::{CloseReason, Message};
use outbox_relay::outbox::destination::Destination;
use outbox_relay::rabbitmq::confirms::{Identity, Returned};
use tokio::sync::Notify;

use crate::events::{BINDINGS, BROKER_BYTES_MAX, Kind, there};
use crate::table::Number;
use crate::world::{Ms, NEVER, Process};

pub type ConnId = u64;
pub type ChanId = u64;
/// A delivery tag.
pub type Tag = u64;

/// A copy of a message that reached the broker and was routed to a queue.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub number: Number,
    pub destination: Destination,
    pub process: Process,
    pub sent_at: Ms,
    pub stored_at: Ms,
    /// The place in the order of everything that the broker took.
    pub order: u64,
    /// When the broker confirmed it.
    pub confirmed_at: Ms,
    /// When the relay's judge let it know; a channel that was given up is read no more.
    pub heard_at: Ms,
    /// A restart of the broker lost it; it had not been confirmed.
    pub lost: bool,
}

/// What a destination does besides taking messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Nacks,
    /// Takes messages and confirms nothing until it is well again.
    Silent,
    /// Confirms after so long.
    Slow(Ms),
}

pub struct Conn {
    pub process: Process,
    pub alive: bool,
    /// The broker has said that it is blocked.
    pub blocked: bool,
    /// Given when any of this changes.
    pub changed: Arc<Notify>,
}

#[derive(Debug)]
pub enum Frame {
    Return(Box<Returned>),
    Confirm { tag: Tag, multiple: bool, acked: bool },
    Close(CloseReason),
}

/// What the broker still has to say about a message.
#[derive(Debug)]
pub struct Due {
    pub at: Ms,
    pub tag: Tag,
    pub acked: bool,
    /// Where it waits for a silent destination to recover.
    pub behind: Option<Destination>,
    /// The copy that the confirm is about.
    pub copy: Option<usize>,
}

pub struct Sent {
    pub tag: Tag,
    pub message: Message,
    pub at: Ms,
}

/// Both ends of a channel, and what is on its way between them.
pub struct Chan {
    pub process: Process,
    pub conn: ConnId,
    pub wire: VecDeque<Sent>,
    pub unconfirmed: BTreeSet<Tag>,
    pub dues: Vec<Due>,
    /// The copies that its messages became, for the judge.
    pub copies: BTreeMap<Tag, usize>,
    pub closed_by_broker: bool,
    pub dropped: bool,
    pub inbox: VecDeque<Frame>,
    pub reader: Option<Waker>,
    pub io: Arc<Notify>,
}

pub struct Rabbit {
    pub is_down: bool,
    pub alarm: bool,
    /// Connections stay up and nothing is processed.
    pub is_silent: bool,
    pub missing: BTreeSet<String>,
    pub forbidden: BTreeSet<String>,
    /// Pairs of exchange and routing key.
    pub bindings: BTreeSet<(String, String)>,
    pub moods: BTreeMap<(String, String), Mood>,
    pub conns: BTreeMap<ConnId, Conn>,
    pub chans: BTreeMap<ChanId, Chan>,
    pub last_id: u64,
    pub copies: Vec<Delivery>,
    pub order: u64,
    /// Returned to a route that makes nothing of it, or for which it counts as delivered: number, destination, order.
    pub returned: Vec<(Number, Destination, u64)>,
    /// How often the broker judged this very event: returns, and channels closed over it.
    pub judged: BTreeMap<Number, u32>,
}

impl Default for Rabbit {
    fn default() -> Self {
        let bindings = BINDINGS.iter().map(|(exchange, key)| ((*exchange).to_owned(), (*key).to_owned())).collect();
        Self {
            is_down: false,
            alarm: false,
            is_silent: false,
            missing: BTreeSet::new(),
            forbidden: BTreeSet::new(),
            bindings,
            moods: BTreeMap::new(),
            conns: BTreeMap::new(),
            chans: BTreeMap::new(),
            last_id: 0,
            copies: Vec::new(),
            order: 0,
            returned: Vec::new(),
            judged: BTreeMap::new(),
        }
    }
}

/// The exchange, and the routing key as it is bound.
pub fn names(destination: &Destination) -> (String, String) {
    let key = &*destination.routing_key;
    let bound = if key.starts_with("many.") { "many" } else { key };
    (destination.exchange.to_string(), bound.to_owned())
}

/// What the broker makes of one message.
pub enum Word {
    Stored,
    Returned,
    Nacked,
    Closes { code: u16, text: String },
}

impl Rabbit {
    /// In the order in which RabbitMQ looks: size, exchange, permission, then the routing.
    pub fn word_on(&self, message: &Message, kind: Kind) -> Word {
        let (exchange, key) = names(&message.destination);
        let size = message.body.len();
        if size > BROKER_BYTES_MAX {
            let text = format!(
                "PRECONDITION_FAILED - message size {size} is larger than configured max size {BROKER_BYTES_MAX}"
            );
            return Word::Closes { code: 406, text };
        }
        if self.missing.contains(&exchange) {
            return Word::Closes { code: 404, text: format!("NOT_FOUND - no exchange '{exchange}' in vhost '/'") };
        }
        if self.forbidden.contains(&exchange) {
            let text = format!("ACCESS_REFUSED - access to exchange '{exchange}' in vhost '/' refused for user 'sim'");
            return Word::Closes { code: 403, text };
        }
        if kind == Kind::Closer {
            return Word::Closes { code: 406, text: "PRECONDITION_FAILED - something is wrong with it".into() };
        }
        if !self.bindings.contains(&(exchange.clone(), key.clone())) {
            return Word::Returned;
        }
        match self.moods.get(&(exchange, key)) {
            Some(Mood::Nacks) => Word::Nacked,
            Some(Mood::Silent | Mood::Slow(_)) | None => Word::Stored,
        }
    }

    /// Keeps a copy, in the order of arrival.
    pub fn store(&mut self, number: Number, sent: &Sent, process: Process, now: Ms) -> usize {
        self.order += 1;
        self.copies.push(Delivery {
            number,
            destination: sent.message.destination.clone(),
            process,
            sent_at: sent.at,
            stored_at: now,
            order: self.order,
            confirmed_at: NEVER,
            heard_at: NEVER,
            lost: false,
        });
        self.copies.len() - 1
    }

    pub fn give_back(&mut self, number: Number, destination: &Destination) {
        self.order += 1;
        self.returned.push((number, destination.clone(), self.order));
        *self.judged.entry(number).or_default() += 1;
    }

    pub fn chans_of(&self, conn: ConnId) -> Vec<ChanId> {
        self.chans.iter().filter(|(_, chan)| chan.conn == conn).map(|(id, _)| *id).collect()
    }
}

/// Destinations that a fault may strike.
pub fn struck() -> Vec<Destination> {
    BINDINGS.iter().map(|(exchange, key)| there(exchange, key)).collect()
}

pub fn identity(message: &Message) -> Identity {
    Identity { message_id: Some(message.event_id), destination: message.destination.clone() }
}
