//! How many channels a connection may have, and who has to go without.
//!
//! The limit is what the connection negotiated (`channel_max`), or less where the broker ended a connection over one channel more (a user's
//! `max-channels`, which it does not tell beforehand). The first worker and the probe always have theirs; the other workers share what is
//! left. Called by the supervisor; one per process. Pure: no clock, no broker.

/// Kept for the first worker and for the probe.
const RESERVED: usize = 2;
/// Refusals in a row that may have been channels of the connection before, which the broker forgets a moment later.
const LAGGING_MAX: u32 = 2;

/// The channels of the present connection.
#[derive(Debug, Default)]
pub(super) struct Slots {
    generation: u64,
    negotiated: Option<usize>,
    /// What a refusal has shown, kept over connections.
    learned: Option<usize>,
    /// Refusals since a connection was without one.
    refusals: u32,
    open: usize,
    helpers: usize,
    opening: usize,
    /// The limit that the log has been told of.
    said: Option<usize>,
}

/// Whether a channel may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// It may.
    Granted,
    /// It may not: the limit, and whether the log does not know of it yet.
    Refused { limit: usize, is_news: bool },
}

impl Slots {
    /// A new connection, which negotiated so many channels (0: no limit).
    pub(super) fn connected(&mut self, generation: u64, channel_max: u16) {
        let negotiated = (channel_max > 0).then_some(usize::from(channel_max));
        let Self { learned, refusals, said, .. } = *self;
        *self = Self { generation, negotiated, learned, refusals, said, ..Self::default() };
    }

    /// The connection lasted for long: the limit may have been raised since it was learned.
    pub(super) fn lasted(&mut self) {
        (self.learned, self.refusals) = (None, 0);
    }

    /// Asks for a channel; a grant is followed by `opened` or `failed`.
    pub(super) fn ask(&mut self, is_helper: bool) -> Grant {
        let limit = self.negotiated.unwrap_or(usize::MAX).min(self.learned.unwrap_or(usize::MAX));
        let is_refused = if is_helper {
            self.helpers >= limit.saturating_sub(RESERVED)
        } else {
            // Where there is one channel, it is the first worker's.
            limit < RESERVED && self.open + self.opening >= limit
        };
        if is_refused {
            let is_news = self.said.replace(limit) != Some(limit);
            return Grant::Refused { limit, is_news };
        }
        self.opening += 1;
        self.helpers += usize::from(is_helper);
        Grant::Granted
    }

    /// The broker gave it.
    pub(super) fn opened(&mut self, generation: u64) {
        if self.generation == generation {
            self.opening = self.opening.saturating_sub(1);
            self.open += 1;
        }
    }

    /// The broker did not give it.
    pub(super) fn failed(&mut self, generation: u64, is_helper: bool) {
        if self.generation == generation {
            self.opening = self.opening.saturating_sub(1);
            self.helpers = self.helpers.saturating_sub(usize::from(is_helper));
        }
    }

    /// It is closed.
    pub(super) fn closed(&mut self, generation: u64, is_helper: bool) {
        if self.generation == generation {
            self.open = self.open.saturating_sub(1);
            self.helpers = self.helpers.saturating_sub(usize::from(is_helper));
        }
    }

    /// The broker ended the connection because something was not allowed. While a channel was being opened, that was one too many.
    pub(super) fn refused(&mut self) {
        if self.opening == 0 || self.open == 0 {
            return;
        }
        self.refusals += 1;
        let is_lower = self.learned.is_none_or(|learned| self.open < learned);
        if is_lower && (self.learned.is_none() || self.refusals > LAGGING_MAX + 1) {
            self.learned = Some(self.open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(channel_max: u16) -> Slots {
        let mut slots = Slots::default();
        slots.connected(1, channel_max);
        slots
    }

    fn open(slots: &mut Slots, is_helper: bool) -> bool {
        let is_granted = slots.ask(is_helper) == Grant::Granted;
        if is_granted {
            slots.opened(1);
        }
        is_granted
    }

    #[test]
    fn the_first_worker_and_the_probe_have_their_channels_and_the_others_share_the_rest() {
        let mut slots = connected(3);
        let helpers: Vec<bool> = (0..3).map(|_| open(&mut slots, true)).collect();
        assert_eq!(helpers, [true, false, false]);
        assert!(open(&mut slots, false) && open(&mut slots, false));
        slots.closed(1, true);
        assert!(open(&mut slots, true), "a place that is free again");
    }

    #[test]
    fn without_a_limit_nobody_goes_without() {
        let mut slots = connected(0);
        assert!((0..40).all(|_| open(&mut slots, true)));
    }

    #[test]
    fn a_single_channel_is_the_first_workers() {
        let mut slots = connected(1);
        assert!(!open(&mut slots, true) && open(&mut slots, false));
        assert!(!open(&mut slots, false), "the probe has none");
    }

    #[test]
    fn a_refusal_is_said_once_as_long_as_the_limit_is_the_same() {
        let mut slots = connected(2);
        assert_eq!(slots.ask(true), Grant::Refused { limit: 2, is_news: true });
        assert_eq!(slots.ask(true), Grant::Refused { limit: 2, is_news: false });
        slots.connected(2, 2);
        assert_eq!(slots.ask(true), Grant::Refused { limit: 2, is_news: false });
        slots.connected(3, 1);
        assert_eq!(slots.ask(true), Grant::Refused { limit: 1, is_news: true });
    }

    #[test]
    fn a_limit_that_the_broker_does_not_tell_is_learned_from_the_channel_too_many() {
        let mut slots = connected(2_047);
        assert!(open(&mut slots, false) && open(&mut slots, true) && open(&mut slots, true));
        assert_eq!(slots.ask(true), Grant::Granted);
        slots.refused();
        slots.connected(2, 2_047);
        assert_eq!((slots.ask(true), slots.ask(true)), (Grant::Granted, Grant::Refused { limit: 3, is_news: true }));
        slots.lasted();
        slots.connected(3, 2_047);
        assert!((0..9).all(|_| slots.ask(true) == Grant::Granted), "it may have been raised");
    }

    #[test]
    fn channels_of_the_connection_before_that_still_count_do_not_lower_the_limit_at_once() {
        let mut slots = connected(0);
        assert!(open(&mut slots, false) && open(&mut slots, true) && open(&mut slots, true));
        assert_eq!(slots.ask(true), Grant::Granted);
        slots.refused();
        for generation in 2..4 {
            slots.connected(generation, 0);
            assert_eq!(slots.ask(false), Grant::Granted);
            slots.opened(generation);
            assert_eq!(slots.ask(true), Grant::Granted);
            slots.refused();
            assert_eq!(slots.learned, Some(3));
        }
        slots.connected(4, 0);
        assert_eq!(slots.ask(false), Grant::Granted);
        slots.opened(4);
        assert_eq!(slots.ask(true), Grant::Granted);
        slots.refused();
        assert_eq!(slots.learned, Some(1), "it was lowered after all");
    }

    #[test]
    fn what_else_is_not_allowed_says_nothing_of_channels() {
        let mut slots = connected(0);
        assert!(open(&mut slots, false));
        slots.refused();
        assert_eq!(slots.learned, None);
    }
}
