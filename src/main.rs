//! The program: parses the command line, runs the command, and ends with its exit code.
#![warn(unreachable_pub, clippy::wildcard_enum_match_arm)]

use std::process::ExitCode;

use clap::Parser;
use outbox_relay::cli::{Cli, Command};
use outbox_relay::commands::print::say;
use outbox_relay::error::AppError;
use outbox_relay::{app, commands, config};
use tikv_jemallocator::Jemalloc;
use tokio::runtime::{Builder, Runtime};

/// A message takes about twenty small allocations, made by one thread and often freed by another.
/// With the C library's allocator they took nearly a third of the worker threads' time.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_wrong = error.use_stderr();
            if let Err(error) = error.print() {
                say(&format!("{error}\n"));
            }
            // clap's own code for wrong usage is 2; ours is 64, as in sysexits.
            return if is_wrong { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("outbox-relay: {error}\n"));
            error.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), AppError> {
    if let Command::Run(args) = command {
        let config = config::run::run_config(&args).map_err(AppError::Config)?;
        app::start_logging(&config)?;
        return runtime(2)?.block_on(app::run(config));
    }
    runtime(1)?.block_on(commands::run(command))
}

fn runtime(threads: usize) -> Result<Runtime, AppError> {
    let built = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    built.map_err(|error| AppError::Bug(format!("cannot start the runtime: {error}")))
}
