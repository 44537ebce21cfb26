//! The commands that operators run. Each has a file or a folder of its name; the other folders are what they share: `session` reads and
//! changes, `state` makes sense of what was read, `many` selects, previews and confirms changes of many rows, `print` writes answers.

pub mod check;
pub mod completions;
pub mod dlq;
pub mod health;
pub mod keys;
mod many;
pub mod migrate;
pub mod print;
pub mod purge;
pub mod replay;
pub mod routes;
#[cfg(test)]
mod schemas;
pub mod session;
pub mod state;
pub mod status;
pub mod trace;

use crate::cli::Command;
use crate::cli::purge::PurgeCommand;
use crate::commands::print::say;
use crate::config;
use crate::config::command::command_config;
use crate::error::AppError;

/// Runs one command. `run` has a runtime and a log of its own: `main` starts it.
pub async fn run(command: Command) -> Result<(), AppError> {
    for flag in config::visible::visible_secrets(std::env::args()) {
        say(&format!(
            "outbox-relay: {flag}: the secret is visible in the process list; use the variable or the file instead\n"
        ));
    }
    match command {
        Command::Run(_) => Err(AppError::Bug("`run` is not an operator command".into())),
        Command::Migrate(args) => migrate::run(checked(config::migrate::migrate_config(&args))?).await,
        Command::Check(args) => Box::pin(check::check(checked(config::check::check_config(&args))?)).await,
        Command::Status(args) => status::run(checked(config::status::status_config(&args))?).await,
        Command::Trace(args) => {
            let config = checked(command_config(&args.common, "trace"))?;
            trace::trace(config, &args.target, args.limit, args.payload).await
        }
        Command::Keys(args) => keys::run(&args.command).await,
        Command::Routes(args) => routes::run(&args.command).await,
        Command::Dlq(args) => dlq::run(&args.command).await,
        Command::Replay(args) => replay::run(checked(config::replay::replay_config(&args))?).await,
        Command::Purge(args) => {
            purge::run(checked(match &args.command {
                PurgeCommand::Published(args) => config::purge::published_config(args),
                PurgeCommand::DeadLetters(args) => config::purge::dead_letters_config(args),
            })?)
            .await
        }
        Command::Health(args) => health::health(checked(config::health::health_config(&args))?).await,
        Command::Completions(args) => {
            completions::completions(args.shell);
            Ok(())
        }
    }
}

/// The configuration of a command, or every problem with it.
fn checked<T>(config: Result<T, Vec<String>>) -> Result<T, AppError> {
    config.map_err(AppError::Config)
}
