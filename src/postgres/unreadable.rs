//! Finds the events that the database cannot deliver, and has their keys wait.
//!
//! Called by the store once a claim has failed with an error that is about a row: bytes that are no text in the client's encoding, or a value
//! that is damaged where it is stored. One such row fails the statement that reads it, and with it everybody's events. What the claim read is
//! then read again in a transaction of its own, by halves, until each event that fails is alone. Nothing of this costs a claim that succeeds.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::outbox::limits::HEADERS_BYTES_MAX;
use crate::outbox::store::{Cause, ClaimLimits, StoreError};
use crate::postgres::batch::PgBatch;
use crate::postgres::call;
use crate::postgres::call::Param;
use crate::postgres::claim::Shares;
use crate::postgres::past;
use crate::postgres::rows;

/// The longest that one search takes; the next claim continues it.
const SEARCH_MAX: Duration = Duration::from_secs(4);
/// Bytes of the server's words that are kept.
const WORDS_BYTES_MAX: usize = 1_024;
/// Lines in the log for one search.
const LINES_MAX: usize = 10;

/// An event that cannot be read, and the server's words for it.
type Culprit = (Uuid, String);

/// How suspects are read: as the claim's first statement does, or their bodies alone.
#[derive(Debug, Clone, Copy)]
enum Way {
    Rows,
    Bodies,
}

struct Search<'a> {
    batch: &'a PgBatch,
    limits: &'a ClaimLimits,
    body_bytes: i64,
    until: Instant,
}

