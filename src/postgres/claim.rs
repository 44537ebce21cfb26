//! Reads the events of a claim's locked lanes, sorts them, and cuts them to the limits of a batch.
//!
//! Called by the store. Reads small rows completely, but the bodies of large rows only once it
//! knows which of them stay. So a claim never holds more than about twice its limit of bytes,
//! however large the rows are.

use std::collections::HashMap;

use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::outbox::event::Event;
use crate::outbox::hold::Holds;
use crate::outbox::limits::HEADERS_BYTES_MAX;
use crate::outbox::store::{ClaimLimits, StoreError};
use crate::postgres::batch::PgBatch;
use crate::postgres::call;
use crate::postgres::past::{Found, Past, TURN};
use crate::postgres::queries::Queries;
use crate::postgres::rows;
use crate::postgres::rows::ClaimedRow;
use crate::quick::{QuickMap, QuickSet};

/// What was read from the locked lanes.
pub(super) struct Reading {
    /// In `seq` order, within the limits.
    pub events: Vec<Event>,
    /// The holds in force.
    pub holds: Holds,
    /// Whether a limit left some events behind.
    pub cut_short: bool,
}

/// Reads the lanes that `batch` has locked.
pub(super) async fn read(
    batch: &PgBatch,
    queries: &Queries,
    past: &Past,
    lanes: &[i16],
    limits: &ClaimLimits,
) -> Result<Reading, StoreError> {
    let Shares { per_lane, rows_max, body_bytes, .. } = Shares::new(limits, lanes.len());
    let client = batch.client();
    let params: [call::Param<'_>; 3] = [(&lanes, Type::INT2_ARRAY), (&rows_max, Type::INT8), (&body_bytes, Type::INT8)];
    let (claimed, holds, ()) = tokio::try_join!(
        biased;
        call::rows(client, "claiming events", &queries.claim_events, &params),
        call::rows(client, "reading the holds", &queries.list_holds, &[]),
        call::batch(client, "resetting planner settings", &queries.plan_settle)
    )?;
    let claimed: Result<Vec<ClaimedRow>, StoreError> =
        claimed.into_iter().map(|row| rows::claimed(&row, limits.payload_bytes)).collect();
    let mut claimed = claimed?;
    let counts = Counts::of(&claimed);
    let mut cut_short = counts.is_any_full(per_lane);
    let crowded = counts.crowded(per_lane, limits.events_of_key);
    look_past(batch, queries, &Share { past, lanes, crowded: &crowded, per_lane, body_bytes }, limits, &mut claimed)
        .await?;
    cut_short |= cut(&mut claimed, limits);
    cut_short |= read_bodies(batch, queries, &mut claimed).await?;
    let events = claimed.into_iter().map(|row| row.event).collect();
    Ok(Reading { events, holds: Holds::new(holds.iter().filter_map(rows::hold).collect()), cut_short })
}

/// What of a claim's limits each of its lanes has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    per_lane: usize,
    /// This many due heads and this many pending events, so that the first read takes at most twice the limit.
    pub(super) rows_max: i64,
    /// Bytes of payload and headers up to which a row's are read at once.
    pub(super) body_bytes: i64,
    /// Events of a key.
    pub(super) of_key: i64,
}

impl Shares {
    pub(super) fn new(limits: &ClaimLimits, lanes: usize) -> Self {
        let per_lane = limits.events.div_ceil(lanes.max(1)).max(1);
        let share = limits.bytes / (lanes * per_lane).max(1);
        let clamp = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let (rows_max, body_bytes) = (clamp(per_lane), clamp(share.min(limits.payload_bytes)));
        Self { per_lane, rows_max, body_bytes, of_key: clamp(limits.events_of_key) }
    }
}

/// How many rows were read of each lane, of both kinds and of a single key.
#[derive(Default)]
struct Counts {
    due: QuickMap<i16, usize>,
    pending: QuickMap<i16, usize>,
    /// The most of a single key.
    of_key: QuickMap<i16, usize>,
}

