//! The commands that change: replays, dead letters, keys, routes, purges; with a real relay, most of them under load.

mod bad_input;
mod dlq;
mod dlq_replay;
mod frozen;
mod interrupted;
mod keys;
mod purge;
mod replay;
mod roles;
mod routes;
mod scene;
