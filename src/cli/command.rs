//! Arguments of every command that reads or changes the outbox.

use clap::{Args, ValueEnum};

use crate::cli::services::DatabaseArgs;

/// Which outbox to use, and how to print the answer.
#[derive(Debug, Clone, Args)]
pub struct CommandArgs {
    /// Print one JSON document: the same as -o json
    #[arg(long, help_heading = "Output", conflicts_with = "output")]
    pub json: bool,
    /// How to print the answer: text (fitted to the terminal), wide (nothing cut, ids and times whole), json, or name (of a list, one id, key or name a line)
    #[arg(short = 'o', long, help_heading = "Output", value_enum, hide_possible_values = true, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// How to print an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, fitted to the terminal.
    Text,
    /// For people, with nothing cut.
    Wide,
    /// One JSON document.
    Json,
    /// Only names: one a line, for scripts.
    Name,
}

impl From<bool> for Format {
    /// Whether `--json` was given.
    fn from(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

impl CommandArgs {
    /// The format that was asked for.
    pub fn format(&self) -> Format {
        self.output.unwrap_or_else(|| self.json.into())
    }
}
