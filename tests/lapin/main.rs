//! lapin's traps, one module each, and that the relay does not fall into them (design section 5). To be run before any upgrade of
//! lapin: where one of these fails because lapin has fixed something, the rule it stands for can be read again.

mod link;

mod blocked;
mod closing;
mod library;
mod log;
mod recovery;
mod returns;
mod short_strings;
mod silence;
