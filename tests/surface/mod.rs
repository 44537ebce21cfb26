//! The process's surface: the admin port and who may do what there, the metrics as Prometheus reads them, the log during an outage and
//! under JSON, and where secrets do not appear.

mod admin_port;
mod health;
mod health_command;
mod json_log;
mod metrics;
mod outage_log;
mod raw_http;
mod secrets;
mod status;
mod wake_from;
