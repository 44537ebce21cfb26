//! The commands that operators run once. Each file is one command.

pub mod migrate;
