//! The routes: one for everything, or those of `--routes`. Reports all problems of the file
//! together, each with its line, its route and how to fix it.
//!
//! Called by the configuration of every command that needs to know where events go.

mod checks;
mod entry;
mod file;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use lapin::ExchangeKind;
use sha2::{Digest, Sha256};

use crate::cli::services::RouteArgs;
use crate::config::problems::Problems;
use crate::outbox::carried::{Carried, Parts};
use crate::outbox::limits::SHORT_STRING_BYTES_MAX;
use crate::outbox::route::Route;
use crate::outbox::route::RouteTable;
use crate::rabbitmq::supervisor::{Declared, Exchange, Queue};
use entry::Defaults;

/// People read routes files, so they are small.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Each route adds a few series to the metrics.
const ROUTES_MAX: usize = 1_000;
/// An event is in flight on all of its routes at once.
const ROUTES_OF_TYPE_MAX: usize = 32;
/// How many digits of a file's SHA-256 identify it.
const SHA_DIGITS: usize = 12;

/// The routes, and the exchanges that they use.
#[derive(Debug)]
pub struct Routes {
    /// The routes.
    pub table: RouteTable,
    /// To declare, if `--declare` is given.
    pub declared: Declared,
}

/// Reads the routes that `args` name.
pub(crate) fn routes(problems: &mut Problems, args: &RouteArgs) -> Option<Routes> {
    let mut is_sound = true;
    for (flag, text) in [("exchange", &args.exchange), ("source", &args.source)] {
        if text.len() > SHORT_STRING_BYTES_MAX || text.contains('\0') {
            problems.add(flag, format_args!("must be at most {SHORT_STRING_BYTES_MAX} bytes (AMQP), without a NUL"));
            is_sound = false;
        }
    }
    let carried = carried(problems, args)?;
    let defaults = Defaults { exchange: &args.exchange, source: &args.source, carried };
    let Some(path) = &args.routes else {
        let table = RouteTable::single(&args.exchange, &args.source).carrying(carried);
        let declared = declared(&table, &BTreeMap::new());
        return is_sound.then_some(Routes { table, declared });
    };
    let text = match read(path) {
        Ok(text) => text,
        Err(error) => {
            problems.add("routes", format_args!("{}: {error}", path.display()));
            return None;
        }
    };
    match parse(&text, &defaults) {
        Ok(routes) => is_sound.then_some(routes),
        Err(found) => {
            for (line, problem) in found {
                problems.add("routes", format_args!("{}:{line}: {problem}", path.display()));
            }
            None
        }
    }
}

/// What of its own the relay sends on routes that do not say.
fn carried(problems: &mut Problems, args: &RouteArgs) -> Option<Carried> {
    let headers = Parts::parse_list(&args.message_headers);
    let headers = headers.map_err(|error| problems.add("message-headers", error)).ok();
    let properties = Parts::parse_list(&args.message_properties);
    let properties = properties.map_err(|error| problems.add("message-properties", error)).ok();
    Some(Carried { headers: headers?, properties: properties? })
}

/// The file's routes, for a command that does not need a file.
pub(crate) fn file_routes(problems: &mut Problems, args: &RouteArgs) -> Option<RouteTable> {
    args.routes.as_ref()?;
    routes(problems, args).map(|routes| routes.table)
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX { Err(format!("larger than {FILE_BYTES_MAX} bytes")) } else { Ok(text) }
}

/// Reads the text of a routes file. Returns each problem with its line.
fn parse(text: &str, defaults: &Defaults<'_>) -> Result<Routes, Vec<(usize, String)>> {
    let file = file::read(text);
    let mut found = checks::Found(file.problems);
    let mut routes = Vec::new();
    for (number, (at, entry)) in file.routes.into_iter().enumerate() {
        routes.extend(entry::route(&mut found, number + 1, at, entry, defaults));
    }
    if routes.is_empty() && found.0.is_empty() {
        found.add(0, "has no route; add a [[route]], or omit --routes to publish everything to --exchange");
    }
    checks::limits(&mut found, &routes, ROUTES_MAX, ROUTES_OF_TYPE_MAX);
    checks::names(&mut found, &routes);
    checks::destinations(&mut found, &routes);
    let kinds = checks::exchanges(&mut found, file.exchanges, &routes);
    if !found.0.is_empty() {
        let mut problems = found.0;
        problems.sort_by_key(|(at, _)| *at);
        return Err(problems.into_iter().map(|(at, problem)| (file::line_of(text, at), problem)).collect());
    }
    let sha: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let routes: Vec<Route> = routes.into_iter().map(|placed| placed.route).collect();
    let table = RouteTable::new(routes, &sha[..SHA_DIGITS]);
    let declared = declared(&table, &kinds);
    Ok(Routes { table, declared })
}

/// What the routes use: exchanges, and the queues of partitions.
fn declared(table: &RouteTable, kinds: &BTreeMap<String, ExchangeKind>) -> Declared {
    let mut queues = Vec::new();
    for route in table.all() {
        let Some(of_route) = &route.queues else { continue };
        for partition in 0..of_route.partitions.get() {
            let (name, routing_key) = of_route.queue(partition);
            queues.push(Queue { name, exchange: route.exchange.to_string(), routing_key });
        }
    }
    Declared { exchanges: exchanges_of(table.all(), kinds), queues }
}

/// The exchanges that routes use, each once, without the default exchange.
fn exchanges_of<'a>(
    routes: impl Iterator<Item = &'a Arc<Route>>,
    kinds: &BTreeMap<String, ExchangeKind>,
) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for route in routes {
        if route.exchange.is_empty() || exchanges.iter().any(|known| *known.name == *route.exchange) {
            continue;
        }
        let kind = kinds.get(&*route.exchange).cloned().unwrap_or(ExchangeKind::Topic);
        exchanges.push(Exchange { name: route.exchange.to_string(), kind });
    }
    exchanges
}

#[cfg(test)]
mod tests;
