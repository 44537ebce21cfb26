//! Spans: what a real relay exports to a small collector, and that a collector that is away costs the relay nothing. Built with the
//! feature `opentelemetry` alone.

mod away;
mod collector;
mod spans;
mod tls;

use testkit::{Relay, TestBed};

/// A relay with these variables in its environment, whose spans leave soon.
async fn relay(bed: &TestBed, variables: &[(&str, &str)], args: &[&str]) -> Relay {
    let soon = [("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let mut relay = Relay::spawn_in(bed, args, &[&soon, variables].concat());
    relay.answers_at(relay.admin()).await;
    relay
}

/// Lines of the log that hold these words.
fn lines_with(relay: &Relay, words: &str) -> Vec<String> {
    relay.log().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
}
