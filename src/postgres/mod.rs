//! PostgreSQL, behind the seam `outbox::store`.
//!
//! `connect` and `pool` make connections, `call` bounds every statement, `queries` holds the SQL. `store` is the seam's implementation:
//! it reads a batch with `claim`, `past` and `rows`, settles it with `batch`, and moves the `floors`. `listen` hears NOTIFY, `grants` prints the
//! roles' rights.

pub mod batch;
pub(crate) mod call;
mod claim;
pub mod connect;
pub(crate) mod floors;
mod glance;
pub mod grants;
mod late;
pub mod listen;
mod past;
pub mod pool;
pub mod queries;
pub(crate) mod rows;
pub mod schema;
mod settle;
pub mod store;
mod unreadable;
