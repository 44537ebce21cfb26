//! Whatever rows come in: property tests of the pure parts, which must neither panic nor let anything through that breaks its limits.

pub mod any;

mod events;
