//! The configuration of `routes render`.

use time::OffsetDateTime;

use crate::cli::routes::{EventArgs, RenderArgs};
use crate::config::problems::Problems;
use crate::config::routes_file::routes;
use crate::outbox::event::{Event, Payload};
use crate::outbox::limits::SHORT_STRING_BYTES_MAX;
use crate::outbox::route::RouteTable;

/// What to show.
#[derive(Debug)]
pub struct RenderConfig {
    /// The routes.
    pub routes: RouteTable,
    /// The row without its payload.
    pub event: Event,
    /// Whether to print one JSON document.
    pub json: bool,
}

/// Checks `routes render`'s arguments; the payload comes later.
pub fn render_config(args: &RenderArgs) -> Result<RenderConfig, Vec<String>> {
    let mut problems = Problems::default();
    let routes = routes(&mut problems, &args.routes);
    let event = event(&mut problems, &args.event);
    match routes {
        Some(routes) if problems.0.is_empty() => Ok(RenderConfig { routes: routes.table, event, json: args.json }),
        Some(_) | None => Err(problems.0),
    }
}

/// The row as the table would accept it.
fn event(problems: &mut Problems, args: &EventArgs) -> Event {
    let columns = [
        ("event-type", Some(&args.event_type)),
        ("aggregate-type", Some(&args.aggregate_type)),
        ("aggregate-id", Some(&args.aggregate_id)),
        ("partition-key", args.partition_key.as_ref()),
    ];
    for (flag, value) in columns {
        if value.is_some_and(|value| value.is_empty() || value.len() > SHORT_STRING_BYTES_MAX) {
            problems.add(flag, format_args!("must be 1 to {SHORT_STRING_BYTES_MAX} bytes"));
        }
    }
    if let Some(headers) = &args.headers
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(headers)
    {
        problems.add("headers", format_args!("not valid JSON: {error}"));
    }
    Event {
        id: args.id,
        seq: 0,
        lane: 0,
        aggregate_type: args.aggregate_type.clone(),
        aggregate_id: args.aggregate_id.clone(),
        event_type: args.event_type.clone(),
        partition_key: args.partition_key.clone(),
        event_version: args.event_version.clone(),
        payload: Payload::TooLarge(0),
        headers: args.headers.clone(),
        correlation_id: args.correlation_id.clone(),
        created_at: OffsetDateTime::now_utc(),
        replay_id: None,
        first_seq: None,
        only_routes: None,
        defect: None,
        waited: None,
    }
}
