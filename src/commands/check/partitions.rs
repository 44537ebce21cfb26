//! The preflight of partitions: whether the queues of every route that has some are there, as many as the routes file says, each with a
//! consumer and only one active. Called by `broker`.
//!
//! A number of partitions that changed sends a key's next event to another queue while earlier ones wait in the old: the queues that are
//! there tell, before a relay declares the others.

use std::time::Duration;

use crate::commands::check::finding::{Area, Finding, Verdict};
use crate::deadline::deadline;
use crate::outbox::partition::PARTITIONS_MAX;
use crate::outbox::route::{PartitionQueues, Route};
use crate::rabbitmq::inspect::{Inspection, Kind};

/// All looks at the queues of one route.
const LOOK_LIMIT: Duration = Duration::from_secs(20);
const NAMES_MAX: usize = 5;

fn found(verdict: Verdict, found: impl Into<String>) -> Finding {
    Finding::new(Area::Broker, "partitions", verdict, found)
}

/// What was seen of the queues of one route.
#[derive(Debug, Default)]
struct Seen {
    partitions: u16,
    missing: Vec<String>,
    /// Ready messages of those that are there.
    messages: u64,
    unconsumed: Vec<String>,
    /// Not as `--declare` makes them, with the broker's words.
    different: Vec<String>,
    /// The queues after the last, which a larger number has left, and their ready messages.
    beyond: Vec<String>,
    messages_beyond: u64,
}

/// Every finding about the queues of `route`.
pub(super) async fn findings(inspection: &Inspection, route: &Route, is_declared: bool) -> Vec<Finding> {
    let Some(queues) = &route.queues else { return Vec::new() };
    let name = &route.name;
    match deadline(LOOK_LIMIT, "looking at the queues", look(inspection, queues)).await {
        Ok(Ok(seen)) => judge(name, &seen, is_declared),
        Ok(Err(error)) => {
            vec![found(Verdict::Warn, format!("route '{name}': unknown, the broker did not say: {error}"))]
        }
        Err(error) => vec![found(Verdict::Warn, format!("route '{name}': unknown: {error}"))],
    }
}

async fn look(inspection: &Inspection, queues: &PartitionQueues) -> Result<Seen, String> {
    let mut seen = Seen { partitions: queues.partitions.get(), ..Seen::default() };
    for partition in 0..seen.partitions {
        let (name, _) = queues.queue(partition);
        let Some(state) = inspection.queue(&name).await? else {
            seen.missing.push(name);
            continue;
        };
        seen.messages += u64::from(state.messages);
        match inspection.queue_kind(&name).await {
            Kind::Different(text) => seen.different.push(format!("'{name}': {text}")),
            Kind::Same | Kind::Unknown(_) => {}
        }
        if state.consumers == 0 {
            seen.unconsumed.push(name);
        }
    }
    for partition in seen.partitions..PARTITIONS_MAX {
        let (name, _) = queues.queue(partition);
        let Some(state) = inspection.queue(&name).await? else { break };
        seen.messages_beyond += u64::from(state.messages);
        seen.beyond.push(name);
    }
    Ok(seen)
}

fn judge(route: &str, seen: &Seen, is_declared: bool) -> Vec<Finding> {
    let partitions = seen.partitions;
    let mut findings = Vec::new();
    if !seen.beyond.is_empty() {
        let left = names(&seen.beyond);
        let text = format!("route '{route}' has {partitions} partitions; left of a larger number: {left}");
        findings.push(match seen.messages_beyond {
            0 => found(Verdict::Warn, text).fix("delete the queues past the last partition"),
            waiting => found(Verdict::Fail, format!("{text}, with {waiting} messages")).fix(
                "let consumers empty them before the relay runs with this number, or keys are handled out of order",
            ),
        });
    }
    let missing = seen.missing.len();
    if missing == usize::from(partitions) {
        findings.push(match is_declared {
            true => found(Verdict::Ok, format!("route '{route}': run declares its {partitions} queues (--declare)")),
            false => found(Verdict::Fail, format!("route '{route}': none of its {partitions} queues is there"))
                .fix("create them, or run the relay with --declare"),
        });
        return findings;
    }
    if missing > 0 {
        let text = format!("route '{route}' has {partitions} partitions, and {} are missing", names(&seen.missing));
        findings.push(match seen.messages {
            0 if is_declared => found(Verdict::Ok, format!("{text}; run declares them (--declare)")),
            0 => found(Verdict::Fail, text).fix("create them, or run the relay with --declare"),
            waiting => found(Verdict::Fail, format!("{text} while {waiting} messages wait in the others")).fix(
                "the number has changed: let consumers empty the queues with the relays stopped, or keys are handled out of order",
            ),
        });
    }
    if !seen.unconsumed.is_empty() {
        let text = format!("route '{route}': no consumer takes from {}", names(&seen.unconsumed));
        findings
            .push(found(Verdict::Warn, text).fix("start a consumer of every partition: their keys wait until then"));
    }
    if !seen.different.is_empty() {
        let text =
            format!("route '{route}': not quorum queues with a single active consumer: {}", names(&seen.different));
        findings.push(
            found(Verdict::Warn, text)
                .fix("delete and declare them anew while they are empty, or run one consumer of each"),
        );
    }
    if findings.is_empty() {
        let text = format!("route '{route}': {partitions} queues, each with a consumer, one active at a time");
        findings.push(found(Verdict::Ok, text));
    }
    findings
}

fn names(all: &[String]) -> String {
    let first = all.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMES_MAX) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(seen: &Seen, is_declared: bool) -> Vec<Verdict> {
        judge("r", seen, is_declared).into_iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_number_of_partitions_that_changed_is_refused_while_messages_wait() {
        let names = |numbers: std::ops::Range<u16>| numbers.map(|number| format!("q.{number}")).collect::<Vec<_>>();
        let grown = Seen { partitions: 8, missing: names(4..8), messages: 3, ..Seen::default() };
        assert_eq!(verdicts(&grown, true), [Verdict::Fail], "four became eight, and three messages wait");
        assert_eq!(verdicts(&Seen { messages: 0, ..grown }, true), [Verdict::Ok]);
        let shrunk = |messages_beyond| Seen { partitions: 4, beyond: names(4..8), messages_beyond, ..Seen::default() };
        assert_eq!(verdicts(&shrunk(1), true), [Verdict::Fail], "eight became four, and one message waits");
        assert_eq!(verdicts(&shrunk(0), true), [Verdict::Warn]);
    }

    #[test]
    fn queues_that_are_missing_unconsumed_or_of_another_kind_are_named() {
        let all = Seen { partitions: 1, missing: vec!["q.0".into()], ..Seen::default() };
        assert_eq!((verdicts(&all, true), verdicts(&all, false)), (vec![Verdict::Ok], vec![Verdict::Fail]));
        let quiet = Seen { partitions: 1, unconsumed: vec!["q.0".into()], different: vec!["'q.0'".into()], ..all };
        let quiet = Seen { missing: Vec::new(), ..quiet };
        let found = judge("r", &quiet, true);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|finding| finding.found.contains("q.0") && finding.verdict == Verdict::Warn));
        assert_eq!(verdicts(&Seen { partitions: 8, ..Seen::default() }, true), [Verdict::Ok]);
    }
}
