//! The commands that operators run. Each file is one command, but for `session` and `output`, which they share.

pub mod migrate;
pub mod output;
pub mod routes_render;
pub mod session;
