//! `dlq`: lists and shows dead letters, sends them again, or marks them as done with.

mod discard;
mod group;
mod list;
pub(super) mod replay;

#[cfg(test)]
pub(in crate::commands) use discard::schema as discard_schema;
#[cfg(test)]
pub(in crate::commands) use list::{list_schema, show_schema};

use crate::cli::dlq::DlqCommand;
use crate::commands::checked;
use crate::config::dlq::{discard_config, list_config, replay_config, show_config};
use crate::error::AppError;

/// Runs one of its commands.
pub(super) async fn run(command: &DlqCommand) -> Result<(), AppError> {
    match command {
        DlqCommand::List(args) => list::list(checked(list_config(args))?).await,
        DlqCommand::Show(args) => list::show(checked(show_config(args))?).await,
        DlqCommand::Replay(args) => replay::run(checked(replay_config(args))?).await,
        DlqCommand::Discard(args) => discard::run(checked(discard_config(args))?).await,
    }
}
