//! The runs of `make test`: seeds of relays as they are, and seeds with a planted defect, which the judge has to find.

use std::time::Instant;

use crate::defects::Defect;
use crate::run::run;
use crate::world::Log;

/// Seeds of an ordinary run; `SIM_SEEDS` asks for more, from `SIM_FROM` on.
const SEEDS: u64 = 2_000;
/// Each planted defect is found within so many seeds.
const SEEDS_TO_FIND: u64 = 300;
/// Seeds that are played twice.
const SEEDS_TWICE: u64 = 25;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn replay(seed: u64) -> String {
    format!("replay it with: SIM_SEED={seed} cargo test --test sim -- --nocapture every_seed")
}

#[test]
fn every_seed_keeps_the_promises() {
    if let Some(seed) = number("SIM_SEED") {
        let outcome = run(seed, None, Log::Aloud);
        assert!(outcome.found.is_empty(), "seed {seed}\n{}", outcome.found.join("\n"));
        return;
    }
    let (started, seeds) = (Instant::now(), number("SIM_SEEDS").unwrap_or(SEEDS));
    let first = number("SIM_FROM").unwrap_or(0);
    let (mut failed, mut virtual_ms, mut published, mut duplicates, mut letters) = (Vec::new(), 0, 0, 0, 0);
    for seed in first..first + seeds {
        let outcome = run(seed, None, Log::None);
        virtual_ms += outcome.virtual_ms;
        published += outcome.published;
        duplicates += outcome.duplicates;
        letters += outcome.dead_lettered;
        if !outcome.found.is_empty() {
            failed.push(format!("seed {seed}: {}\n  {}", outcome.found.join("\n  "), replay(seed)));
        }
    }
    println!(
        "{seeds} seeds, {:.1} virtual hours in {:.1} s: {published} published, {duplicates} duplicates, {letters} dead letters",
        virtual_ms as f64 / 3_600_000.0,
        started.elapsed().as_secs_f64()
    );
    assert!(failed.is_empty(), "{} of {seeds} seeds failed\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_run_line_by_line() {
    for seed in 0..SEEDS_TWICE {
        let (first, second) = (run(seed, None, Log::Kept).log, run(seed, None, Log::Kept).log);
        assert!(first.len() > 20, "seed {seed} says what happens");
        if let Some(line) = first.iter().zip(&second).position(|(first, second)| first != second) {
            panic!("seed {seed} differs in line {line}:\n{}\n{}", first[line], second[line]);
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

#[test]
fn every_planted_defect_is_found() {
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        let found = (0..SEEDS_TO_FIND).find_map(|seed| {
            let found = run(seed, Some(defect), Log::None).found;
            (!found.is_empty()).then_some((seed, found))
        });
        match found {
            Some((seed, found)) => println!("{defect:?}: found in seed {seed}: {}", found[0]),
            None => missed.push(defect),
        }
    }
    assert!(missed.is_empty(), "{missed:?} were not found in {SEEDS_TO_FIND} seeds each");
}
