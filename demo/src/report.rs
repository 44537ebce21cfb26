//! The tables at the end of each phase.
//!
//! Called by `traffic`, `drain` and `live`. Promises numbers as they were measured and "n/a" for what was not.

use std::time::{Duration, Instant};

use crate::feed::{Arrival, Arrivals};
use crate::verdict::Verdict;

pub fn accounts(verdict: &Verdict) {
    println!();
    row("committed", thousands(verdict.committed));
    row("rolled back", thousands(verdict.rolled_back));
    row("delivered", thousands(verdict.delivered));
    row("lost", thousands(verdict.lost));
    row("invented", thousands(verdict.invented));
    row("out of order", thousands(verdict.out_of_order));
    row("duplicates", thousands(verdict.duplicates));
}

pub fn pace(arrivals: &Arrivals, cpu: Option<Duration>) {
    let mut lags: Vec<i64> = arrivals.all.iter().map(|arrival| arrival.lag_ms).collect();
    lags.sort_unstable();
    let percentile = |share: f64| lags.get((lags.len() as f64 * share) as usize).copied().unwrap_or(0);
    row("lag p50 / p99", format!("{} / {} ms", percentile(0.5), percentile(0.99)));
    if let (Some(first), Some(last)) = (arrivals.all.first(), arrivals.all.last()) {
        row("rate", format!("{} /s, first to last arrival", rate(arrivals.all.len(), last.at - first.at)));
    }
    row("relay CPU", cpu_per_event(cpu, arrivals.all.len()));
}

pub fn drain(arrivals: &[Arrival], started: Instant, cpu: Option<Duration>, before: f64, after: f64) {
    println!();
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
        row("drain", "nothing arrived".to_owned());
        return;
    };
    let took = last.at - started;
    let drained = arrivals.len() as f64 / took.as_secs_f64();
    let ceiling = (before + after) / 2.0;
    row("drain", format!("{} /s, relay's start to last arrival", rate(arrivals.len(), took)));
    row("first arrival", format!("{} ms after the start", (first.at - started).as_millis()));
    row("after the first", format!("{} /s", rate(arrivals.len(), last.at - first.at)));
    row("relay CPU", cpu_per_event(cpu, arrivals.len()));
    let (before, after) = (thousands(before as usize), thousands(after as usize));
    row("broker's ceiling", format!("{before} /s before, {after} /s after (1 KiB, no consumer, no database)"));
    row("drain / ceiling", format!("{:.2}", drained / ceiling));
}

/// What helps to find out why the accounts do not balance.
pub fn trouble(arrivals: &Arrivals, outbox: &str) {
    println!();
    row("outbox", outbox.to_owned());
    for why in arrivals.unreadable.iter().take(5) {
        row("unreadable", why.clone());
    }
}

/// 1234567 as 1,234,567.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rate(count: usize, took: Duration) -> String {
    if took.is_zero() { "n/a".to_owned() } else { thousands((count as f64 / took.as_secs_f64()) as usize) }
}

fn cpu_per_event(cpu: Option<Duration>, events: usize) -> String {
    match cpu {
        Some(cpu) if events > 0 => format!("{:.0} us an event", cpu.as_secs_f64() * 1e6 / events as f64),
        _ => "n/a".to_owned(),
    }
}

fn row(name: &str, value: String) {
    println!("  {name:<17} {value}");
}
