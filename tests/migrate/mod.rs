//! `outbox-relay migrate`: together, twice, by hand, with and without its trigger, refused, and side by side in one database.

mod command;

mod applied;
mod order_writers;
mod printed;
mod schemas;
mod trigger;
mod upgraded;
