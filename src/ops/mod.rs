//! What operators see of the process: the admin port, metrics, logs, and stopping.

pub mod admin;
mod host;
pub mod logging;
pub mod metrics;
pub mod pulse;
pub mod quota;
pub mod serve;
pub mod shutdown;
pub mod socket;
pub mod spans;
pub mod status;
pub mod vitals;
