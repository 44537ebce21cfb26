//! The relay's real core on a simulated database and a simulated broker, with faults from a seed and a clock that jumps: thousands of
//! runs in seconds, and each can be played again.

mod broker;
mod changes;
mod checker;
mod defects;
mod events;
mod faults;
mod gate;
mod process;
mod producers;
mod rabbit;
mod run;
mod store;
mod table;
mod upkeep;
mod wire;
mod world;

mod crowds;
mod seeds;
