//! The commands that operators run. Each command has a file of its name, with files beside it
//! where it has parts; the others are what they share: `session` and `reader` read, `rows`, `facts` and `state` make sense of it, `next`
//! and `words` say it, `output` prints it.

pub mod check;
mod check_broker;
mod check_database;
pub mod check_finding;
mod check_routes;
mod check_tables;
pub mod facts;
pub mod keys_list;
mod change;
mod consent;
pub mod dead_letters;
pub mod dead_letters_discard;
pub mod dead_letters_replay;
pub mod keys_change;
pub mod migrate;
pub mod next;
pub mod output;
mod progress;
pub mod purge;
pub mod replay;
mod replay_run;
mod replay_runs;
pub mod routes;
pub mod routes_list;
mod routes_names;
pub mod routes_render;
pub mod selection;
mod selection_preview;
pub mod output_time;
mod reader;
pub mod rows;
pub mod session;
pub mod state;
pub mod status;
mod status_answer;
pub mod trace;
mod trace_answer;
mod trace_find;
mod trace_missing;
pub mod words;
