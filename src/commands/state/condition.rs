//! The condition of the whole outbox in one line: OK, BEHIND, STUCK, IDLE or ATTENTION, and why. Pure and exhaustive; `status` opens with it,
//! and `check` repeats it.

use serde::Serialize;

use crate::commands::print::words::{count, span};
use crate::commands::state::relays::Obstacle;

/// Once the oldest event that could leave has waited for longer, the relays are behind.
const BEHIND_SECONDS: i64 = 30;
/// Once nothing was published for longer although events could leave, they are stuck.
const STUCK_SECONDS: i64 = 60;

/// How the outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Everything that may leave leaves.
    Ok,
    /// Events leave, but late, or some are being tried again.
    Behind,
    /// Events wait, and will until somebody does something.
    Stuck,
    /// Nothing waits, and no relay is there to publish what comes.
    Idle,
    /// Everything leaves; what was given up needs a decision.
    Attention,
}

impl Condition {
    /// Every condition, for docs and tests.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Behind, Self::Stuck, Self::Idle, Self::Attention];

    /// The word that the line opens with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Behind => "BEHIND",
            Self::Stuck => "STUCK",
            Self::Idle => "IDLE",
            Self::Attention => "ATTENTION",
        }
    }
}

/// What waits by itself, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Keys whose destination is on hold.
    pub held: i64,
    /// Keys whose type no route names.
    pub no_route: i64,
    /// Keys that wait for an operator after a dead letter.
    pub after_dead_letter: i64,
    /// Keys behind an event that the database can neither deliver nor move to the dead letters.
    pub bad_row: i64,
    /// Keys that are tried again soon: after a failure, or because a confirm is owed.
    pub again: i64,
}

/// All facts that the condition depends on.
#[derive(Debug, Clone, Default)]
pub struct OutboxFacts<'a> {
    /// Pending events, counted up to `count_max`.
    pub pending: i64,
    /// Where counting stops.
    pub count_max: i64,
    /// How long the oldest that is not tried again has waited.
    pub oldest_seconds: i64,
    /// When an event was last published, in seconds; absent if never or unknown.
    pub published_seconds: Option<i64>,
    /// What keeps all relays from publishing.
    pub obstacle: Option<&'a Obstacle>,
    /// Who holds the locks of lanes, in words.
    pub stranger: Option<&'a str>,
    /// What waits by itself.
    pub waiting: Waiting,
    /// The first hold: its destination and why.
    pub hold: Option<(&'a str, &'a str)>,
    /// Destinations on hold.
    pub holds: i64,
    /// Unresolved dead letters, counted up to `count_max`.
    pub dead_letters: i64,
}

/// The conclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it is.
    pub condition: Condition,
    /// Why, without the condition's word.
    pub why: String,
}

impl Outcome {
    /// The whole line.
    pub fn line(&self) -> String {
        format!("{}: {}", self.condition.word(), self.why)
    }
}

/// The condition of the outbox. What an operator has to act on first comes first.
pub fn condition(facts: &OutboxFacts<'_>) -> Outcome {
    let outcome = |condition, why: String| Outcome { condition, why: format!("{why}{}", dead_letters_too(facts)) };
    if let Some(obstacle) = facts.obstacle {
        return by_obstacle(facts, obstacle);
    }
    if let Some(stranger) = facts.stranger.filter(|_| facts.pending > 0) {
        return outcome(Condition::Stuck, format!("{}; {stranger}", events_wait(facts)));
    }
    if let Some(why) = waiting_for_you(facts) {
        return outcome(Condition::Stuck, why);
    }
    if facts.pending > 0 && facts.oldest_seconds > BEHIND_SECONDS {
        let oldest = format!("{}, the oldest for {}", events_wait(facts), span(facts.oldest_seconds));
        let published = facts.published_seconds;
        return match published.filter(|seconds| *seconds <= STUCK_SECONDS) {
            Some(seconds) => {
                outcome(Condition::Behind, format!("{oldest}; the last one was published {} ago", span(seconds)))
            }
            None if facts.oldest_seconds <= STUCK_SECONDS => outcome(Condition::Behind, oldest),
            None => {
                let silence = published.map_or_else(String::new, |seconds| format!(" for {}", span(seconds)));
                outcome(
                    Condition::Stuck,
                    format!("{oldest}; nothing was published{silence}, and no reason is recorded"),
                )
            }
        };
    }
    if facts.waiting.again > 0 {
        let keys = keys(facts, facts.waiting.again);
        return outcome(Condition::Behind, format!("{keys} tried again soon; everything else leaves"));
    }
    if facts.dead_letters > 0 {
        let events = count(facts.dead_letters, facts.count_max, "event");
        let verb = if facts.dead_letters == 1 { "was" } else { "were" };
        let why = format!("{events} {verb} given up (dead letters); everything else leaves");
        return Outcome { condition: Condition::Attention, why };
    }
    let published =
        facts.published_seconds.map(|seconds| format!("; the last event was published {} ago", span(seconds)));
    let waits = if facts.pending == 0 { "nothing waits".into() } else { format!("{} in flight or due", events(facts)) };
    outcome(Condition::Ok, waits + &published.unwrap_or_default())
}

