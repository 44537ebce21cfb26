//! Which rows a command acts on: the selection as an operator gave it and as `outbox.replays`
//! stores it, and how to look it up.
//!
//! Used by `replay`, `dlq replay` and `dlq discard`. Looks up the rows once. Each chunk checks its
//! rows again under the lanes' locks, so that rows that changed in the meantime are skipped.

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::print::clean;
use crate::commands::session::Session;
use crate::config::selection::Selection;
use crate::error::AppError;
use crate::postgres::call::Param;

/// The most rows of a single run, because their ids are kept in memory.
const MATCHED_MAX: usize = 500_000;
/// The most ids that an error names.
const NAMED_MAX: usize = 10;

/// The rows of a selection, in the order in which they are changed.
#[derive(Debug)]
pub struct Matched<Id> {
    /// Each with its lane.
    pub rows: Vec<(Id, i16)>,
    /// When they were selected, by the database's clock.
    pub looked_at: String,
}

impl Selection {
    fn ids_param(&self) -> Option<&[String]> {
        (!self.ids.is_empty()).then_some(&self.ids)
    }

    fn dead_letters_param(&self) -> Option<&[i64]> {
        (!self.dead_letter_ids.is_empty()).then_some(&self.dead_letter_ids)
    }

    fn limit_param(&self) -> i64 {
        i64::try_from(self.limit.unwrap_or(usize::MAX).min(MATCHED_MAX + 1)).unwrap_or(i64::MAX)
    }

    /// The published events that match; for a resumed run, those that are left.
    pub async fn published(&self, session: &Session, run: Option<(Uuid, &str)>) -> Result<Matched<Uuid>, AppError> {
        let (ids, limit) = (self.ids_param(), self.limit_param());
        let (run_id, started_at) = (run.map(|(id, _)| id.to_string()), run.map(|(_, at)| at));
        let params: [Param<'_>; 8] = [
            (&ids, Type::TEXT_ARRAY),
            (&self.aggregate_id, Type::TEXT),
            (&self.event_type, Type::TEXT),
            (&self.since, Type::TEXT),
            (&self.until, Type::TEXT),
            (&started_at, Type::TEXT),
            (&run_id, Type::TEXT),
            (&limit, Type::INT8),
        ];
        let rows = session.select("looking for published events", &session.queries.select_published, &params).await?;
        matched(&rows)
    }

    /// The unresolved dead letters that match; for a resumed run, those that existed when it
    /// started.
    pub async fn dead_letters(&self, session: &Session, started_at: Option<&str>) -> Result<Matched<i64>, AppError> {
        let (ids, letters, limit) = (self.ids_param(), self.dead_letters_param(), self.limit_param());
        let params: [Param<'_>; 10] = [
            (&ids, Type::TEXT_ARRAY),
            (&letters, Type::INT8_ARRAY),
            (&self.aggregate_id, Type::TEXT),
            (&self.event_type, Type::TEXT),
            (&self.route, Type::TEXT),
            (&self.reason, Type::TEXT),
            (&self.since, Type::TEXT),
            (&self.until, Type::TEXT),
            (&limit, Type::INT8),
            (&started_at, Type::TEXT),
        ];
        let rows = session.select("looking for dead letters", &session.queries.select_dead_letters, &params).await?;
        matched(&rows)
    }

    /// Refuses ids that are not published events, and says what they are.
    pub async fn check_published_ids(&self, session: &Session) -> Result<(), AppError> {
        let params: [Param<'_>; 1] = [(&self.ids, Type::TEXT_ARRAY)];
        let rows = session.select("looking for events", &session.queries.event_states, &params).await?;
        let wrong = rows.iter().filter(|row| !row.get::<_, bool>("is_published")).map(|row| {
            let id: String = row.get("id");
            let what = match (row.get::<_, bool>("is_there"), row.get::<_, Option<i64>>("dead_letter")) {
                (true, _) => "is pending: it will be sent anyway".into(),
                (false, Some(letter)) => format!("is a dead letter: outbox-relay dlq replay --id {letter}"),
                (false, None) => "does not exist: never committed here, purged, or in another schema".into(),
            };
            format!("{id} {what}")
        });
        refuse(wrong.collect())
    }

    /// Refuses ids that are not unresolved dead letters, and says what happened to them.
    pub async fn check_dead_letter_ids(&self, session: &Session) -> Result<(), AppError> {
        let (ids, letters) = (self.ids_param(), self.dead_letters_param());
        let params: [Param<'_>; 2] = [(&ids, Type::TEXT_ARRAY), (&letters, Type::INT8_ARRAY)];
        let rows = session.select("looking for dead letters", &session.queries.find_dead_letters, &params).await?;
        let resolved = |row: &Row| row.get::<_, Option<String>>("resolution").unwrap_or_else(|| "resolved".into());
        let wrong = rows.iter().filter_map(|row| {
            let (id, letter): (String, Option<i64>) = (row.get("id"), row.get("dead_letter_id"));
            let processed_at: Option<String> = row.get("processed_at");
            match (letter, processed_at) {
                (None, _) => Some(format!("{id} is not a dead letter")),
                (Some(_), Some(at)) => {
                    let by: Option<String> = row.get("resolved_by");
                    let by = by.map(|by| format!(" by {}", clean(&by))).unwrap_or_default();
                    Some(format!("{id} was {} at {at}{by}", resolved(row)))
                }
                (Some(_), None) => None,
            }
        });
        refuse(wrong.collect())
    }
}

fn matched<Id>(rows: &[Row]) -> Result<Matched<Id>, AppError>
where
    Vec<Id>: tokio_postgres::types::FromSqlOwned,
{
    let row = rows.first().ok_or_else(|| AppError::Bug("an aggregate without a row".into()))?;
    let (ids, lanes): (Vec<Id>, Vec<i16>) = (row.get("ids"), row.get("lanes"));
    if ids.len() > MATCHED_MAX {
        return Err(AppError::No(format!(
            "more than {MATCHED_MAX} match; select fewer with --since and --until, or a part with --limit. Nothing was changed"
        )));
    }
    Ok(Matched { rows: ids.into_iter().zip(lanes).collect(), looked_at: row.get("looked_at") })
}

fn refuse(wrong: Vec<String>) -> Result<(), AppError> {
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(NAMED_MAX);
    let mut text = wrong.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join("\n");
    if more > 0 {
        text.push_str(&format!("\nand {more} more"));
    }
    Err(AppError::No(text + "\nnothing was changed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_reads_back_from_the_audit_as_it_was() {
        let selection = Selection {
            event_type: Some("order.paid".into()),
            since: Some("2026-11-21T10:00:00.000000Z".into()),
            limit: Some(7),
            ..Selection::default()
        };
        let text = serde_json::to_string(&selection).expect("plain data");
        assert_eq!(text, r#"{"event_type":"order.paid","since":"2026-11-21T10:00:00.000000Z","limit":7}"#);
        assert_eq!(serde_json::from_str::<Selection>(&text).expect("reads back"), selection);
    }

    #[test]
    fn a_limit_alone_narrows_nothing() {
        assert!(Selection { limit: Some(3), all_routes: true, ..Selection::default() }.is_everything());
        assert!(!Selection { reason: Some("UNROUTABLE".into()), ..Selection::default() }.is_everything());
    }
}
