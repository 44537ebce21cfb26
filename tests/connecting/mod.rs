//! Connecting to real TLS listeners, with rotated files, and to a database that cannot be written or has no connection left.

mod servers;

mod addresses;
mod broker_tls;
mod database_modes;
mod database_tls;
mod expired;
mod hostile;
mod limits;
mod pooler;
mod refused_urls;
mod rotation;
mod silence;
