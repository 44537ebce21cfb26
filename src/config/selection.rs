//! The configuration of commands that change many rows: selections, times, rate, consent and audit.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, PrimitiveDateTime};
use uuid::Uuid;

use crate::cli::selection::{AuditArgs, ConsentArgs, ExecutionArgs, SelectionArgs};
use crate::config::problems::Problems;

/// Longest text of an operator, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;
const IDS_MAX: usize = 10_000;
/// Upper limit for counts of rows, and for rows per second.
const COUNT_MAX: usize = 100_000_000;

/// Filters that a row must match. An empty selection matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Events, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Dead letters, by their own ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dead_letter_ids: Vec<i64>,
    /// Of this aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregate_id: Option<String>,
    /// Of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Dead letters: those that failed on this route. Published events: the only route to send on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Dead letters with this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Published or dead-lettered at or after this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The limit; lowest seq first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Dead letters: whether to send on all routes, not only on those that failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all_routes: bool,
}

impl Selection {
    /// Whether it has no filter.
    pub fn is_everything(&self) -> bool {
        *self == Self { limit: self.limit, all_routes: self.all_routes, ..Self::default() }
    }

    /// Whether it names its rows by id.
    pub fn is_by_id(&self) -> bool {
        !self.ids.is_empty() || !self.dead_letter_ids.is_empty()
    }
}

/// Whether to make the change.
#[derive(Debug, Clone, Copy)]
pub struct Consent {
    /// Only show what would change.
    pub dry_run: bool,
    /// Do not ask for confirmation.
    pub yes: bool,
}

impl From<ConsentArgs> for Consent {
    fn from(args: ConsentArgs) -> Self {
        Self { dry_run: args.dry_run, yes: args.yes }
    }
}

/// Who makes the change, and why, for the audit trail.
#[derive(Debug, Clone)]
pub struct Audit {
    /// `None` for the database role.
    pub by: Option<String>,
    /// Why.
    pub note: Option<String>,
}

/// How a change of many rows is made.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The most rows per second.
    pub rate: Option<usize>,
    /// Whether to make the change.
    pub consent: Consent,
    /// Who makes the change, and why.
    pub audit: Audit,
}

/// Which ids a command accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// None.
    OfEvents,
    /// Those of dead letters.
    OfDeadLettersToo,
}

pub(super) fn audit(problems: &mut Problems, args: &AuditArgs) -> Audit {
    let from_environment = || std::env::var("USER").ok().filter(|name| !name.is_empty());
    let by = args.by.clone().or_else(from_environment);
    for (flag, text) in [("by", &by), ("note", &args.note)] {
        if text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX || text.contains('\0')) {
            problems.add(flag, format_args!("must be at most {TEXT_BYTES_MAX} bytes, without a NUL"));
        }
    }
    Audit { by, note: args.note.clone() }
}

pub(super) fn execution(problems: &mut Problems, args: &ExecutionArgs) -> Execution {
    let rate = args.rate.as_ref().map(|rate| problems.number("rate", rate, (1, COUNT_MAX)));
    Execution { rate, consent: args.consent.into(), audit: audit(problems, &args.audit) }
}

/// Reads a selection; filters that are not given are `None`.
pub(super) fn selection(problems: &mut Problems, args: &SelectionArgs, ids: Ids) -> Selection {
    let mut selection = Selection {
        aggregate_id: args.aggregate_id.clone(),
        event_type: args.event_type.clone(),
        since: args.since.as_ref().and_then(|text| moment(problems, "since", text)),
        until: args.until.as_ref().and_then(|text| moment(problems, "until", text)),
        limit: args.limit.as_ref().map(|limit| problems.number("limit", limit, (1, COUNT_MAX))),
        ..Selection::default()
    };
    if args.ids.len() > IDS_MAX {
        problems.add("id", format_args!("must be at most {IDS_MAX} ids"));
    }
    for id in args.ids.iter().map(|id| id.trim()) {
        match (event_id(id), id.parse::<i64>()) {
            (Some(event), _) => selection.ids.push(event.to_string()),
            (None, Ok(letter)) if ids == Ids::OfDeadLettersToo && letter > 0 => selection.dead_letter_ids.push(letter),
            (None, _) => problems.add(
                "id",
                match ids {
                    Ids::OfEvents => format!("'{id}' is not an event id (a UUID, with or without 'msg-')"),
                    Ids::OfDeadLettersToo => {
                        format!("'{id}' is neither a dead letter's number nor an event id (a UUID)")
                    }
                },
            ),
        }
    }
    if let (Some(since), Some(until)) = (&selection.since, &selection.until)
        && since >= until
    {
        problems.add("since", format_args!("must be before --until ({until}), got {since}"));
    }
    for (flag, text) in [("aggregate-id", &selection.aggregate_id), ("event-type", &selection.event_type)] {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            problems.add(flag, "must not contain a NUL");
        }
    }
    selection
}

