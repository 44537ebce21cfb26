//! The program: parses the command line, runs the command, and ends with its exit code.
#![warn(unreachable_pub, clippy::wildcard_enum_match_arm)]

use std::process::ExitCode;

use clap::FromArgMatches;
use outbox_relay::cli::{self, Cli, Command};
use outbox_relay::commands::print::{say, say_json};
use outbox_relay::error::AppError;
use outbox_relay::{app, commands, config};
use tikv_jemallocator::Jemalloc;
use tokio::runtime::{Builder, Runtime};

/// A message takes about twenty small allocations, made by one thread and often freed by another.
/// With the C library's allocator they took nearly a third of the worker threads' time.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let parsed = cli::environment::command()
        .try_get_matches()
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, is_json) = match parsed {
        Ok((cli, matches)) => (cli, cli::wants_json(&matches)),
        Err(error) => return refuse(&error),
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, is_json),
    }
}

/// Prints what clap has to say: the help, the version, or what is wrong with the arguments.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_wrong = error.use_stderr();
    if is_wrong && std::env::args_os().any(|argument| argument == "--json") {
        return fail(&AppError::Config(vec![error.to_string().trim_end().to_owned()]), true);
    }
    if let Err(error) = error.print() {
        say(&format!("{error}\n"));
    }
    // clap's own code for wrong usage is 2; ours is 64, as in sysexits.
    if is_wrong { ExitCode::from(64) } else { ExitCode::SUCCESS }
}

/// Tells a person, or a script, why the command did not succeed.
fn fail(error: &AppError, is_json: bool) -> ExitCode {
    if is_json {
        say_json(&error.answer());
    } else {
        say(&format!("outbox-relay: {error}\n"));
    }
    error.exit_code()
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
