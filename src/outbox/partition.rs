//! Which partition of a route a key belongs to: the part of the routing key that spreads keys over queues and keeps each key in one.
//!
//! Used by the routing key's template. The function is a promise to consumers and to other languages (`docs/routes.md` has it in words,
//! `docs/partitions.json` its test vectors): it may never change.

use std::num::NonZeroU16;

use sha2::{Digest, Sha256};

/// More queues than this are a mistake; each is a process of the broker's.
pub const PARTITIONS_MAX: u16 = 1_024;

/// The first eight bytes of the key's SHA-256 as a big-endian number, modulo the number of partitions. A hash of every standard library,
/// and without arithmetic that languages do differently.
pub fn partition(key: &str, partitions: NonZeroU16) -> u16 {
    let digest = Sha256::digest(key.as_bytes());
    let first = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u16::try_from(first % u64::from(partitions.get())).expect("the rest of a division by 16 bits has 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_test_vectors_for_other_languages_hold() {
        let vectors: Value = serde_json::from_str(include_str!("../../docs/partitions.json")).expect("JSON");
        let vectors = vectors.as_array().expect("a list");
        assert!(vectors.len() >= 20);
        for vector in vectors {
            let key = vector["key"].as_str().expect("a key");
            let partitions = vector["partitions"].as_u64().and_then(|number| u16::try_from(number).ok());
            let partitions = partitions.and_then(NonZeroU16::new).expect("a number of partitions");
            assert_eq!(u64::from(partition(key, partitions)), vector["partition"].as_u64().expect("one"), "{vector}");
        }
    }

    #[test]
    fn keys_spread_evenly() {
        let partitions = NonZeroU16::new(8).expect("not zero");
        let mut counts = [0_u32; 8];
        for key in 0..8_000 {
            counts[usize::from(partition(&format!("order-{key}"), partitions))] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }
}
