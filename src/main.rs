//! The program: reads the command line, runs the command, ends with its exit code.

use std::process::ExitCode;

use clap::Parser;
use outbox_relay::cli::routes::RoutesCommand;
use outbox_relay::cli::{Cli, Command};
<<<<<<< HEAD
use outbox_relay::commands::migrate;
use outbox_relay::commands::output::print;
=======
use outbox_relay::commands::{migrate, routes_render};
>>>>>>> af045b4 (Read routes from a file; render five envelopes; show what a route would send)
use outbox_relay::error::AppError;
use outbox_relay::{app, config};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_wrong = error.use_stderr();
            if let Err(error) = error.print() {
                eprintln!("{error}");
            }
            // clap's own code for wrong usage is 2; ours is 64, as in sysexits.
            return if is_wrong { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("outbox-relay: {error}");
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), AppError> {
    let runtime = |threads: usize| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map_err(|error| AppError::Bug(format!("the runtime cannot start: {error}")))
    };
    match cli.command {
        Command::Run(args) => {
            let config = config::run::run_config(&args).map_err(AppError::Config)?;
            app::start_logging(&config)?;
            runtime(2)?.block_on(app::run(config))
        }
        Command::Migrate(args) => {
            let command = config::migrate::migrate_config(&args).map_err(AppError::Config)?;
            if args.print {
                print(&migrate::print_up(&command.schema, command.notify));
                return Ok(());
            }
            if args.print_down {
                print(&migrate::print_down(&command.schema));
                return Ok(());
            }
            let database =
                command.database.ok_or_else(|| AppError::Config(vec!["--database-url is missing".into()]))?;
            let applied = runtime(1)?.block_on(migrate::migrate(&database, &command.schema, command.notify))?;
            let schema = &command.schema;
            let trigger = match command.notify {
                migrate::Notify::Keep => "",
                migrate::Notify::With => "the trigger that wakes relays is there\n",
                migrate::Notify::Without => "the trigger that wakes relays is gone\n",
            };
            print(&match applied.last() {
                Some(version) => format!("schema '{schema}' is now at version {version}\n"),
                None => format!("schema '{schema}' was up to date\n"),
            });
            print(trigger);
            Ok(())
        }
        Command::Routes(RoutesCommand::Render(args)) => {
            let command = config::routes_render::render_config(&args).map_err(AppError::Config)?;
            print(&routes_render::render(command, std::io::stdin().lock())?);
            Ok(())
        }
    }
}
