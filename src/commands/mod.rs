//! The commands that operators run. Each file is one command, but for `session` and `output`, which they share.

mod change;
mod consent;
pub mod dead_letters;
pub mod dead_letters_discard;
pub mod dead_letters_replay;
pub mod keys_change;
//! The commands that operators run once. Each file is one command, `grants` a part of `migrate`.
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
