//! Changes of many rows: what a selection matches, what it would mean, whether the operator agrees, and how far it got.

pub(crate) mod consent;
pub(crate) mod preview;
pub(crate) mod progress;
pub(crate) mod selection;