fn by_obstacle(facts: &OutboxFacts<'_>, obstacle: &Obstacle) -> Outcome {
    let is_idle = facts.pending == 0 && matches!(obstacle, Obstacle::NoRelay(_));
    let condition = if is_idle { Condition::Idle } else { Condition::Stuck };
    let waits = if facts.pending == 0 { String::new() } else { events_wait(facts) + "; " };
    Outcome { condition, why: format!("{waits}{}{}", obstacle.words(), dead_letters_too(facts)) }
}

/// What only an operator ends: a hold, a missing route, a key after a dead letter or behind a row that cannot be read.
fn waiting_for_you(facts: &OutboxFacts<'_>) -> Option<String> {
    let Waiting { held, no_route, after_dead_letter, bad_row, again: _ } = facts.waiting;
    let mut parts = Vec::new();
    if held > 0 || facts.holds > 0 {
        let what = match (facts.hold, facts.holds) {
            (Some((destination, reason)), 0 | 1) => format!("{destination}: {reason}"),
            (Some((destination, reason)), more) => {
                format!("{more} destinations on hold, the first {destination}: {reason}")
            }
            (None, _) => "a destination on hold".into(),
        };
        let who =
            if held == 0 { "on hold, though no key waits:".into() } else { format!("{} for", keys_wait(facts, held)) };
        parts.push(format!("{who} {what}"));
    }
    if no_route > 0 {
        parts.push(format!("{} for a route (their event type has none)", keys_wait(facts, no_route)));
    }
    if after_dead_letter > 0 {
        parts.push(format!("{} for you after a dead letter", keys_wait(facts, after_dead_letter)));
    }
    if bad_row > 0 {
        parts.push(format!("{} behind an event that the database cannot read or move", keys_wait(facts, bad_row)));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn dead_letters_too(facts: &OutboxFacts<'_>) -> String {
    match facts.dead_letters {
        0 => String::new(),
        letters => format!("; {}", count(letters, facts.count_max, "dead letter")),
    }
}

fn events(facts: &OutboxFacts<'_>) -> String {
    count(facts.pending, facts.count_max, "event")
}

fn events_wait(facts: &OutboxFacts<'_>) -> String {
    format!("{} {}", events(facts), if facts.pending == 1 { "waits" } else { "wait" })
}

fn keys_wait(facts: &OutboxFacts<'_>, keys: i64) -> String {
    format!("{} {}", count(keys, facts.count_max, "key"), if keys == 1 { "waits" } else { "wait" })
}

fn keys(facts: &OutboxFacts<'_>, keys: i64) -> String {
    format!("{} {}", count(keys, facts.count_max, "key"), if keys == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> OutboxFacts<'static> {
        OutboxFacts { count_max: 100_000, published_seconds: Some(2), ..OutboxFacts::default() }
    }

    fn line(facts: &OutboxFacts<'_>) -> String {
        condition(facts).line()
    }

    fn waiting(waiting: Waiting) -> OutboxFacts<'static> {
        OutboxFacts { pending: 51, waiting, ..well() }
    }

    #[test]
    fn nothing_to_do_is_ok() {
        assert_eq!(line(&well()), "OK: nothing waits; the last event was published 2s ago");
        let busy = OutboxFacts { pending: 12, oldest_seconds: 1, ..well() };
        assert_eq!(line(&busy), "OK: 12 events in flight or due; the last event was published 2s ago");
        assert_eq!(line(&OutboxFacts { published_seconds: None, ..well() }), "OK: nothing waits");
    }

    #[test]
    fn what_keeps_all_relays_from_publishing_comes_before_everything_else() {
        let lost = Obstacle::NoBroker { relays: 2, seconds: Some(11), error: Some("refused".into()) };
        let facts = OutboxFacts { pending: 300, obstacle: Some(&lost), dead_letters: 3, holds: 1, ..well() };
        let expected =
            "STUCK: 300 events wait; both relays lost the broker 11s ago (connection refused); 3 dead letters";
        assert_eq!(line(&facts), expected);
        let frozen = Obstacle::Silent(vec!["vm/9197".into()], 81);
        let facts = OutboxFacts { obstacle: Some(&frozen), ..well() };
        assert_eq!(line(&facts), "STUCK: relay vm/9197 has not moved for 1m 21s");
        let read_only = OutboxFacts { obstacle: Some(&Obstacle::ReadOnly), ..well() };
        assert_eq!(condition(&read_only).condition, Condition::Stuck);
    }

    #[test]
    fn without_a_relay_an_empty_outbox_is_idle_and_a_full_one_is_stuck() {
        let none = Obstacle::NoRelay(None);
        let facts = OutboxFacts { obstacle: Some(&none), ..well() };
        assert_eq!(line(&facts), "IDLE: no relay is connected");
        let facts = OutboxFacts { pending: 1, ..facts };
        assert_eq!(line(&facts), "STUCK: 1 event waits; no relay is connected");
    }

    #[test]
    fn locks_of_a_stranger_stop_what_is_pending() {
        let facts = OutboxFacts { stranger: Some("session 812 holds the locks of 64 lanes"), ..well() };
        assert_eq!(condition(&facts).condition, Condition::Ok, "nothing needs the locks");
        let facts = OutboxFacts { pending: 2, ..facts };
        assert_eq!(line(&facts), "STUCK: 2 events wait; session 812 holds the locks of 64 lanes");
    }

    #[test]
    fn what_waits_for_a_person_is_stuck_and_named() {
        let hold = Some(("exchange 'order.events'", "the exchange does not exist"));
        let held = OutboxFacts { hold, holds: 1, ..waiting(Waiting { held: 2, ..Waiting::default() }) };
        assert_eq!(line(&held), "STUCK: 2 keys wait for exchange 'order.events': the exchange does not exist");
        let many = OutboxFacts { holds: 3_000, ..held };
        assert!(
            line(&many).contains("2 keys wait for 3000 destinations on hold, the first exchange"),
            "{}",
            line(&many)
        );
        let unused = OutboxFacts { hold, holds: 1, ..well() };
        assert!(line(&unused).starts_with("STUCK: on hold, though no key waits: exchange"), "{}", line(&unused));
        let no_route = waiting(Waiting { no_route: 1, ..Waiting::default() });
        assert_eq!(line(&no_route), "STUCK: 1 key waits for a route (their event type has none)");
        let bad = waiting(Waiting { bad_row: 1, ..Waiting::default() });
        assert_eq!(line(&bad), "STUCK: 1 key waits behind an event that the database cannot read or move");
        let after = OutboxFacts { dead_letters: 1, ..waiting(Waiting { after_dead_letter: 1, ..Waiting::default() }) };
        assert_eq!(line(&after), "STUCK: 1 key waits for you after a dead letter; 1 dead letter");
    }

    #[test]
    fn late_is_behind_while_events_are_published_and_stuck_when_none_is() {
        let late = OutboxFacts { pending: 9_000, oldest_seconds: 95, ..well() };
        let expected = "BEHIND: 9000 events wait, the oldest for 1m 35s; the last one was published 2s ago";
        assert_eq!(line(&late), expected);
        let silent = OutboxFacts { published_seconds: Some(300), ..late.clone() };
        let expected = "STUCK: 9000 events wait, the oldest for 1m 35s; nothing was published for 5m 0s, and no reason is recorded";
        assert_eq!(line(&silent), expected);
        let soon = OutboxFacts { oldest_seconds: 40, published_seconds: Some(300), ..late };
        assert_eq!(line(&soon), "BEHIND: 9000 events wait, the oldest for 40s");
    }

    #[test]
    fn a_retry_is_behind_and_a_dead_letter_wants_attention() {
        let retried = waiting(Waiting { again: 1, ..Waiting::default() });
        assert_eq!(line(&retried), "BEHIND: 1 key is tried again soon; everything else leaves");
        let given_up = OutboxFacts { dead_letters: 2_000, ..well() };
        assert_eq!(line(&given_up), "ATTENTION: 2000 events were given up (dead letters); everything else leaves");
    }

    #[test]
    fn every_condition_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<&str> = Condition::ALL.into_iter().map(Condition::word).collect();
        assert_eq!(words.len(), Condition::ALL.len());
    }
}