impl Counts {
    fn of(rows: &[ClaimedRow]) -> Self {
        let (mut counts, mut of_key) = (Self::default(), QuickMap::<&str, usize>::default());
        for row in rows {
            let lane = row.event.lane;
            if row.event.waited.is_some() {
                *counts.due.entry(lane).or_default() += 1;
                continue;
            }
            *counts.pending.entry(lane).or_default() += 1;
            let count = of_key.entry(row.event.key()).or_default();
            *count += 1;
            let most = counts.of_key.entry(lane).or_default();
            *most = (*most).max(*count);
        }
        counts
    }

    /// Whether the statement's limit may have left something behind.
    fn is_any_full(&self, per_lane: usize) -> bool {
        self.due.values().chain(self.pending.values()).any(|count| *count >= per_lane)
    }

    /// The lanes whose rows, as far as they were read, may all belong to few keys, with others behind them.
    fn crowded(&self, per_lane: usize, events_of_key: usize) -> Vec<i16> {
        // Where a lane's share is a single turn, no other key would find a place in it.
        if per_lane <= TURN {
            return Vec::new();
        }
        let many = per_lane.div_ceil(2).min(events_of_key);
        let is_full = |lane: &i16| self.pending.get(lane).is_some_and(|count| *count >= per_lane);
        let mut crowded: Vec<i16> =
            self.of_key.iter().filter(|(lane, most)| **most >= many && is_full(lane)).map(|(lane, _)| *lane).collect();
        crowded.sort_unstable();
        crowded
    }
}

/// What a look past the first keys needs to know of the claim.
struct Share<'a> {
    past: &'a Past,
    lanes: &'a [i16],
    crowded: &'a [i16],
    per_lane: usize,
    body_bytes: i64,
}

/// In lanes whose oldest events are of few keys: reads the oldest events of each key instead.
async fn look_past(
    batch: &PgBatch,
    queries: &Queries,
    share: &Share<'_>,
    limits: &ClaimLimits,
    claimed: &mut Vec<ClaimedRow>,
) -> Result<(), StoreError> {
    let looks = share.past.due(share.lanes, share.crowded);
    if looks.is_empty() {
        return Ok(());
    }
    let clamp = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let (lanes, depths): (Vec<i16>, Vec<i64>) = looks.iter().map(|(lane, depth)| (*lane, clamp(*depth))).unzip();
    let (of_key, rows_max) = (clamp(limits.events_of_key), clamp(share.per_lane));
    let params: [call::Param<'_>; 5] = [
        (&lanes, Type::INT2_ARRAY),
        (&depths, Type::INT8_ARRAY),
        (&of_key, Type::INT8),
        (&rows_max, Type::INT8),
        (&share.body_bytes, Type::INT8),
    ];
    let started = Instant::now();
    let ((), found, ()) = tokio::try_join!(
        biased;
        call::batch(batch.client(), "planning as for a claim", &queries.plan_claim),
        call::rows(batch.client(), "claiming events of other keys", &queries.claim_past, &params),
        call::batch(batch.client(), "resetting planner settings", &queries.plan_settle)
    )?;
    claimed.retain(|row| row.event.waited.is_some() || !lanes.contains(&row.event.lane));
    let mut of_lane: QuickMap<i16, (Found, QuickSet<String>)> = QuickMap::default();
    for row in &found {
        let visited: i64 = row.get("visited");
        let row = rows::claimed(row, limits.payload_bytes)?;
        let (lane, keys) = of_lane.entry(row.event.lane).or_default();
        lane.visited = usize::try_from(visited).unwrap_or(0);
        keys.insert(row.event.key().to_owned());
        claimed.push(row);
    }
    let found = of_lane.into_iter().map(|(lane, (found, keys))| (lane, Found { keys: keys.len(), ..found })).collect();
    share.past.looked(&looks, &found, share.per_lane, started.elapsed());
    Ok(())
}

