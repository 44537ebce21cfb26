//! `outbox-relay routes hold` and `release`: puts routes on hold, and releases routes and
//! destinations. `list` shows them.
//!
//! A hold takes effect with each relay's next batch. A release first lifts the hold, and then makes
//! the waiting keys due lane by lane, so that no relay waits for long. If it is interrupted, the
//! upkeep's sweep makes the rest due.

use serde::Serialize;
use tokio_postgres::types::Type;

use crate::cli::routes::Scope;
use crate::commands::many::consent::log_change;
use crate::commands::print::next::quoted;
use crate::commands::print::words::count;
use crate::commands::print::{Output, clean, say};
use crate::commands::routes::list::{HoldRow, read_holds};
use crate::commands::routes::names::{Known, refuse_unknown, refuse_unknown_to_relays};
use crate::commands::session::Session;
use crate::config::holds::{HoldConfig, ReleaseConfig};
use crate::error::AppError;
use crate::outbox::hold::HoldScope;
use crate::postgres::call::Param;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Changed<'a> {
    action: &'static str,
    scope: &'a str,
    name: &'a str,
    hold: i64,
    /// Whether it changed anything.
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_due: Option<u64>,
}

/// Puts a route on hold.
pub async fn hold(config: HoldConfig) -> Result<(), AppError> {
    if let Some(routes) = &config.routes {
        refuse_unknown(routes, &config.name)?;
    }
    let session = &Session::change(&config.common).await?;
    if config.routes.is_none() && refuse_unknown_to_relays(session, &config.name).await? == Known::Nothing {
        say(&format!(
            "outbox-relay: no relay has told its routes, so this command cannot check that there is a route '{}'; if none has this name, nothing is held\n",
            config.name
        ));
    }
    let audit = &config.audit;
    let params: [Param<'_>; 3] = [(&config.name, Type::TEXT), (&audit.by, Type::TEXT), (&audit.note, Type::TEXT)];
    let put =
        session.step(async || session.rows("putting the route on hold", &session.queries.hold_route, &params).await);
    let put = put.await?;
    let holds = read_holds(session).await?;
    let is_it = |hold: &&HoldRow| hold.scope == "route" && hold.name == config.name;
    let hold = holds.iter().find(is_it).ok_or_else(|| AppError::No("the hold was released in the meantime".into()))?;
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
    Output::new(config.common.format).answer(&answer, || held_text(hold, !put.is_empty()));
    Ok(())
}

/// Takes a route or destination off hold.
pub async fn release(config: ReleaseConfig) -> Result<(), AppError> {
    let session = &Session::change(&config.common).await?;
    let holds = read_holds(session).await?;
    let hold = choose(&holds, &config.name, config.scope)?;
    let id: [Param<'_>; 1] = [(&hold.hold, Type::INT8)];
    // First the hold, then its waits: a batch that adds keys to the hold must wait for this
    // transaction, and then finds the hold gone.
    session.step(async || session.rows("lifting the hold", &session.queries.lift_hold, &id).await).await?;
    log_change(&format!("{} '{}' off hold", hold.scope, clean(&hold.name)), &config.audit);
    let keys_due = lift_waits(session, hold.hold).await.map_err(|error| {
        error.with_fix("the hold is lifted; the relay's sweep tries the remaining keys within a minute")
    })?;
    let answer = Changed {
        action: "release",
        scope: &hold.scope,
        name: &hold.name,
        hold: hold.hold,
        changed: true,
        keys_due: Some(keys_due),
    };
    Output::new(config.common.format).answer(&answer, || {
        let keys = count(i64::try_from(keys_due).unwrap_or(i64::MAX), i64::MAX, "key");
        format!("{} '{}' is off hold; trying {keys} now\n", hold.scope, clean(&hold.name))
    });
    Ok(())
}

/// Makes the waiting heads due, lane by lane.
async fn lift_waits(session: &Session, hold: i64) -> Result<u64, AppError> {
    let of_hold: [Param<'_>; 1] = [(&hold, Type::INT8)];
    let lanes = session.select("looking for keys that wait", &session.queries.lanes_of_hold, &of_hold).await?;
    let mut due = 0;
    for lane in lanes.iter().map(|row| row.get::<_, i16>(0)) {
        let params: [Param<'_>; 2] = [(&hold, Type::INT8), (&lane, Type::INT2)];
        due += session
            .step(async || {
                session.lock_lanes([lane]).await?;
                session.execute("making keys due", &session.queries.lift_lane_waits, &params).await
            })
            .await?;
    }
    Ok(due)
}

/// The one hold with this name: as commands print it, or an exchange's name if only one key of it
/// is on hold.
fn choose<'a>(holds: &'a [HoldRow], name: &str, scope: Option<Scope>) -> Result<&'a HoldRow, AppError> {
    let of_scope = |hold: &&HoldRow| match (scope, &hold.covers) {
        (None, _)
        | (Some(Scope::Route), Some(HoldScope::Route(_)))
        | (Some(Scope::Exchange), Some(HoldScope::Exchange(_)))
        | (Some(Scope::Key), Some(HoldScope::Key(_)))
        | (Some(Scope::Flow), Some(HoldScope::Flow(_))) => true,
        (Some(Scope::Route | Scope::Exchange | Scope::Flow | Scope::Key), _) => false,
    };
    let holds: Vec<&HoldRow> = holds.iter().filter(of_scope).collect();
    let bare = name.strip_suffix('/').unwrap_or(name);
    let is_exchange =
        |hold: &HoldRow| matches!(&hold.covers, Some(HoldScope::Exchange(exchange)) if **exchange == *bare);
    if bare != name
        && let Some(hold) = holds.iter().copied().find(|hold| is_exchange(hold))
    {
        return Ok(hold);
    }
    let exact: Vec<&HoldRow> = holds.iter().copied().filter(|hold| hold.name == name || is_exchange(hold)).collect();
    if let [hold] = exact[..] {
        return Ok(hold);
    }
    if !exact.is_empty() {
        let each = exact.iter().map(|hold| format!("\n  routes release {} --scope {}", quoted(name), hold.scope));
        return Err(AppError::No(format!(
            "'{}' is the name of several holds; nothing was changed. Choose one:{}",
            clean(name),
            each.collect::<String>()
        )));
    }
    let of_exchange = |hold: &&HoldRow| match &hold.covers {
        Some(HoldScope::Key(there)) => *there.exchange == *bare,
        Some(HoldScope::Flow(flow)) => *flow.exchange == *bare,
        Some(HoldScope::Exchange(_) | HoldScope::Route(_)) | None => false,
    };
    let keys: Vec<&HoldRow> = holds.iter().copied().filter(of_exchange).collect();
    match keys[..] {
        [] => Err(AppError::No(format!(
            "nothing named '{}' is on hold; nothing was changed. To see what is: outbox-relay routes list",
            clean(name)
        ))),
        [hold] => Ok(hold),
        _ => {
            let each = keys.iter().map(|hold| format!("\n  routes release {}", quoted(&hold.name)));
            Err(AppError::No(format!(
                "several destinations of the exchange '{}' are on hold; nothing was changed. Choose one:{}",
                clean(bare),
                each.collect::<String>()
            )))
        }
    }
}

/// The answer of `hold`; `is_new` unless the route was already on hold.
fn held_text(hold: &HoldRow, is_new: bool) -> String {
    let (name, since) = (clean(&hold.name), hold.since.as_deref().unwrap_or("-"));
    if is_new {
        return format!(
            "route '{name}' is on hold until: outbox-relay routes release '{name}'\nmessages already sent, and a batch under way, still arrive\n"
        );
    }
    let by = hold.held_by.as_ref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
    format!("route '{name}' was already on hold, since {since}{by}; nothing was changed\n")
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Changed<'_>>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::routes::{RoutesArgs, RoutesCommand};
    use crate::cli::{Cli, Command};
    use crate::commands::print::next::{Typist, hold_operand};
    use crate::outbox::destination::Destination;

    fn hold(id: i64, covers: HoldScope) -> HoldRow {
        HoldRow {
            hold: id,
            scope: covers.columns().0.into(),
            name: hold_operand(&covers),
            covers: Some(covers),
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

    fn key(exchange: &str, routing_key: &str) -> HoldScope {
        HoldScope::Key(Destination { exchange: exchange.into(), routing_key: routing_key.into() })
    }

    #[test]
    fn a_name_releases_what_it_says_and_nothing_when_it_could_be_two_things() {
        let holds = [
            hold(1, HoldScope::Route("orders".into())),
            hold(2, HoldScope::Exchange("orders".into())),
            hold(3, key("orders", "order.paid")),
            hold(4, key("other", "a")),
            hold(5, key("many", "a")),
            hold(6, key("many", "b")),
        ];
        let chosen = |name, scope| choose(&holds, name, scope).map(|hold| hold.hold).map_err(|error| error.to_string());
        assert_eq!(chosen("orders/order.paid", None), Ok(3));
        assert_eq!(chosen("orders", Some(Scope::Exchange)), Ok(2));
        assert!(chosen("orders", None).expect_err("two").contains("--scope exchange"));
        assert_eq!(chosen("other", None), Ok(4));
        assert!(chosen("many", None).expect_err("two").contains("many/b"));
        assert!(chosen("none", None).expect_err("none").contains("nothing named"));
    }

    #[test]
    fn a_trailing_slash_is_the_whole_exchange_and_the_empty_exchange_has_a_name_too() {
        let holds = [
            hold(1, HoldScope::Exchange("orders".into())),
            hold(2, HoldScope::Exchange("".into())),
            hold(3, key("orders", "")),
            hold(4, key("", "a-queue")),
            hold(5, key("other", "")),
        ];
        let chosen = |name, scope| choose(&holds, name, scope).map(|hold| hold.hold).map_err(|error| error.to_string());
        assert_eq!((chosen("orders/", None), chosen("orders", None)), (Ok(1), Ok(1)));
        assert_eq!((chosen("/", None), chosen("", None)), (Ok(2), Ok(2)));
        assert_eq!(chosen("/a-queue", None), Ok(4));
        assert_eq!(chosen("orders/", Some(Scope::Key)), Ok(3));
        assert_eq!((chosen("other/", None), chosen("other", None)), (Ok(5), Ok(5)));
        assert_eq!(chosen("orders", Some(Scope::Exchange)), Ok(1));
    }

    #[test]
    fn the_command_that_is_printed_for_a_hold_releases_that_hold_and_no_other() {
        use clap::Parser;
        let scopes = [
            HoldScope::Exchange("orders".into()),
            HoldScope::Exchange("".into()),
            key("orders", ""),
            key("orders", "order.paid"),
            key("", "a-queue"),
            key("-x", "y"),
            HoldScope::Route("orders".into()),
        ];
        let holds: Vec<HoldRow> = scopes.iter().cloned().zip(1..).map(|(scope, id)| hold(id, scope)).collect();
        for (scope, id) in scopes.iter().zip(1..) {
            let line = Typist::new("shop").release_hold(scope).command.expect("a command");
            let words: Vec<&str> = line.split(' ').map(|word| word.trim_matches('\'')).collect();
            let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            let Command::Routes(RoutesArgs { command: RoutesCommand::Release(args) }) = cli.command else {
                panic!("another command: {line}");
            };
            assert_eq!(choose(&holds, &args.name, args.scope).map(|hold| hold.hold).ok(), Some(id), "{line}");
        }
    }
}
