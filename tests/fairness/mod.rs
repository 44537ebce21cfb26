//! What is broken many times over hurts only itself: thousands of waiting keys, a key with thousands of events, holds whose lanes are busy,
//! few channels, locks in strange hands. Real relay processes against real services.

mod field;

mod channels;
mod clock;
mod crowds;
mod holds;
mod reindex;
mod strangers;
