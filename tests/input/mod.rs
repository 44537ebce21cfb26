//! Whatever comes in: rows, routes files, configurations. Property tests of the pure parts, which must neither panic nor let anything
//! through that breaks its limits.

pub mod any;

mod configuration;
mod events;
mod routes_file;
