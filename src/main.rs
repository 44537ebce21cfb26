//! The program: reads the command line, runs the command, ends with its exit code.
#![warn(unreachable_pub, clippy::wildcard_enum_match_arm)]

use std::process::ExitCode;

use clap::Parser;
use outbox_relay::cli::command::CommandArgs;
use outbox_relay::cli::dead_letters::DlqCommand;
use outbox_relay::cli::keys::KeysCommand;
use outbox_relay::cli::purge::PurgeCommand;
use outbox_relay::cli::routes::RoutesCommand;
use outbox_relay::cli::{Cli, Command};
use outbox_relay::commands::output::{print, say};
use outbox_relay::commands::{
    check, dead_letters, dead_letters_discard, dead_letters_replay, keys_change, keys_list, migrate, purge, replay,
    routes, routes_list, routes_render, status, trace,
};
use outbox_relay::config::command::CommandConfig;
use outbox_relay::error::AppError;
use outbox_relay::{app, config};
use tikv_jemallocator::Jemalloc;

/// A message is some twenty small allocations, made by one thread and often freed by another: with the C library's allocator they were
/// nearly a third of its worker threads' time.
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
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("outbox-relay: {error}\n"));
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), AppError> {
    // `run` says so in its log.
    if !matches!(cli.command, Command::Run(_)) {
        for flag in config::visible::visible_secrets(std::env::args()) {
            say(&format!(
                "outbox-relay: {flag}: the secret is visible in the process list; use the variable or the file\n"
            ));
        }
    }
    match cli.command {
        Command::Run(args) => {
            let config = config::run::run_config(&args).map_err(AppError::Config)?;
            app::start_logging(&config)?;
            runtime(2)?.block_on(app::run(config))
        }
        Command::Migrate(args) => runtime(1)?.block_on(migrate::run(checked(config::migrate::migrate_config(&args))?)),
        Command::Check(args) => runtime(1)?.block_on(check::check(checked(config::check::check_config(&args))?)),
        Command::Status(args) => runtime(1)?.block_on(status::status(common(&args.common, "status")?)),
        Command::Trace(args) => {
            let config = common(&args.common, "trace")?;
            runtime(1)?.block_on(trace::trace(config, &args.target, args.limit, args.payload))
        }
        Command::Keys(args) => runtime(1)?.block_on(keys(&args.command)),
        Command::Routes(args) => runtime(1)?.block_on(on_routes(&args.command)),
        Command::Dlq(args) => runtime(1)?.block_on(dlq(&args.command)),
        Command::Replay(args) => runtime(1)?.block_on(replay::run(checked(config::replay::replay_config(&args))?)),
        Command::Purge(args) => runtime(1)?.block_on(purge::run(checked(match &args.command {
            PurgeCommand::Published(args) => config::purge::published_config(args),
            PurgeCommand::DeadLetters(args) => config::purge::dead_letters_config(args),
        })?)),
    }
}

fn checked<T>(config: Result<T, Vec<String>>) -> Result<T, AppError> {
    config.map_err(AppError::Config)
}

fn common(args: &CommandArgs, name: &str) -> Result<CommandConfig, AppError> {
    checked(config::command::command_config(args, name))
}

async fn keys(command: &KeysCommand) -> Result<(), AppError> {
    match command {
        KeysCommand::List(args) => {
            keys_list::list(common(&args.common, "keys")?, args.reason.map(Into::into), args.limit).await
        }
        KeysCommand::Release(args) => keys_change::release(checked(config::keys::key_config(args))?).await,
        KeysCommand::DeadLetter(args) => keys_change::dead_letter(checked(config::keys::key_config(args))?).await,
    }
}

async fn on_routes(command: &RoutesCommand) -> Result<(), AppError> {
    match command {
        RoutesCommand::List(args) => routes_list::list(&checked(config::route_holds::list_config(args))?).await,
        RoutesCommand::Hold(args) => routes::hold(checked(config::route_holds::hold_config(args))?).await,
        RoutesCommand::Release(args) => routes::release(checked(config::route_holds::release_config(args))?).await,
        RoutesCommand::Render(args) => {
            let config = checked(config::routes_render::render_config(args))?;
            print(&routes_render::render(config, std::io::stdin().lock())?);
            Ok(())
        }
    }
}

async fn dlq(command: &DlqCommand) -> Result<(), AppError> {
    use config::dead_letters as dlq;
    match command {
        DlqCommand::List(args) => dead_letters::list(checked(dlq::list_config(args))?).await,
        DlqCommand::Show(args) => dead_letters::show(checked(dlq::show_config(args))?).await,
        DlqCommand::Replay(args) => dead_letters_replay::run(checked(dlq::replay_config(args))?).await,
        DlqCommand::Discard(args) => dead_letters_discard::run(checked(dlq::discard_config(args))?).await,
    }
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, AppError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| AppError::Bug(format!("the runtime cannot start: {error}")))
}
