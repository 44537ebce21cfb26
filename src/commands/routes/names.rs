//! Checks route names that operators type against the routes file, and suggests similar names. Used
//! by `routes hold` and `replay`.

use crate::commands::session::Session;
use crate::error::AppError;
use crate::outbox::route::RouteTable;

/// The most names that are shown.
const SHOWN: usize = 5;
/// The similarity, from 0 to 1, from which a name is suggested.
const NEAR: f64 = 0.75;

/// Refuses a name that no route has.
pub(crate) fn refuse_unknown(routes: &RouteTable, name: &str) -> Result<(), AppError> {
    if routes.has_name(name) {
        return Ok(());
    }
    let names: Vec<&str> = routes.all().map(|route| &*route.name).collect();
    Err(AppError::No(format!("the routes file has no route '{name}' ({}); nothing was changed", near(&names, name))))
}

/// Refuses a name that no relay has told with its heartbeat. Without any heartbeat, nothing is known; the caller decides what that means.
pub(crate) async fn refuse_unknown_to_relays(session: &Session, name: &str) -> Result<Known, AppError> {
    let rows = session.select("reading the relays' routes", &session.queries.known_routes, &[]).await?;
    let names: Vec<&str> = rows.iter().map(|row| row.get("route")).collect();
    match names.as_slice() {
        [] => Ok(Known::Nothing),
        names if names.contains(&name) => Ok(Known::Yes),
        names => Err(AppError::No(format!(
            "no relay has a route '{name}' ({}); for a relay that does not run, name its file with --routes. Nothing was changed",
            near(names, name)
        ))),
    }
}

/// Whether a relay knows a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// One of them does.
    Yes,
    /// No relay has told its routes.
    Nothing,
}

/// Refuses a name that is missing among the routes of any of these types.
pub(crate) fn refuse_types_without(
    routes: &RouteTable,
    name: &str,
    types: impl IntoIterator<Item = String>,
) -> Result<(), AppError> {
    let has_it = |event_type: &str| routes.routes_for(event_type).iter().any(|route| *route.name == *name);
    let without: Vec<String> = types.into_iter().filter(|event_type| !has_it(event_type)).collect();
    if without.is_empty() {
        return Ok(());
    }
    let more = if without.len() > SHOWN { format!(" and {} more", without.len() - SHOWN) } else { String::new() };
    let shown = &without[..without.len().min(SHOWN)];
    Err(AppError::No(format!(
        "these types do not have the route '{name}': {}{more}. Their events would wait as no_route, and their keys with them; select fewer types with --event-type. Nothing was changed",
        shown.join(", ")
    )))
}

/// The most similar names; if there are none, the first names.
fn near(names: &[&str], name: &str) -> String {
    let mut alike: Vec<(f64, &str)> = names.iter().map(|known| (strsim::jaro_winkler(name, known), *known)).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = alike.iter().filter(|(likeness, _)| *likeness >= NEAR).map(|(_, name)| *name).collect();
    if !near.is_empty() {
        return format!("similar: {}", near[..near.len().min(SHOWN)].join(", "));
    }
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("routes: {}{more}", names[..names.len().min(SHOWN)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::route::Route;
    use crate::outbox::template::Template;

    fn table(names: &[(&str, &str)]) -> RouteTable {
        let any =
            Route::clone(RouteTable::single("order.events", "order-service").all().next().expect("the one route"));
        let route = |(name, event_type): &(&str, &str)| Route {
            name: (*name).into(),
            event_type: Some((*event_type).into()),
            routing_key: Template::parse(name).expect("valid"),
            ..any.clone()
        };
        RouteTable::new(names.iter().map(route).collect(), "0123")
    }

    #[test]
    fn a_name_that_no_route_has_is_refused_with_those_that_are_near() {
        let routes = table(&[("order-paid", "order.paid"), ("order-created", "order.created"), ("zebra", "z")]);
        assert!(refuse_unknown(&routes, "order-paid").is_ok());
        let error = refuse_unknown(&routes, "order-piad").expect_err("unknown").to_string();
        assert!(error.contains("similar: order-paid") && !error.contains("zebra"), "{error}");
        let error = refuse_unknown(&routes, "qqq").expect_err("unknown").to_string();
        assert!(error.contains("routes: order-paid, order-created, zebra"), "{error}");
    }

    #[test]
    fn a_type_that_does_not_take_the_route_is_refused_and_named() {
        let routes = table(&[("order-paid", "order.paid"), ("order-created", "order.created")]);
        let types = |types: &[&str]| types.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(refuse_types_without(&routes, "order-paid", types(&["order.paid"])).is_ok());
        let error = refuse_types_without(&routes, "order-paid", types(&["order.paid", "order.created", "other"]));
        let error = error.expect_err("two types have no such route").to_string();
        assert!(error.contains("order.created, other") && !error.contains("order.paid,"), "{error}");
    }
}
