//! The table at the end of the story.
//!
//! Called by `mod`. Promises numbers as they were counted.

use std::time::Duration;

use crate::report::thousands;
use crate::story::clients::Asked;
use crate::story::outcome::Outcome;

pub fn show(asked: &Asked, events: usize, took: Duration, outcomes: &[Outcome]) {
    let requests = asked.took.len();
    let percentile = |share: f64| asked.took.get((requests as f64 * share) as usize).map_or(0, Duration::as_millis);
    println!("  orders placed     {} ({} of them twice, by the same key)", thousands(asked.orders), asked.repeated);
    println!("  requests          {}, p50 {} ms, p99 {} ms", thousands(requests), percentile(0.5), percentile(0.99));
    println!(
        "  events committed  {}, all delivered {:.1} s after the first request",
        thousands(events),
        took.as_secs_f64()
    );
    println!();
    println!(
        "  {:<14}{:>6}{:>11}{:>11}{:>7}{:>15}{:>9}{:>11}{:>8}",
        "consumer", "keys", "committed", "delivered", "lost", "out of order", "copies", "invented", "unfit"
    );
    for outcome in outcomes {
        println!(
            "  {:<14}{:>6}{:>11}{:>11}{:>7}{:>15}{:>9}{:>11}{:>8}",
            outcome.service,
            outcome.keys,
            thousands(outcome.expected),
            thousands(outcome.delivered),
            outcome.lost(),
            outcome.out_of_order,
            outcome.copies,
            outcome.invented,
            outcome.unfit.len(),
        );
    }
    for (service, why) in
        outcomes.iter().flat_map(|outcome| outcome.unfit.iter().take(5).map(|why| (outcome.service, why)))
    {
        println!("  unfit for {service}: {why}");
    }
}
