//! The small values that orders and events are made of. Each is checked once, when it is made, and reads and writes
//! itself as the wire shows it.

pub mod id;
pub mod exact;
pub mod amount;
pub mod currency;
pub mod quantity;
pub mod timestamp;
pub mod text;
pub mod traceparent;
