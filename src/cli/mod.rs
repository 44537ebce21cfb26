//! The command line: names, defaults and help. Only reads values; `config` checks them all
//! together.

pub mod check;
pub mod command;
pub mod completions;
pub mod dlq;
pub mod environment;
pub mod health;
pub mod keys;
pub mod migrate;
pub mod purge;
pub mod replay;
pub mod routes;
pub mod run;
pub mod selection;
pub mod services;
pub mod status;
pub mod trace;

use clap::{ArgMatches, Parser, Subcommand};

use crate::cli::check::CheckArgs;
use crate::cli::command::Format;
use crate::cli::completions::CompletionsArgs;
use crate::cli::dlq::DlqArgs;
use crate::cli::health::HealthArgs;
use crate::cli::keys::KeysArgs;
use crate::cli::migrate::MigrateArgs;
use crate::cli::purge::PurgeArgs;
use crate::cli::replay::ReplayArgs;
use crate::cli::routes::RoutesArgs;
use crate::cli::run::RunArgs;
use crate::cli::status::StatusArgs;
use crate::cli::trace::TraceArgs;

/// Publishes the rows of a PostgreSQL outbox table to RabbitMQ, in order per key, with publisher confirms.
///
/// Every flag of `run` can also be set by an environment variable: OUTBOX_ and the flag's name, for
/// example OUTBOX_DATABASE_URL. So can the connection and route flags of the other commands. An empty
/// variable is not set. Write durations as 250ms, 30s or 7d, and sizes as 512KiB or 16MiB; switches
/// take 1, yes, on and true, or 0, no, off and false.
///
/// Exit codes: 0 done · 1 not found, refused or only partly done · 64 wrong usage or configuration
/// · 69 a service cannot be reached (`run` waits for its services instead) · 70 a bug.
#[derive(Debug, Parser)]
#[command(name = "outbox-relay", version, max_term_width = 120)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Relay events until stopped.
    #[command(long_about = run::ABOUT)]
    Run(Box<RunArgs>),
    /// Create or upgrade the outbox tables, and grant roles what they need.
    #[command(long_about = migrate::ABOUT)]
    Migrate(Box<MigrateArgs>),
    /// Check everything a relay needs, and say how to fix what is missing.
    #[command(long_about = check::LONG_ABOUT)]
    Check(Box<CheckArgs>),
    /// Show the whole outbox on one screen.
    #[command(long_about = status::LONG_ABOUT)]
    Status(StatusArgs),
    /// Show where an event is, why, and what to do next.
    #[command(long_about = trace::LONG_ABOUT)]
    Trace(TraceArgs),
    /// List waiting keys, or let one continue.
    Keys(KeysArgs),
    /// List routes and holds, hold or release a route, or show an event's messages.
    Routes(RoutesArgs),
    /// List, show, replay or discard dead letters.
    Dlq(DlqArgs),
    /// Send published events again.
    #[command(long_about = replay::ABOUT)]
    Replay(Box<ReplayArgs>),
    /// Delete published events or resolved dead letters.
    Purge(PurgeArgs),
    /// Whether the relay on this host is alive, for the health checks of containers.
    #[command(long_about = health::LONG_ABOUT)]
    Health(HealthArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
}

/// Whether the command that was parsed was given `--json`.
pub fn wants_json(matches: &ArgMatches) -> bool {
    let here = matches.try_get_one::<bool>("json").ok().flatten().is_some_and(|json| *json);
    let format = matches.try_get_one::<Format>("output").ok().flatten().is_some_and(|format| *format == Format::Json);
    here || format || matches.subcommand().is_some_and(|(_, matches)| wants_json(matches))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_commands_own_options_come_before_how_to_reach_the_database() {
        let mut status = environment::command().find_subcommand("status").expect("status is a command").clone();
        let help = status.render_help().to_string();
        let place = |words: &str| help.find(words).unwrap_or_else(|| panic!("no {words} in {help}"));
        assert!(place("--watch") < place("--database-url"), "{help}");
        assert!(!help.contains("=]") && !help.contains("--database-cert-file"), "{help}");
        assert!(status.render_long_help().to_string().contains("--database-cert-file"));
    }

    #[test]
    fn the_upkeep_knows_every_command_whose_backend_it_spares() {
        let cli = Cli::command();
        // `run` is the relay, and the other two connect to no database.
        let others = ["run", "health", "completions"];
        let names: Vec<&str> =
            cli.get_subcommands().map(clap::Command::get_name).filter(|name| !others.contains(name)).collect();
        let mut known = crate::upkeep::COMMANDS.to_vec();
        known.sort_unstable();
        let mut expected = names;
        expected.sort_unstable();
        assert_eq!(known, expected);
    }

    #[test]
    fn every_flag_of_run_has_its_environment_variable() {
        let cli = Cli::command();
        let run = cli.find_subcommand("run").expect("run is a command");
        for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
            let flag = argument.get_long().expect("every argument is a flag");
            let twin = format!("OUTBOX_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(twin.as_str()), "--{flag}");
        }
    }
}
