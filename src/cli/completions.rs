//! The arguments of `completions`.

use clap::Args;
use clap_complete::Shell;

/// `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const AFTER: &str = "\
Examples:
  outbox-relay completions bash > /usr/share/bash-completion/completions/outbox-relay
  source <(outbox-relay completions zsh)

Exit codes: 0 done · 64 usage";
