//! Facts about one event and its key, and the conclusion: the nouns that `trace` and `keys list`
//! share with `state`.

use crate::commands::state::relays::Obstacle;
use crate::commands::state::strangers::Stranger;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::commands::print::next::Step;
use crate::commands::state::rows::DeadLetterRow;
use crate::outbox::hold::HoldScope;

/// The state of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It may leave, but no relay has taken it yet.
    Pending,
    /// It waits behind an earlier event of its key.
    Waiting,
    /// An attempt failed; the time of the next one is known.
    Retrying,
    /// Its destination is on hold.
    Held,
    /// No route names its type.
    NoRoute,
    /// Sent, but not confirmed yet.
    Unconfirmed,
    /// The database cannot deliver its row.
    Unreadable,
    /// Given up, but not moved to the dead letters.
    DeadLetterFailed,
    /// Given up; it is in the dead letters.
    DeadLettered,
    /// Confirmed by the broker.
    Published,
}

impl State {
    /// Every state, for docs and tests.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Waiting,
        Self::Retrying,
        Self::Held,
        Self::NoRoute,
        Self::Unconfirmed,
        Self::Unreadable,
        Self::DeadLetterFailed,
        Self::DeadLettered,
        Self::Published,
    ];

    /// The text for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::NoRoute => "no route",
            Self::Unconfirmed => "unconfirmed",
            Self::Unreadable => "unreadable",
            Self::DeadLetterFailed => "dead letter failed",
            Self::DeadLettered => "dead-lettered",
            Self::Published => "published",
        }
    }
}

/// A row of `outbox.holds`.
#[derive(Debug, Clone)]
pub struct HoldFacts {
    /// Its row.
    pub id: i64,
    /// What it covers; `None` for a scope of a newer relay.
    pub scope: Option<HoldScope>,
    /// `HoldKind`'s word, or `operator`.
    pub kind: String,
    /// The reason, for operators.
    pub reason: String,
    /// The broker's message.
    pub error: Option<String>,
    /// Since when.
    pub since: OffsetDateTime,
    /// When it is probed next.
    pub next_probe_at: Option<OffsetDateTime>,
    /// Who held it.
    pub held_by: Option<String>,
    /// Why, in the operator's words.
    pub note: Option<String>,
}

/// A row of `outbox.waits`.
#[derive(Debug, Clone)]
pub struct WaitFacts {
    /// The key.
    pub key: String,
    /// Its head.
    pub event_id: Uuid,
    /// The head's type, if the head still exists.
    pub event_type: Option<String>,
    /// `WaitReason`'s word.
    pub reason: String,
    /// Attempts charged so far.
    pub attempts: i32,
    /// When it ends by itself; `None` for never.
    pub until: Option<OffsetDateTime>,
    /// Since when.
    pub since: OffsetDateTime,
    /// The error.
    pub error: Option<String>,
    /// Routes that have confirmed it.
    pub routes_confirmed: Vec<String>,
    /// The hold that it waits for, if it is still in force.
    pub hold: Option<HoldFacts>,
}

/// An earlier event of the same key.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ahead {
    /// The first such event.
    pub event_id: Uuid,
    /// Its type, if known.
    pub event_type: Option<String>,
    /// How many there are.
    pub events: i64,
}

/// Where an event is.
#[derive(Debug, Clone)]
pub enum Place<'a> {
    /// In the events table, confirmed.
    Published(OffsetDateTime),
    /// In the events table, not confirmed.
    Pending,
    /// In the dead letters.
    DeadLetter(&'a DeadLetterRow),
}

/// All facts that an event's state depends on.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The event.
    pub id: Uuid,
    /// Its key.
    pub key: &'a str,
    /// When it occurred.
    pub created_at: OffsetDateTime,
    /// Where it is.
    pub place: Place<'a>,
    /// Why its key waits, if it does.
    pub wait: Option<&'a WaitFacts>,
    /// Pending events of its key with a lower seq.
    pub ahead: Option<Ahead>,
    /// Whether somebody holds its lane right now.
    pub lane_is_locked: bool,
    /// Who that is, if it is not a relay.
    pub(crate) stranger: Option<&'a Stranger>,
    /// Whether it is below its lane's floor, where claims start.
    pub below_floor: bool,
    /// What keeps every relay from publishing.
    pub obstacle: Option<&'a Obstacle>,
    /// The database's time.
    pub now: OffsetDateTime,
}

/// The conclusion.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What it is.
    pub state: State,
    /// The state with its details, for example `waiting (behind order.paid 7b0c…)`.
    pub headline: String,
    /// Since when.
    pub since: OffsetDateTime,
    /// When it ends by itself, if known.
    pub until: Option<OffsetDateTime>,
    /// Why; empty if the state says it all.
    pub why: String,
    /// What is ahead.
    pub ahead: Option<Ahead>,
    /// What to do.
    pub next: Vec<Step>,
}
