//! Times and counts for people. Pure; used by every reading command.

use std::time::Duration;

use time::OffsetDateTime;

use crate::commands::print::fit::is_wide;
use crate::outbox::time::timestamp;

/// A duration in its two largest units: `41s`, `3m 20s`, `2d 4h`.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        (_, _, _) => format!("{days}d {hours}h"),
    }
}

/// How long ago, or in how long.
pub fn distance(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (now - at).whole_seconds();
    if at <= now { format!("{} ago", span(seconds)) } else { format!("in {}", span(-seconds)) }
}

/// How far a time is from now, for a table; with `-o wide` the time itself.
pub fn moment(at: OffsetDateTime, now: OffsetDateTime) -> String {
    if is_wide() { timestamp(at) } else { distance(at, now) }
}

/// The time, and how far it is from now.
pub fn when(at: OffsetDateTime, now: OffsetDateTime) -> String {
    format!("{} ({})", timestamp(at), distance(at, now))
}

/// `1 event`, `3 events`, or `100000+ events` if counting stopped.
pub fn count(number: i64, max: i64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number if number > max => format!("{max}+ {one}s"),
        number => format!("{number} {one}s"),
    }
}

/// `1 event` or `3 events`, for a number that is known exactly.
pub fn counted(number: usize, one: &str) -> String {
    count(i64::try_from(number).unwrap_or(i64::MAX), i64::MAX, one)
}

/// How long an event took, or has waited.
pub fn lag(created_at: OffsetDateTime, until: OffsetDateTime) -> String {
    let lag = until - created_at;
    if lag.whole_seconds() >= 1 { span(lag.whole_seconds()) } else { format!("{}ms", lag.whole_milliseconds().max(0)) }
}

/// An age in seconds, as a duration.
pub fn age(seconds: f64) -> String {
    span(i64::try_from(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default().as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        let shown: Vec<String> = [0, 41, 200, 7_260, 187_200].into_iter().map(span).collect();
        assert_eq!(shown, ["0s", "41s", "3m 20s", "2h 1m", "2d 4h"]);
    }

    #[test]
    fn times_say_how_far_away_they_are() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1);
        assert_eq!(when(OffsetDateTime::UNIX_EPOCH, now), "1970-01-01T00:00:00.000Z (1h 0m ago)");
        assert_eq!(distance(now + time::Duration::seconds(9), now), "in 9s");
        assert_eq!(distance(now + time::Duration::milliseconds(400), now), "in 0s");
    }

    #[test]
    fn counts_that_stopped_say_so() {
        assert_eq!([count(1, 9, "key"), count(0, 9, "key"), count(10, 9, "key")], ["1 key", "0 keys", "9+ keys"]);
    }
}
