//! `keys`: lists the keys that wait, and changes what they wait for.

pub mod change;
pub mod list;

use crate::cli::keys::KeysCommand;
use crate::commands::checked;
use crate::config::command::command_config;
use crate::config::keys::key_config;
use crate::error::AppError;

/// Runs one of its commands.
pub(super) async fn run(command: &KeysCommand) -> Result<(), AppError> {
    match command {
        KeysCommand::List(args) => {
            let config = checked(command_config(&args.common, "keys"))?;
            list::list(config, args.reason.map(Into::into), (args.limit, args.group)).await
        }
        KeysCommand::Release(args) => change::release(checked(key_config(args))?).await,
        KeysCommand::DeadLetter(args) => change::dead_letter(checked(key_config(args))?).await,
    }
}
