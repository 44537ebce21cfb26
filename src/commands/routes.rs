//! `outbox-relay routes list`, `hold` and `release`: destinations and routes that must wait.
//!
//! Promises: a hold takes effect with each relay's next batch; a release lifts the hold first and then makes what waited due, lane by lane, so
//! that no relay is kept waiting for long; what is left over when it is cut off, the upkeep's sweep makes due.

use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::cli::routes::Scope;
use crate::commands::consent::log_change;
use crate::commands::output::{Output, clean, table};
use crate::commands::progress::with_mend;
use crate::commands::session::Session;
use crate::config::command::CommandConfig;
use crate::config::route_holds::RouteChangeConfig;
use crate::error::AppError;
use crate::link::call::{self, Param};
use crate::relay::destination::{Destination, HoldScope};

/// Keys are counted up to this many.
const COUNTED_MAX: i64 = 1_000;

#[derive(Serialize)]
struct HoldRow {
    hold: i64,
    scope: String,
    /// As `routes release` takes it.
    name: String,
    kind: String,
    reason: String,
    error: Option<String>,
    since: Option<String>,
    probes: i32,
    /// None: only an operator ends it.
    next_probe_at: Option<String>,
    waiting_keys: i64,
    more_waiting: bool,
    held_by: Option<String>,
    note: Option<String>,
}

#[derive(Serialize)]
struct List {
    holds: Vec<HoldRow>,
}

#[derive(Serialize)]
struct Changed<'a> {
    action: &'static str,
    scope: &'a str,
    name: &'a str,
    hold: i64,
    /// Whether anything changed.
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_due: Option<u64>,
}

/// What is on hold.
pub async fn list(config: &CommandConfig) -> Result<(), AppError> {
    let session = Session::read(config).await?;
    let rows = call::rows(&session.client, "listing the holds", &session.queries.show_holds, &[]).await?;
    let list = List { holds: rows.iter().map(HoldRow::read).collect() };
    Output::new(config.json).answer(&list, || list.text());
    Ok(())
}

