//! Dead letters counted by reason, type and route: the end of `dlq list`, and all of `dlq list --group`.

use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;

use crate::commands::print::words::{count, distance};
use crate::commands::print::{Column, table};

/// Where counting stops.
pub(super) const COUNT_MAX: i64 = 100_000;

/// Dead letters that have these in common.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Group {
    failure_reason: String,
    event_type: String,
    routes_failed: Vec<String>,
    dead_letters: i64,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    oldest_at: OffsetDateTime,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    newest_at: OffsetDateTime,
}

impl Group {
    /// A row of `group_dead_letters.sql`.
    pub(super) fn read(row: &Row) -> Self {
        Self {
            failure_reason: row.get("failure_reason"),
            event_type: row.get("event_type"),
            routes_failed: row.get("routes_failed"),
            dead_letters: row.get("dead_letters"),
            oldest_at: row.get("oldest_at"),
            newest_at: row.get("newest_at"),
        }
    }
}

/// How many dead letters the groups have.
pub(super) fn total(groups: &[Group]) -> i64 {
    groups.iter().map(|group| group.dead_letters).sum()
}

/// The groups as a table, with the total.
pub(super) fn text(groups: &[Group], now: OffsetDateTime) -> String {
    let cells = |group: &Group| {
        [
            group.dead_letters.to_string(),
            group.failure_reason.clone(),
            group.event_type.clone(),
            routes(&group.routes_failed),
            distance(group.oldest_at, now),
            distance(group.newest_at, now),
        ]
    };
    let columns = [
        Column::Whole("COUNT"),
        Column::Whole("REASON"),
        Column::Cut("TYPE"),
        Column::Cut("ROUTE"),
        Column::Whole("OLDEST"),
        Column::Whole("NEWEST"),
    ];
    let in_all = count(total(groups), COUNT_MAX, "dead letter");
    format!("{in_all} in {}\n\n{}", counted(groups.len()), table(columns, groups.iter().map(cells)))
}

fn counted(groups: usize) -> String {
    crate::commands::print::words::counted(groups, "group")
}

/// The routes that failed, as a cell.
pub(super) fn routes(names: &[String]) -> String {
    if names.is_empty() { "-".into() } else { names.join(",") }
}
