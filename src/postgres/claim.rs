//! Reads the events of a claim's locked lanes, sorts them, and cuts them to the limits of a batch.
//!
//! Called by the store. Reads small rows completely, but the bodies of large rows only once it
//! knows which of them stay. So a claim never holds more than about twice its limit of bytes,
//! however large the rows are.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::outbox::event::Event;
use crate::outbox::hold::Holds;
use crate::outbox::limits::HEADERS_BYTES_MAX;
use crate::outbox::store::{ClaimLimits, StoreError};
use crate::postgres::batch::PgBatch;
use crate::postgres::call;
use crate::postgres::queries::Queries;
use crate::postgres::rows;
use crate::postgres::rows::ClaimedRow;
use crate::quick::QuickMap;

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
    lanes: &[i16],
    limits: &ClaimLimits,
) -> Result<Reading, StoreError> {
    let per_lane = limits.events.div_ceil(lanes.len().max(1)).max(1);
    let clamp = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    // This many due heads and this many pending events, so that the first read takes at most twice
    // the limit.
    let share = limits.bytes / (lanes.len() * per_lane).max(1);
    let (rows_max, body_bytes) = (clamp(per_lane), clamp(share.min(limits.payload_bytes)));
    let client = batch.client();
    let params: [call::Param<'_>; 3] = [(&lanes, Type::INT2_ARRAY), (&rows_max, Type::INT8), (&body_bytes, Type::INT8)];
    let (claimed, holds, ()) = tokio::try_join!(
        biased;
        call::rows(client, "claiming events", &queries.claim_events, &params),
        call::rows(client, "reading the holds", &queries.list_holds, &[]),
        call::batch(client, "resetting planner settings", &queries.plan_settle)
    )?;
    let mut of_lane: QuickMap<i16, usize> = QuickMap::default();
    let mut claimed: Vec<ClaimedRow> =
        claimed.into_iter().map(|row| rows::claimed(&row, limits.payload_bytes)).collect::<Result<_, _>>()?;
    let mut cut_short = false;
    for row in &claimed {
        let count = of_lane.entry(row.event.lane).or_default();
        *count += 1;
        cut_short |= *count >= per_lane;
    }
    cut_short |= cut(&mut claimed, limits);
    cut_short |= read_bodies(batch, queries, &mut claimed).await?;
    let events = claimed.into_iter().map(|row| row.event).collect();
    Ok(Reading { events, holds: Holds::new(holds.iter().filter_map(rows::hold).collect()), cut_short })
}

/// Sorts the rows by `seq` and drops what does not fit: the rest of a key after its limit, and
/// everything after the first row that is too much for the batch. The very first row always fits.
/// Returns whether the batch was full.
fn cut(rows: &mut Vec<ClaimedRow>, limits: &ClaimLimits) -> bool {
    rows.sort_unstable_by_key(|row| row.event.seq);
    let mut of_key: QuickMap<&str, usize> = QuickMap::default();
    let keeps: Vec<bool> = rows
        .iter()
        .map(|row| {
            let count = of_key.entry(row.event.key()).or_default();
            *count += 1;
            *count <= limits.events_of_key
        })
        .collect();
    let mut keeps = keeps.into_iter();
    rows.retain(|_| keeps.next().unwrap_or(false));
    let mut bytes = 0;
    let fitting = rows.iter().take(limits.events).enumerate().take_while(|(position, row)| {
        bytes += row.bytes;
        bytes <= limits.bytes || *position == 0
    });
    let fitting = fitting.count();
    let is_full = fitting < rows.len();
    rows.truncate(fitting);
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
