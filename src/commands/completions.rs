//! `completions`: prints a shell's completions of the command line. Called by `commands`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::commands::print::print;

/// Prints them.
pub fn completions(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "outbox-relay", &mut script);
    print(&String::from_utf8_lossy(&script));
}
