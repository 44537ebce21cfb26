//! `outbox-relay routes list`: the routes of a relay with these arguments, and what is on hold.
//! `hold` uses it too, to look up holds.
//!
//! Only reads. Shows every hold, even one that blocks none of the routes.

use serde::Serialize;
use tokio_postgres::Row;

use crate::commands::print::next::hold_operand;
use crate::commands::print::{Column, Output, clean, table};
use crate::commands::session::Session;
use crate::config::holds::RoutesListConfig;
use crate::error::AppError;
use crate::outbox::destination::Destination;
use crate::outbox::hold::HoldScope;
use crate::outbox::route::{Route, RouteTable};
use crate::postgres::call;

/// Counting keys stops here.
const COUNTED_MAX: i64 = 1_000;

/// A hold as it is printed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HoldRow {
    pub(crate) hold: i64,
    pub(crate) scope: String,
    /// The name for `routes release`.
    pub(crate) name: String,
    /// What is held; `None` for a scope that only a newer relay knows.
    #[serde(skip)]
    pub(crate) covers: Option<HoldScope>,
    pub(crate) kind: String,
    pub(crate) reason: String,
    pub(crate) error: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) probes: i32,
    /// `None` if only an operator can end it.
    pub(crate) next_probe_at: Option<String>,
    pub(crate) waiting_keys: i64,
    pub(crate) more_waiting: bool,
    pub(crate) held_by: Option<String>,
    pub(crate) note: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RouteRow {
    name: String,
    /// `None` for every type that no other route names.
    event_type: Option<String>,
    exchange: String,
    /// With its fields.
    routing_key: String,
    envelope: &'static str,
    on_unroutable: &'static str,
    /// The holds that block it, or some of its messages, as names for `routes release`.
    held_by: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct List {
    /// Whether the routes come from a file.
    from_file: bool,
    routes: Vec<RouteRow>,
    holds: Vec<HoldRow>,
}

/// Lists the routes, and what is on hold.
pub async fn list(config: &RoutesListConfig) -> Result<(), AppError> {
    let session = Session::read(&config.common).await?;
    let rows = call::rows(&session.client, "listing the holds", &session.queries.show_holds, &[]).await?;
    let holds: Vec<HoldRow> = rows.iter().map(HoldRow::read).collect();
    let routes = config.routes.all().map(|route| RouteRow::new(route, &config.routes, &holds)).collect();
    let list = List { from_file: config.from_file, routes, holds };
    Output::new(config.common.format).answer_list(
        &list,
        || list.text(),
        || list.routes.iter().map(|route| route.name.clone()).collect(),
    );
    Ok(())
}

/// Every hold, for a change.
pub(crate) async fn read_holds(session: &Session) -> Result<Vec<HoldRow>, AppError> {
    let rows = session.select("reading the holds", &session.queries.show_holds, &[]).await?;
    Ok(rows.iter().map(HoldRow::read).collect())
}

impl HoldRow {
    fn read(row: &Row) -> Self {
        let (scope, exchange, routing_key, route): (String, &str, &str, &str) =
            (row.get("scope"), row.get("exchange"), row.get("routing_key"), row.get("route"));
        let covers = HoldScope::from_columns(&scope, exchange, routing_key, route);
        let there = || Destination { exchange: exchange.into(), routing_key: routing_key.into() }.to_string();
        let waiting: i64 = row.get("waiting_keys");
        Self {
            hold: row.get("id"),
            scope,
            name: covers.as_ref().map_or_else(there, hold_operand),
            covers,
            kind: row.get("kind"),
            reason: row.get("reason"),
            error: row.get("error"),
            since: row.get("since"),
            probes: row.get("probes"),
            next_probe_at: row.get("next_probe_at"),
            waiting_keys: waiting.min(COUNTED_MAX),
            more_waiting: waiting > COUNTED_MAX,
            held_by: row.get("held_by"),
            note: row.get("note"),
        }
    }

    fn cells(&self) -> [String; 8] {
        let more = if self.more_waiting { "more than " } else { "" };
        let by = [&self.held_by, &self.note].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
        [
            self.scope.clone(),
            self.name.clone(),
            self.kind.clone(),
            self.since.clone().unwrap_or_default(),
            self.next_probe_at.clone().unwrap_or_else(|| "never: routes release".into()),
            format!("{more}{}", self.waiting_keys),
            by,
            self.error.clone().unwrap_or_else(|| self.reason.clone()),
        ]
    }
}

impl RouteRow {
    fn new(route: &Route, routes: &RouteTable, holds: &[HoldRow]) -> Self {
        let in_the_way =
            holds.iter().filter(|hold| hold.covers.as_ref().is_some_and(|scope| routes.is_held_by(route, scope)));
        Self {
            name: route.name.to_string(),
            event_type: route.event_type.as_deref().map(str::to_owned),
            exchange: route.exchange.to_string(),
            routing_key: route.routing_key.to_string(),
            envelope: route.envelope.as_str(),
            on_unroutable: route.on_unroutable.as_str(),
            held_by: in_the_way.map(|hold| hold.name.clone()).collect(),
        }
    }

    fn cells(&self) -> [String; 7] {
        [
            self.name.clone(),
            self.event_type.clone().unwrap_or_else(|| "*".into()),
            if self.exchange.is_empty() { "(default exchange)".into() } else { self.exchange.clone() },
            self.routing_key.clone(),
            self.envelope.into(),
            self.on_unroutable.into(),
            if self.held_by.is_empty() { "-".into() } else { self.held_by.join(", ") },
        ]
    }
}

impl List {
    fn text(&self) -> String {
        let header = [
            Column::Cut("ROUTE"),
            Column::Cut("EVENT TYPE"),
            Column::Cut("EXCHANGE"),
            Column::Cut("ROUTING KEY"),
            Column::Whole("ENVELOPE"),
            Column::Whole("ON UNROUTABLE"),
            Column::Cut("HELD BY"),
        ];
        let mut text = table(header, self.routes.iter().map(RouteRow::cells));
        if !self.from_file {
            text.push_str("(for a relay without a routes file; name a file with --routes)\n");
        }
        text.push('\n');
        if self.holds.is_empty() {
            return text + "nothing is on hold\n";
        }
        let header = [
            Column::Whole("SCOPE"),
            Column::Cut("NAME"),
            Column::Whole("KIND"),
            Column::Whole("SINCE"),
            Column::Whole("NEXT PROBE"),
            Column::Whole("KEYS"),
            Column::Cut("BY"),
            Column::Cut("WHY"),
        ];
        text.push_str(&table(header, self.holds.iter().map(HoldRow::cells)));
        // Without the file, the command does not know the relays' routes.
        for hold in self.holds.iter().filter(|_| self.from_file) {
            if let Some(HoldScope::Route(name)) = &hold.covers
                && !self.routes.iter().any(|route| *route.name == **name)
            {
                text.push_str(&format!(
                    "none of these routes is named '{}', so that hold blocks nothing\n",
                    clean(name)
                ));
            }
        }
        text
    }
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<List>()
}
