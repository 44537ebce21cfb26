//! Writes man pages and shell completions from the command line's own definition: `cargo run --example manual -- FOLDER`. Called by
//! `dev/dist`; not part of the program, which needs neither.
//!
//! Promises one page per command that is shown, named as `git` names its own (`outbox-relay-dlq-replay.1`), and completions for bash, zsh
//! and fish. Refuses a folder that cannot be written.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use clap::CommandFactory;
use clap_complete::Shell;
use outbox_relay::cli::Cli;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: cargo run --example manual -- FOLDER");
        return ExitCode::from(64);
    };
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manual: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    let (pages, completions) = (folder.join("man/man1"), folder.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Cli::command(), &pages)?;
    let mut root = Cli::command();
    let name = root.get_name().to_owned();
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut root, &name, &completions)?;
    }
    Ok(())
}
