//! Looks for sessions that are no relay's and hold the locks of a relay: nothing of their lanes is published, and nothing else says why.
//! Called by `stats`, in the transaction of the gauges.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;

use super::Upkeep;
use crate::outbox::store::StoreError;
use crate::postgres::batch::PgBatch;
use crate::postgres::call;

/// Whoever tries a lock by hand lets it go by then.
const SUSPECT_AFTER: Duration = Duration::from_secs(30);

/// Who was seen, and since when.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<Vec<Stranger>>);

#[derive(Debug)]
struct Stranger {
    pid: Option<i32>,
    what: String,
    since: Instant,
    said: bool,
}

/// Says once who holds a relay's locks for long.
pub(super) async fn look(upkeep: &Upkeep, batch: &PgBatch) -> Result<(), StoreError> {
    let sql = &upkeep.store.queries().lock_strangers;
    let rows = call::rows(batch.client(), "looking for strangers' locks", sql, &[]).await?;
    let mut seen = upkeep.strangers.0.lock().unwrap_or_else(PoisonError::into_inner);
    let before = std::mem::take(&mut *seen);
    for row in &rows {
        let (pid, what): (Option<i32>, String) = (row.get("pid"), row.get("what"));
        let known = before.iter().find(|stranger| stranger.pid == pid && stranger.what == what);
        let (since, said) = known.map_or((Instant::now(), false), |known| (known.since, known.said));
        let is_long = since.elapsed() >= SUSPECT_AFTER;
        if is_long && !said {
            warn(row, since.elapsed());
        }
        seen.push(Stranger { pid, what, since, said: said || is_long });
    }
    Ok(())
}

fn warn(row: &Row, seen_for: Duration) {
    let (pid, locks): (Option<i32>, i64) = (row.get("pid"), row.get("locks"));
    let (what, role, application_name): (&str, Option<&str>, Option<&str>) =
        (row.get("what"), row.get("role"), row.get("application_name"));
    let seen_seconds = seen_for.as_secs();
    tracing::warn!(
        pid,
        role,
        application_name,
        locks,
        seen_seconds,
        "a session that is no relay's holds the relays' locks of {what}: what needs them waits until it ends"
    );
}