/// Puts the rows in `seq` order and drops what does not fit: of a key all after so many, of the due heads what is more than half of the
/// batch and would take the place of pending events, and all after the first that is too much for the batch; of pending events a few of
/// each key have their place before the next few of any. The first of each kind fits whatever its size. Says whether the batch was full.
fn cut(rows: &mut Vec<ClaimedRow>, limits: &ClaimLimits) -> bool {
    rows.sort_unstable_by_key(|row| row.event.seq);
    let (mut due, mut pending) = (Vec::new(), Vec::new());
    let mut of_key: QuickMap<&str, usize> = QuickMap::default();
    for (position, row) in rows.iter().enumerate() {
        let place = of_key.entry(row.event.key()).or_default();
        if *place < limits.events_of_key {
            let kind = if row.event.waited.is_some() { &mut due } else { &mut pending };
            kind.push((*place / TURN, position));
        }
        *place += 1;
    }
    pending.sort_unstable();
    let bytes_of = |of: &[(usize, usize)]| of.iter().map(|(_, position)| rows[*position].bytes).sum::<usize>();
    let fitting = |of: &[(usize, usize)], events: usize, bytes_max: usize| {
        let mut bytes = 0;
        let fits = |(count, (_, position)): &(usize, &(usize, usize))| {
            bytes += rows[*position].bytes;
            *count < events && (bytes <= bytes_max || *count == 0)
        };
        of.iter().enumerate().take_while(fits).count()
    };
    let found = due.len() + pending.len();
    let events_due = limits.events.saturating_sub(pending.len()).max(limits.events / 2);
    let bytes_due = limits.bytes.saturating_sub(bytes_of(&pending)).max(limits.bytes / 2);
    due.truncate(fitting(&due, events_due, bytes_due));
    let bytes_left = limits.bytes.saturating_sub(bytes_of(&due));
    pending.truncate(fitting(&pending, limits.events.saturating_sub(due.len()), bytes_left));
    let mut kept = vec![false; rows.len()];
    for (_, position) in due.iter().chain(&pending) {
        kept[*position] = true;
    }
    let is_full = due.len() + pending.len() < found;
    let mut kept = kept.into_iter();
    rows.retain(|_| kept.next().unwrap_or(false));
    is_full
}

