//! Rows as a hostile producer could write them, column by column. For the property tests, and for the journey that sends them through
//! real services.

use outbox_relay::outbox::event::{Event, Payload};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use testkit::fixtures;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// The producer's columns of `outbox.events`, as PostgreSQL takes them.
#[derive(Debug, Clone)]
pub struct AnyRow {
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub event_type: String,
    pub partition_key: Option<String>,
    pub event_version: Option<String>,
    /// Whatever the type `json` accepts.
    pub payload: String,
    pub headers: Option<String>,
    pub correlation_id: Option<String>,
    pub created_at: OffsetDateTime,
}

/// Whether the text fits the table's limits: cut to so many bytes, at a character, and not empty.
fn cut(text: &str, bytes_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    if end == 0 { "x".to_owned() } else { text[..end].to_owned() }
}

/// Any text that PostgreSQL takes: no NUL, one byte at the least.
pub fn text(bytes_max: usize) -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        4 => "[a-z.]{1,20}",
        3 => "\\PC{1,40}",
        2 => "[\u{1}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{200f}\u{202a}-\u{202e}\"'\\\\{}#*]{1,20}",
        2 => "[\u{1f600}-\u{1f64f}\u{10ffff}\u{fffd}]{1,80}",
        1 => "[a-zü]{200,300}",
        1 => "[a-z]{900,1100}",
    ];
    odd.prop_map(move |text| cut(&text, bytes_max))
}

/// A JSON text with all that the type `json` keeps and parsers stumble over: odd spacing, repeated keys, huge numbers, NUL and lone
/// surrogates as escapes, deep nesting.
pub fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
        string(),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        let spaces = "[ \t\n\r]{0,3}";
        let list = (vec(inner.clone(), 0..6), spaces)
            .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(",")));
        let fields = vec((string(), inner), 0..6);
        let object = (fields, spaces).prop_map(|(fields, space)| {
            let fields: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("{name}{space}:{space}{value}")).collect();
            format!("{{{}}}", fields.join(","))
        });
        prop_oneof![list, object]
    })
}

/// A JSON string with its quotes.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-zA-Z0-9 .-]{1,10}",
        2 => "\\PC{1,8}".prop_map(|text| text.replace(['"', '\\'], "_")),
        1 => Just("\\u0000".to_owned()),
        1 => Just("\\ud800".to_owned()),
        1 => Just("\\ud83d\\ude00".to_owned()),
        1 => Just("\\n\\\"\\\\\\/".to_owned()),
    ];
    vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Headers: mostly an object, sometimes with names that are reserved, too long, too many or nested too deep; sometimes no object.
fn headers() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => string(),
        1 => Just("\"CC\"".to_owned()),
        1 => Just("\"x-Death\"".to_owned()),
        1 => Just("\"x-outbox-key\"".to_owned()),
        1 => "[a-z]{250,260}".prop_map(|name| format!("\"{name}\"")),
    ];
    let object = vec((name, json()), 0..5).prop_map(|fields| {
        let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{{}}}", fields.join(","))
    });
    let deep = (1usize..300).prop_map(|depth| format!("{{\"deep\":{}1{}}}", "[".repeat(depth), "]".repeat(depth)));
    let long = (120_000usize..135_000).prop_map(|bytes| format!("{{\"long\":\"{}\"}}", "h".repeat(bytes)));
    prop_oneof![10 => object, 3 => json(), 1 => deep, 1 => long]
}

fn payload() -> impl Strategy<Value = String> {
    let spaced = ("[ \t\n\r]{0,3}", json()).prop_map(|(space, json)| format!("{space}{json}{space}"));
    let deep = (1usize..2_000).prop_map(|depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth)));
    prop_oneof![12 => spaced, 1 => deep, 1 => Just(" null\n".to_owned())]
}

/// From the year 1 to the last day that a calendar holds, and the present more often.
fn time() -> impl Strategy<Value = OffsetDateTime> {
    let first = time::macros::datetime!(0001-01-01 00:00 UTC);
    let last = time::macros::datetime!(9999-12-30 23:59:59.999999 UTC);
    let days = (last - first).whole_days();
    let any = (0..days, 0i64..86_400_000_000)
        .prop_map(move |(days, micros)| first + Duration::days(days) + Duration::microseconds(micros));
    prop_oneof![4 => any, 1 => Just(first), 1 => Just(last), 4 => Just(time::macros::datetime!(2026-11-21 12:34:56.789012 UTC))]
}

pub fn row() -> impl Strategy<Value = AnyRow> {
    let names = (text(255), text(255), text(1_024), option::of(text(255)), option::of(text(255)));
    let texts = (payload(), option::of(headers()), option::of(text(1_200)), time());
    (names, texts).prop_map(|(names, texts)| {
        let (aggregate_type, aggregate_id, event_type, partition_key, event_version) = names;
        let (payload, headers, correlation_id, created_at) = texts;
        AnyRow {
            aggregate_type,
            aggregate_id,
            event_type,
            partition_key,
            event_version,
            payload,
            headers,
            correlation_id,
            created_at,
        }
    })
}

/// The row as a claim hands it over: `claim_events.sql` cuts the correlation id, and leaves headers that fit no frame behind.
pub fn claimed(row: &AnyRow, id: Uuid, seq: i64) -> Event {
    let whole = row.headers.as_ref().is_none_or(|headers| headers.len() <= 131_072);
    Event {
        id,
        aggregate_type: row.aggregate_type.clone(),
        event_type: row.event_type.clone(),
        partition_key: row.partition_key.clone(),
        event_version: row.event_version.clone(),
        payload: Payload::Text(row.payload.clone()),
        headers: row.headers.clone().filter(|_| whole),
        correlation_id: row.correlation_id.as_ref().map(|id| id.chars().take(256).collect()),
        created_at: row.created_at,
        defect: (!whole).then(|| "the headers fit no frame".to_owned()),
        ..fixtures::event(&row.aggregate_id, seq)
    }
}