/// Puts a route on hold.
pub async fn hold(config: RouteChangeConfig) -> Result<(), AppError> {
    let session = &Session::change(&config.common).await?;
    let audit = &config.audit;
    let params: [Param<'_>; 3] = [(&config.name, Type::TEXT), (&audit.by, Type::TEXT), (&audit.note, Type::TEXT)];
    let put =
        session.step(async || session.rows("putting the route on hold", &session.queries.hold_route, &params).await);
    let put = put.await?;
    let holds = read_holds(session).await?;
    let is_it = |hold: &&HoldRow| hold.scope == "route" && hold.name == config.name;
    let hold = holds.iter().find(is_it).ok_or_else(|| AppError::No("the hold was released meanwhile".into()))?;
    if !put.is_empty() {
        log_change(&format!("route '{}' on hold", config.name), audit);
    }
    let answer = Changed {
        action: "hold",
        scope: "route",
        name: &config.name,
        hold: hold.hold,
        changed: !put.is_empty(),
        keys_due: None,
    };
    Output::new(config.common.json).answer(&answer, || hold.held_text(!put.is_empty()));
    Ok(())
}

/// Takes a route or destination off hold.
pub async fn release(config: RouteChangeConfig) -> Result<(), AppError> {
    let session = &Session::change(&config.common).await?;
    let holds = read_holds(session).await?;
    let hold = choose(&holds, &config.name, config.scope)?;
    let id: [Param<'_>; 1] = [(&hold.hold, Type::INT8)];
    // First the hold, then its waits: a batch that lets more keys wait for it has to wait for this, and then finds it gone.
    session.step(async || session.rows("lifting the hold", &session.queries.lift_hold, &id).await).await?;
    log_change(&format!("{} '{}' off hold", hold.scope, clean(&hold.name)), &config.audit);
    let keys_due = lift_waits(session, hold.hold).await.map_err(|error| {
        with_mend(
            error,
            "the hold is lifted; keys that were not reached are tried within a minute, by the relay's sweep",
        )
    })?;
    let answer = Changed {
        action: "release",
        scope: &hold.scope,
        name: &hold.name,
        hold: hold.hold,
        changed: true,
        keys_due: Some(keys_due),
    };
    Output::new(config.common.json).answer(&answer, || {
        format!("{} '{}' is off hold; {keys_due} keys are tried at once\n", hold.scope, clean(&hold.name))
    });
    Ok(())
}

/// Makes the heads that waited due, lane by lane.
async fn lift_waits(session: &Session, hold: i64) -> Result<u64, AppError> {
    let of_hold: [Param<'_>; 1] = [(&hold, Type::INT8)];
    let lanes = session.select("looking for keys that wait", &session.queries.lanes_of_hold, &of_hold).await?;
    let mut due = 0;
    for lane in lanes.iter().map(|row| row.get::<_, i16>(0)) {
        let params: [Param<'_>; 2] = [(&hold, Type::INT8), (&lane, Type::INT2)];
        due += session
            .step(async || {
                session.lock_lanes([lane]).await?;
                call::execute(&session.client, "making keys due", &session.queries.lift_lane_waits, &params).await
            })
            .await?;
    }
    Ok(due)
}

async fn read_holds(session: &Session) -> Result<Vec<HoldRow>, AppError> {
    let rows = session.select("reading the holds", &session.queries.show_holds, &[]).await?;
    Ok(rows.iter().map(HoldRow::read).collect())
}

/// The one hold that is meant.
fn choose<'a>(holds: &'a [HoldRow], name: &str, scope: Option<Scope>) -> Result<&'a HoldRow, AppError> {
    let scope = scope.map(|scope| match scope {
        Scope::Route => "route",
        Scope::Exchange => "exchange",
        Scope::Key => "key",
    });
    let of_scope = |hold: &&HoldRow| scope.is_none_or(|scope| hold.scope == scope);
    let exact: Vec<&HoldRow> = holds.iter().filter(of_scope).filter(|hold| hold.name == name).collect();
    if let [hold] = exact[..] {
        return Ok(hold);
    }
    let shown = clean(name);
    if exact.len() > 1 {
        let list = exact.iter().map(|hold| format!("\n  routes release '{shown}' --scope {}", hold.scope));
        return Err(AppError::No(format!(
            "'{shown}' is several things that are on hold; nothing was changed. Say which:{}",
            list.collect::<String>()
        )));
    }
    let of_exchange =
        |hold: &&HoldRow| hold.scope == "key" && hold.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let keys: Vec<&HoldRow> = holds.iter().filter(of_scope).filter(of_exchange).collect();
    match keys[..] {
        [] => Err(AppError::No(format!(
            "nothing of the name '{shown}' is on hold; nothing was changed. What is: outbox-relay routes list"
        ))),
        [hold] => Ok(hold),
        _ => {
            let list = keys.iter().map(|hold| format!("\n  routes release '{}'", clean(&hold.name)));
            Err(AppError::No(format!(
                "several destinations of the exchange '{shown}' are on hold; nothing was changed. Say which:{}",
                list.collect::<String>()
            )))
        }
    }
}

impl HoldRow {
    fn read(row: &Row) -> Self {
        let (scope, exchange, routing_key, route): (String, &str, &str, &str) =
            (row.get("scope"), row.get("exchange"), row.get("routing_key"), row.get("route"));
        let name = match HoldScope::from_columns(&scope, exchange, routing_key, route) {
            Some(HoldScope::Key(destination)) => destination.to_string(),
            Some(HoldScope::Exchange(exchange)) => exchange.to_string(),
            Some(HoldScope::Route(route)) => route.to_string(),
            // Of a newer relay.
            None => Destination { exchange: exchange.into(), routing_key: routing_key.into() }.to_string(),
        };
        let waiting: i64 = row.get("waiting_keys");
        Self {
            hold: row.get("id"),
            scope,
            name,
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

    fn held_text(&self, is_new: bool) -> String {
        let (name, since) = (clean(&self.name), self.since.as_deref().unwrap_or("-"));
        if is_new {
            return format!(
                "route '{name}' is on hold until: outbox-relay routes release '{name}'\nwhat was sent already, and a batch that is under way, arrives all the same\n"
            );
        }
        let by = self.held_by.as_ref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
        format!("route '{name}' was on hold already, since {since}{by}; nothing was changed\n")
    }
}

impl List {
    fn text(&self) -> String {
        if self.holds.is_empty() {
            return "nothing is on hold\n".into();
        }
        let cells = |hold: &HoldRow| {
            let more = if hold.more_waiting { "more than " } else { "" };
            let by = [&hold.held_by, &hold.note].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
            [
                hold.scope.clone(),
                hold.name.clone(),
                hold.kind.clone(),
                hold.since.clone().unwrap_or_default(),
                hold.next_probe_at.clone().unwrap_or_else(|| "never: routes release".into()),
                format!("{more}{}", hold.waiting_keys),
                by,
                hold.error.clone().unwrap_or_else(|| hold.reason.clone()),
            ]
        };
        let header = ["SCOPE", "NAME", "KIND", "SINCE", "NEXT PROBE", "KEYS", "BY", "WHY"];
        table(header, self.holds.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(id: i64, scope: &str, name: &str) -> HoldRow {
        HoldRow {
            hold: id,
            scope: scope.into(),
            name: name.into(),
            kind: "refused".into(),
            reason: String::new(),
            error: None,
            since: None,
            probes: 0,
            next_probe_at: None,
            waiting_keys: 0,
            more_waiting: false,
            held_by: None,
            note: None,
        }
    }

    #[test]
    fn a_name_releases_what_it_says_and_nothing_when_it_could_be_two_things() {
        let holds = [
            hold(1, "route", "orders"),
            hold(2, "exchange", "orders"),
            hold(3, "key", "orders/order.paid"),
            hold(4, "key", "other/a"),
            hold(5, "key", "many/a"),
            hold(6, "key", "many/b"),
        ];
        let chosen = |name, scope| choose(&holds, name, scope).map(|hold| hold.hold).map_err(|error| error.to_string());
        assert_eq!(chosen("orders/order.paid", None), Ok(3));
        assert_eq!(chosen("orders", Some(Scope::Exchange)), Ok(2));
        assert!(chosen("orders", None).expect_err("two").contains("--scope exchange"));
        assert_eq!(chosen("other", None), Ok(4));
        assert!(chosen("many", None).expect_err("two").contains("'many/b'"));
        assert!(chosen("none", None).expect_err("none").contains("nothing of the name"));
    }
}
