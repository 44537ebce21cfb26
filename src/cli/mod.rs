//! The command line: names, defaults and help. Values are only read here; `config` checks them, all together.

pub mod check;
pub mod command;
pub mod dlq;
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

use clap::{Parser, Subcommand};

use crate::cli::check::CheckArgs;
use crate::cli::dlq::DlqArgs;
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
/// Every flag of `run`, and of the other commands those that say how to reach the services and where to publish, has an environment twin:
/// OUTBOX_ and the flag's name, for example OUTBOX_DATABASE_URL. Durations are written 250ms, 30s, 7d or off, sizes 512KiB or 16MiB.
///
/// Exit codes: 0 done · 1 no: not found, refused or partly done · 64 wrong usage or configuration · 69 a service cannot be reached (not
/// `run`, which waits for its services) · 70 a bug.
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
    /// Relay events until told to stop.
    #[command(long_about = run::ABOUT)]
    Run(Box<RunArgs>),
    /// Create or upgrade the outbox tables, and grant roles what they need.
    #[command(long_about = migrate::ABOUT)]
    Migrate(Box<MigrateArgs>),
    /// Preflight: try what a relay would do, and name the mend of what would not work.
    #[command(long_about = check::LONG_ABOUT)]
    Check(Box<CheckArgs>),
    /// The whole outbox at a glance.
    #[command(long_about = status::LONG_ABOUT)]
    Status(StatusArgs),
    /// Where an event is, why, and what to type next.
    #[command(long_about = trace::LONG_ABOUT)]
    Trace(TraceArgs),
    /// Keys that wait: list them, let one go on.
    Keys(KeysArgs),
    /// Routes, and what is on hold: list them, hold a route, release one, show an event's messages.
    Routes(RoutesArgs),
    /// Dead letters: list, show, replay, discard.
    Dlq(DlqArgs),
    /// Send published events again.
    #[command(long_about = replay::ABOUT)]
    Replay(Box<ReplayArgs>),
    /// Delete published events or resolved dead letters.
    Purge(PurgeArgs),
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
    fn the_upkeep_knows_every_command_whose_backend_it_spares() {
        let cli = Cli::command();
        let names: Vec<&str> =
            cli.get_subcommands().map(clap::Command::get_name).filter(|name| *name != "run").collect();
        let mut known = crate::upkeep::COMMANDS.to_vec();
        known.sort_unstable();
        let mut expected = names;
        expected.sort_unstable();
        assert_eq!(known, expected);
    }

    #[test]
    fn every_flag_of_run_has_its_environment_twin() {
        let cli = Cli::command();
        let run = cli.find_subcommand("run").expect("run is a command");
        for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
            let flag = argument.get_long().expect("every argument is a flag");
            let twin = format!("OUTBOX_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(twin.as_str()), "--{flag}");
        }
    }
}
