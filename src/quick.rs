//! Maps of the hot path, with a fast hash. The standard library's hash takes about 200 instructions
//! for a destination or an event's id, and a message needs about twenty hashes: 5,100 of its 56,600
//! instructions (docs/performance.md). Foldhash also uses a random seed, but does not withstand
//! somebody who chooses keys and measures times. Whoever can write the outbox table can slow the
//! relay down anyway.

use foldhash::fast::RandomState;

/// A map with a fast hash.
pub type QuickMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set with a fast hash.
pub type QuickSet<K> = std::collections::HashSet<K, RandomState>;
