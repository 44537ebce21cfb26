//! The environment's variables as flags: one rule for empty ones, switches as people write them, and names that no flag has.
//!
//! `main` parses with `command`; `run` and `check` report `unknown`.

use std::collections::BTreeSet;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::cli::Cli;

/// What all our variables begin with.
const PREFIX: &str = "OUTBOX_";
/// Two names resemble each other from here on (Jaro-Winkler, 0 to 1).
const RESEMBLES: f64 = 0.85;
/// Our variables that are no flags.
const OTHERS: [&str; 1] = ["OUTBOX_CRASH_AT"];

/// The command line, where an empty variable is as good as none, and the help names variables without their values.
pub fn command() -> Command {
    adapted(Cli::command())
}

fn adapted(command: Command) -> Command {
    command.mut_args(adapted_argument).mut_subcommands(adapted)
}

fn adapted_argument(argument: Arg) -> Arg {
    let is_empty = argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let argument = if is_empty { argument.env(None::<&'static str>) } else { argument };
    let is_switch = matches!(argument.get_action(), ArgAction::SetTrue) && argument.get_env().is_some();
    let argument = if is_switch { argument.value_parser(BoolishValueParser::new()) } else { argument };
    argument.hide_env_values(true)
}

/// A variable that no flag reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// The variable that may be meant.
    pub nearest: Option<String>,
}

/// The unknown ones among `names`. Those that Kubernetes makes for services called `outbox-…` are left out.
pub fn unknown(names: impl Iterator<Item = String>) -> Vec<Unknown> {
    let known = variables(&Cli::command());
    let is_ours = |name: &String| name.starts_with(PREFIX) && !is_of_kubernetes(name);
    let is_strange = |name: &String| !known.contains(name) && !OTHERS.contains(&name.as_str());
    let names: BTreeSet<String> = names.filter(is_ours).filter(is_strange).collect();
    names.into_iter().map(|name| Unknown { nearest: nearest(&name, &known), name }).collect()
}

/// The names of the environment; a name that is no text is not ours.
pub fn variable_names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

fn nearest(name: &str, known: &BTreeSet<String>) -> Option<String> {
    let bare = |name: &str| name.trim_start_matches(PREFIX).to_owned();
    let scored = known.iter().map(|one| (strsim::jaro_winkler(&bare(name), &bare(one)), one));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(score, _)| *score >= RESEMBLES).map(|(_, name)| name.clone())
}

/// `OUTBOX_RELAY_SERVICE_HOST`, `OUTBOX_RELAY_PORT_9632_TCP_ADDR` and so on.
fn is_of_kubernetes(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

fn variables(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, Option<String>)> {
        let found = unknown(names.iter().map(ToString::to_string));
        found.into_iter().map(|unknown| (unknown.name, unknown.nearest)).collect()
    }

    #[test]
    fn a_mistyped_variable_is_named_with_the_nearest() {
        for (name, nearest) in [
            ("OUTBOX_DATABASE_ULR", Some("OUTBOX_DATABASE_URL")),
            ("OUTBOX_EXCHANGES", Some("OUTBOX_EXCHANGE")),
            ("OUTBOX_BATCHSIZE", Some("OUTBOX_BATCH_SIZE")),
            ("OUTBOX_QUUX", None),
        ] {
            assert_eq!(found(&[name]), [(name.to_owned(), nearest.map(str::to_owned))]);
        }
    }

    #[test]
    fn flags_and_what_kubernetes_makes_are_known() {
        let names = [
            "OUTBOX_DATABASE_URL",
            "OUTBOX_DECLARE",
            "PATH",
            "OUTBOX_RELAY_SERVICE_HOST",
            "OUTBOX_RELAY_SERVICE_PORT",
            "OUTBOX_RELAY_SERVICE_PORT_METRICS",
            "OUTBOX_RELAY_PORT",
            "OUTBOX_RELAY_PORT_9632_TCP_ADDR",
        ];
        assert_eq!(found(&names), []);
    }
}
