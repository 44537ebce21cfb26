//! The commands that operators run. Each file is one command or a part of one; `session`, `output` and what they share has no command of its own.

mod change;
mod consent;
pub mod dead_letters;
pub mod dead_letters_discard;
pub mod dead_letters_replay;
pub mod keys_change;
pub mod grants;
pub mod migrate;
pub mod output;
mod progress;
pub mod purge;
pub mod replay;
mod replay_run;
mod replay_runs;
pub mod routes;
pub mod routes_render;
pub mod selection;
mod selection_preview;
pub mod session;
