//! The commands that only read: `trace`, `status`, `keys list` and `check`, asked of real services while things go well and wrong.

mod ask;

mod bounds;
mod check_broker;
mod check_database;
mod condition;
mod keys;
mod load;
mod missing;
mod stage;
mod states;
mod status;