/// An event's id, with or without the prefix it has in the standard envelope.
pub(super) fn event_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text.strip_prefix("msg-").unwrap_or(text)).ok()
}

/// A time in RFC 3339 and UTC. All have the same length, so that they compare as texts.
fn moment(problems: &mut Problems, flag: &str, text: &str) -> Option<String> {
    let written = instant(text).filter(|moment| (1970..=9999).contains(&moment.year())).map(|moment| {
        let moment = moment.to_offset(time::UtcOffset::UTC);
        let form =
            time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
        moment.format(&form)
    });
    if let Some(Ok(written)) = written {
        return Some(written);
    }
    problems.add(
        flag,
        format_args!(
            "must be an age such as 2h or 30m, a day such as 2026-11-30, today or yesterday, or a time such as '2026-11-30 12:00' or 2026-11-30T12:00:00+01:00, got '{text}'; days and times without an offset are UTC"
        ),
    );
    None
}

/// What people call a time: RFC 3339, an age, a day (its first moment in UTC), or a day and a time in UTC.
fn instant(text: &str) -> Option<OffsetDateTime> {
    let now = OffsetDateTime::now_utc();
    let ago = |ago: Duration| now.checked_sub(ago.try_into().ok()?);
    let day = time::macros::format_description!("[year]-[month]-[day]");
    let minute = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]");
    let second = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    match text {
        "now" => return Some(now),
        "today" => return Some(now.date().midnight().assume_utc()),
        "yesterday" => return Some(now.date().previous_day()?.midnight().assume_utc()),
        _ => {}
    }
    let zoned = OffsetDateTime::parse(text, &Rfc3339).ok();
    let spaced = text.replacen('T', " ", 1);
    let plain = || PrimitiveDateTime::parse(&spaced, minute).or_else(|_| PrimitiveDateTime::parse(&spaced, second));
    zoned
        .or_else(|| humantime::parse_duration(text).ok().and_then(ago))
        .or_else(|| plain().ok().map(PrimitiveDateTime::assume_utc))
        .or_else(|| Date::parse(text, day).ok().map(|date| date.midnight().assume_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Vec<String>> {
        let mut problems = Problems::default();
        moment(&mut problems, "since", text).ok_or(problems.0)
    }

    #[test]
    fn moments_are_read_in_any_zone_and_as_a_time_ago() {
        assert_eq!(read("2026-11-21T12:00:00+02:00"), Ok("2026-11-21T10:00:00.000000Z".into()));
        let (hours, minutes) = (read("2h").expect("a duration"), read("30m").expect("a duration"));
        assert!(hours < minutes, "{hours} {minutes}");
        for wrong in ["last week", "2026-11-31", "2026-11-21 25:00", "2026-13-01T00:00:00Z", "", "9999999999y"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_and_plain_times_are_utc() {
        assert_eq!(read("2026-11-30"), Ok("2026-11-30T00:00:00.000000Z".into()));
        assert_eq!(read("2026-11-30 12:00"), Ok("2026-11-30T12:00:00.000000Z".into()));
        assert_eq!(read("2026-11-30T12:00:07"), Ok("2026-11-30T12:00:07.000000Z".into()));
        let (yesterday, today, now) = (read("yesterday"), read("today"), read("now"));
        assert!(yesterday < today && today <= now, "{yesterday:?} {today:?} {now:?}");
        assert!(today.is_ok_and(|today| today.ends_with("T00:00:00.000000Z")));
    }

    #[test]
    fn ids_are_taken_as_consumers_see_them() {
        let id = "3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e";
        assert_eq!(event_id(&format!("msg-{id}")).map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(event_id("42"), None);
    }
}
