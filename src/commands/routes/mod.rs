//! `routes`: lists the holds, puts destinations on hold and lifts them, and shows what an event becomes.

pub mod hold;
pub mod list;
pub mod names;
pub mod render;

use crate::cli::routes::RoutesCommand;
use crate::commands::checked;
use crate::commands::print::print;
use crate::config::holds::{hold_config, list_config, release_config};
use crate::config::routes_render::render_config;
use crate::error::AppError;

/// Runs one of its commands.
pub(super) async fn run(command: &RoutesCommand) -> Result<(), AppError> {
    match command {
        RoutesCommand::List(args) => list::list(&checked(list_config(args))?).await,
        RoutesCommand::Hold(args) => hold::hold(checked(hold_config(args))?).await,
        RoutesCommand::Release(args) => hold::release(checked(release_config(args))?).await,
        RoutesCommand::Render(args) => {
            let config = checked(render_config(args))?;
            print(&render::render(config, std::io::stdin().lock())?);
            Ok(())
        }
    }
}