/// Looks for them among the events that a claim of these lanes reads, and parks their keys. The batch holds the lanes; the caller commits.
pub(super) async fn park_of_lanes(batch: &PgBatch, lanes: &[i16], limits: &ClaimLimits) -> Result<usize, StoreError> {
    let shares = Shares::new(limits, lanes.len());
    let search = Search::new(batch, limits, shares.body_bytes);
    let params: [Param<'_>; 3] =
        [(&lanes, Type::INT2_ARRAY), (&shares.rows_max, Type::INT8), (&shares.body_bytes, Type::INT8)];
    let mut found = search.among(&search.ids(&batch.queries.claim_events, &params).await?).await?;
    // Nothing among the first of each lane: then among those that a claim reaches past a key with many events.
    for lane in lanes {
        if !found.is_empty() || search.is_over() {
            break;
        }
        let (lanes, depths) = (vec![*lane], vec![i64::try_from(past::DEPTH_MAX).unwrap_or(i64::MAX)]);
        let params: [Param<'_>; 5] = [
            (&lanes, Type::INT2_ARRAY),
            (&depths, Type::INT8_ARRAY),
            (&shares.of_key, Type::INT8),
            (&shares.rows_max, Type::INT8),
            (&shares.body_bytes, Type::INT8),
        ];
        found = search.among(&search.ids(&batch.queries.claim_past, &params).await?).await?;
    }
    search.park(found).await
}

/// The same for a single event.
pub(super) async fn park_event(batch: &PgBatch, event: Uuid, limits: &ClaimLimits) -> Result<usize, StoreError> {
    let search =
        Search::new(batch, limits, i64::try_from(limits.payload_bytes + HEADERS_BYTES_MAX).unwrap_or(i64::MAX));
    let found = search.among(&[event]).await?;
    search.park(found).await
}

impl<'a> Search<'a> {
    fn new(batch: &'a PgBatch, limits: &'a ClaimLimits, body_bytes: i64) -> Self {
        Self { batch, limits, body_bytes, until: Instant::now() + SEARCH_MAX }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The events that a claim's statement would read.
    async fn ids(&self, claim: &str, params: &[Param<'_>]) -> Result<Vec<Uuid>, StoreError> {
        let sql = self.batch.queries.ids_of_claim.replace("(the_claim)", &format!("(\n{claim}\n)"));
        let rows = call::rows(self.batch.client(), "listing the events of a claim", &sql, params).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Those of the events that cannot be read: of their rows, or else of the bodies that a claim reads later.
    async fn among(&self, ids: &[Uuid]) -> Result<Vec<Culprit>, StoreError> {
        let mut unread = Vec::new();
        let found = self.halve(Way::Rows, ids, &mut unread).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let mut bytes = 0;
        let mut chunk = Vec::new();
        let mut chunks = Vec::new();
        for (id, size) in unread {
            if bytes + size > self.limits.bytes && !chunk.is_empty() {
                chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            chunk.push(id);
            bytes += size;
        }
        chunks.push(chunk);
        for chunk in chunks {
            let found = self.halve(Way::Bodies, &chunk, &mut Vec::new()).await?;
            if !found.is_empty() || self.is_over() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Reads the events, and again by halves what fails. Adds to `unread` those whose bodies were left out, with their sizes.
    async fn halve(&self, way: Way, ids: &[Uuid], unread: &mut Vec<(Uuid, usize)>) -> Result<Vec<Culprit>, StoreError> {
        let (mut found, mut parts) = (Vec::new(), vec![ids]);
        while let Some(part) = parts.pop() {
            if part.is_empty() || self.is_over() {
                continue;
            }
            let read = async {
                unread.extend(self.read(way, part).await?);
                Ok(())
            };
            match self.batch.in_savepoint(read).await? {
                Ok(()) => {}
                Err(StoreError::Failed { cause: Cause::Row, error, .. }) => match part {
                    [id] => found.push((*id, cut(error))),
                    part => {
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                },
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn read(&self, way: Way, ids: &[Uuid]) -> Result<Vec<(Uuid, usize)>, StoreError> {
        let (client, queries) = (self.batch.client(), &self.batch.queries);
        match way {
            Way::Rows => {
                let params: [Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&self.body_bytes, Type::INT8)];
                let found = call::rows(client, "reading an event alone", &queries.read_suspects, &params).await?;
                let mut unread = Vec::new();
                for row in &found {
                    let row = rows::claimed(row, self.limits.payload_bytes)?;
                    if row.unread {
                        unread.push((row.event.id, row.bytes));
                    }
                }
                Ok(unread)
            }
            Way::Bodies => {
                let headers_bytes = i32::try_from(HEADERS_BYTES_MAX).unwrap_or(i32::MAX);
                let params: [Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&headers_bytes, Type::INT4)];
                for row in call::rows(client, "reading a payload alone", &queries.claim_bodies, &params).await? {
                    rows::body(&row)?;
                }
                Ok(Vec::new())
            }
        }
    }

    /// Has their keys wait; of one key's events, the first.
    async fn park(&self, found: Vec<Culprit>) -> Result<usize, StoreError> {
        let mut parked = 0;
        for (event_id, error) in found {
            let mut is_parked = false;
            let put = async {
                let params: [Param<'_>; 2] = [(&event_id, Type::UUID), (&error, Type::TEXT)];
                let sql = &self.batch.queries.park_unreadable;
                is_parked = call::execute(self.batch.client(), "parking a key", sql, &params).await? > 0;
                Ok(())
            };
            match self.batch.in_savepoint(put).await? {
                Ok(()) if !is_parked => {}
                Ok(()) => {
                    parked += 1;
                    if parked <= LINES_MAX {
                        tracing::error!(%event_id, error, "the database cannot deliver this event; its key waits");
                    }
                }
                Err(refused) => {
                    tracing::error!(%event_id, error, %refused, "the database cannot deliver this event, nor let its key wait");
                }
            }
        }
        if parked > LINES_MAX {
            tracing::error!(
                keys = parked,
                "more events cannot be delivered; outbox-relay keys list --reason unreadable"
            );
        }
        Ok(parked)
    }
}

/// The server's words, cut at a character.
pub(super) fn cut(mut words: String) -> String {
    let end = (0..=WORDS_BYTES_MAX.min(words.len())).rev().find(|at| words.is_char_boundary(*at));
    words.truncate(end.unwrap_or(0));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_cut_at_a_character() {
        assert_eq!(cut("ü".repeat(600)).len(), 1_024);
        assert_eq!(cut("x".repeat(1_025)).len(), 1_024);
        assert_eq!(cut("short".to_owned()), "short");
    }
}