/// Reads the bodies that were too large for the claim. A row that was deleted in the meantime ends
/// the batch before it.
async fn read_bodies(batch: &PgBatch, queries: &Queries, claimed: &mut Vec<ClaimedRow>) -> Result<bool, StoreError> {
    let ids: Vec<Uuid> = claimed.iter().filter(|row| row.unread).map(|row| row.event.id).collect();
    if ids.is_empty() {
        return Ok(false);
    }
    let client = batch.client();
    let headers_bytes = i32::try_from(HEADERS_BYTES_MAX).unwrap_or(i32::MAX);
    let params: [call::Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&headers_bytes, Type::INT4)];
    let (bodies, ()) = tokio::try_join!(
        call::rows(client, "reading large payloads", &queries.claim_bodies, &params),
        call::batch(client, "resetting planner settings", &queries.plan_settle)
    )?;
    let mut bodies: HashMap<Uuid, Row> = bodies.into_iter().map(|row| (row.get(0), row)).collect();
    for position in 0..claimed.len() {
        let row = &mut claimed[position];
        if !row.unread {
            continue;
        }
        let Some(body) = bodies.remove(&row.event.id) else {
            claimed.truncate(position);
            return Ok(true);
        };
        row.take_body(&body)?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::event::{WaitReason, Waited};
    use crate::outbox::fixtures;

    const LIMITS: ClaimLimits =
        ClaimLimits { lanes: 16, events: 4, bytes: 100, events_of_key: 2, payload_bytes: 1_000 };

    fn rows(of: &[(&str, i64, usize)]) -> Vec<ClaimedRow> {
        of.iter().map(|(key, seq, bytes)| ClaimedRow::sized(fixtures::event(key, *seq), *bytes)).collect()
    }

    fn after_cut(of: &[(&str, i64, usize)]) -> (Vec<i64>, bool) {
        let mut rows = rows(of);
        let is_full = cut(&mut rows, &LIMITS);
        (rows.iter().map(|row| row.event.seq).collect(), is_full)
    }

    #[test]
    fn a_batch_is_in_seq_order_and_ends_at_its_number_of_events() {
        let (seqs, is_full) = after_cut(&[("e", 5, 1), ("a", 1, 1), ("d", 4, 1), ("b", 2, 1), ("c", 3, 1)]);
        assert_eq!((seqs, is_full), (vec![1, 2, 3, 4], true));
    }

    #[test]
    fn a_key_ends_after_so_many_and_leaves_room_for_others() {
        let (seqs, is_full) = after_cut(&[("a", 1, 1), ("a", 2, 1), ("a", 3, 1), ("a", 4, 1), ("b", 5, 1)]);
        assert_eq!((seqs, is_full), (vec![1, 2, 5], false));
    }

    fn due(mut row: ClaimedRow) -> ClaimedRow {
        let waited = Waited { reason: WaitReason::Held, attempts: 0, routes_confirmed: Vec::new() };
        row.event.waited = Some(waited);
        row
    }

    #[test]
    fn due_waits_take_no_more_than_half_of_a_batch_that_others_would_fill() {
        let mut mixed: Vec<ClaimedRow> =
            rows(&[("a", 1, 1), ("b", 2, 1), ("c", 3, 1), ("d", 4, 1)]).into_iter().map(due).collect();
        mixed.extend(rows(&[("e", 5, 1), ("f", 6, 1), ("g", 7, 1)]));
        assert!(cut(&mut mixed, &LIMITS));
        assert_eq!(mixed.iter().map(|row| row.event.seq).collect::<Vec<_>>(), [1, 2, 5, 6]);
        let mut few: Vec<ClaimedRow> = rows(&[("a", 1, 1), ("b", 2, 1), ("c", 3, 1)]).into_iter().map(due).collect();
        few.extend(rows(&[("e", 5, 1)]));
        assert!(!cut(&mut few, &LIMITS));
        assert_eq!(few.len(), 4, "what the others leave");
    }

    #[test]
    fn large_due_waits_leave_half_of_the_bytes() {
        let mut mixed: Vec<ClaimedRow> = rows(&[("a", 1, 40), ("b", 2, 40)]).into_iter().map(due).collect();
        mixed.extend(rows(&[("e", 5, 30), ("f", 6, 30)]));
        assert!(cut(&mut mixed, &LIMITS));
        assert_eq!(mixed.iter().map(|row| row.event.seq).collect::<Vec<_>>(), [1, 5, 6]);
    }

    #[test]
    fn a_key_with_many_events_leaves_the_batch_to_those_that_come_after() {
        let many = ClaimLimits { events: 6, events_of_key: 32, ..LIMITS };
        let mut mixed = rows(&(1..=20).map(|seq| ("hot", seq, 1)).collect::<Vec<_>>());
        mixed.extend(rows(&[("a", 21, 1), ("b", 22, 1)]));
        assert!(cut(&mut mixed, &many));
        assert_eq!(mixed.iter().map(|row| row.event.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 21, 22]);
    }

    #[test]
    fn a_lane_is_crowded_where_all_that_was_read_may_be_of_few_keys() {
        let crowded = |of: &[(&str, i64, usize)]| Counts::of(&rows(of)).crowded(6, 32);
        assert_eq!(crowded(&[("a", 1, 1), ("a", 2, 1), ("b", 3, 1), ("a", 4, 1), ("c", 5, 1), ("d", 6, 1)]), [0]);
        assert_eq!(
            crowded(&[("a", 1, 1), ("b", 2, 1), ("c", 3, 1), ("a", 4, 1), ("d", 5, 1), ("e", 6, 1)]),
            [0_i16; 0]
        );
        assert_eq!(crowded(&[("a", 1, 1), ("a", 2, 1), ("a", 3, 1)]), [0_i16; 0], "there is nothing behind them");
    }

    #[test]
    fn a_batch_ends_before_the_first_event_that_does_not_fit_even_if_a_later_one_would() {
        let (seqs, is_full) = after_cut(&[("a", 1, 60), ("b", 2, 41), ("c", 3, 1)]);
        assert_eq!((seqs, is_full), (vec![1], true));
    }

    #[test]
    fn a_single_event_over_the_limit_goes_alone() {
        let (seqs, is_full) = after_cut(&[("a", 1, 500), ("b", 2, 1)]);
        assert_eq!((seqs, is_full), (vec![1], true));
    }
}
