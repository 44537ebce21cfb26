//! Maps of the hot path, with a hash that is quick. The standard library's costs about 200 instructions for a destination or an event's id,
//! and a message takes some twenty of them: 5,100 of its 56,600 (docs/performance.md). Foldhash is seeded at random too, though not made to
//! withstand somebody who chooses keys and sees how long things take; whoever writes the outbox table can slow the relay down anyway.

use foldhash::fast::RandomState;

/// A map by a quick hash.
pub type QuickMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set by a quick hash.
pub type QuickSet<K> = std::collections::HashSet<K, RandomState>;
