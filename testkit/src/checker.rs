//! Judges a history: nothing lost, nothing invented, order per key kept, copies counted. A pure function, so that it is
//! itself tested with hand-made histories; every journey and fault test ends here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::{self, Display};

use uuid::Uuid;

use super::history::{Arrived, Committed, Fate, Hash, History};

/// What bodies are compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bodies {
    /// All copies of a message, in all queues of one envelope, are equal byte for byte.
    #[default]
    EqualCopies,
    /// Every body is the committed payload, as the `raw` envelope promises.
    EqualPayload,
}

/// What the test saw outside the history, and what it asks for.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Every delivered event must arrive at each of these; at any one queue when empty.
    pub queues: Vec<String>,
    /// The dead letters found in the database: event id and failure reason.
    pub dead_letters: BTreeMap<Uuid, String>,
    pub bodies: Bodies,
    /// Committed on a server whose loss took them along: they may have arrived, and what took their place is another history.
    pub forgotten: HashSet<Uuid>,
}

/// A first delivery that came after the first delivery of a later event of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overtaken {
    pub queue: String,
    pub key: String,
    pub id: Uuid,
    pub ordinal: u64,
    pub overtaken_by: u64,
}

/// An event that ended elsewhere than it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongEnd {
    pub id: Uuid,
    pub key: String,
    pub expected: Fate,
    pub found: String,
}

#[derive(Debug, Default)]
pub struct Verdict {
    pub committed: usize,
    /// Different committed events that arrived.
    pub delivered: usize,
    pub dead_lettered: usize,
    /// Committed, and neither delivered everywhere it must nor dead-lettered.
    pub lost: Vec<Uuid>,
    /// Delivered or dead-lettered, but never committed.
    pub invented: Vec<String>,
    pub out_of_order: Vec<Overtaken>,
    /// Copies beyond the first of an event in a queue; the broker's own redeliveries are not counted.
    pub duplicates: usize,
    pub bytes_differ: Vec<Uuid>,
    /// The `x-outbox-key` header names another key than the row.
    pub wrong_key: Vec<Uuid>,
    pub wrong_end: Vec<WrongEnd>,
}

/// Judges the whole history as it is now.
pub fn judge(history: &History, expect: &Expect) -> Verdict {
    judge_records(&history.committed(), &history.arrived(), expect)
}

fn judge_records(committed: &[Committed], arrived: &[Arrived], expect: &Expect) -> Verdict {
    let known: HashMap<String, &Committed> = committed.iter().map(|event| (event.id.to_string(), event)).collect();
    let mut verdict = Verdict {
        committed: committed.iter().filter(|event| event.certain).count(),
        dead_lettered: expect.dead_letters.len(),
        ..Verdict::default()
    };
    let queues_of = walk_arrivals(&mut verdict, &known, arrived, expect);
    verdict.delivered = queues_of.len();
    let strangers = expect.dead_letters.keys().map(Uuid::to_string).filter(|id| !known.contains_key(id));
    verdict.invented.extend(strangers);
    for event in committed {
        judge_end(&mut verdict, event, queues_of.get(&event.id), expect);
    }
    verdict
}

/// Goes through the arrivals in order; returns the queues each committed event was seen in.
fn walk_arrivals<'a>(
    verdict: &mut Verdict,
    known: &HashMap<String, &'a Committed>,
    arrived: &'a [Arrived],
    expect: &Expect,
) -> HashMap<Uuid, BTreeSet<&'a str>> {
    let mut queues_of: HashMap<Uuid, BTreeSet<&str>> = HashMap::new();
    let mut highest: HashMap<(&str, &str), u64> = HashMap::new();
    let mut first_body: HashMap<(&str, Uuid), Hash> = HashMap::new();
    let (mut differing, mut rekeyed, mut invented) = (HashSet::new(), HashSet::new(), HashSet::new());
    for message in arrived {
        let queue = message.queue.as_str();
        let Some(event) = known.get(&message.message_id) else {
            let is_forgotten = || Uuid::try_parse(&message.message_id).is_ok_and(|id| expect.forgotten.contains(&id));
            if !is_forgotten() && invented.insert(&message.message_id) {
                verdict.invented.push(message.message_id.clone());
            }
            continue;
        };
        let right_body = match expect.bodies {
            Bodies::EqualCopies => *first_body.entry((queue, event.id)).or_insert(message.body),
            Bodies::EqualPayload => event.payload,
        };
        if message.body != right_body && differing.insert(event.id) {
            verdict.bytes_differ.push(event.id);
        }
        if message.key.as_ref().is_some_and(|key| *key != event.key) && rekeyed.insert(event.id) {
            verdict.wrong_key.push(event.id);
        }
        if queues_of.entry(event.id).or_default().insert(queue) {
            check_order(verdict, &mut highest, queue, event);
        } else if !message.redelivered {
            verdict.duplicates += 1;
        }
    }
    queues_of
}

fn check_order<'a>(
    verdict: &mut Verdict,
    highest: &mut HashMap<(&'a str, &'a str), u64>,
    queue: &'a str,
    event: &'a Committed,
) {
    let highest = highest.entry((queue, &event.key)).or_insert(event.ordinal);
    if event.ordinal < *highest {
        verdict.out_of_order.push(Overtaken {
            queue: queue.into(),
            key: event.key.clone(),
            id: event.id,
            ordinal: event.ordinal,
            overtaken_by: *highest,
        });
    }
    *highest = event.ordinal.max(*highest);
}

fn judge_end(verdict: &mut Verdict, event: &Committed, queues: Option<&BTreeSet<&str>>, expect: &Expect) {
    let dead = expect.dead_letters.get(&event.id);
    if !event.certain && dead.is_none() && queues.is_none() {
        return;
    }
    let everywhere = queues.is_some_and(|seen| expect.queues.iter().all(|queue| seen.contains(queue.as_str())));
    let wrong = match (&event.fate, dead) {
        (Fate::DeadLettered(_), _) if queues.is_some() => Some("delivered".to_owned()),
        (Fate::DeadLettered(expected), Some(reason)) if expected != reason => Some(format!("dead letter {reason}")),
        (Fate::Delivered, Some(reason)) => Some(format!("dead letter {reason}")),
        _ => None,
    };
    let lost = match event.fate {
        _ if dead.is_some() => false,
        Fate::Delivered => !everywhere,
        Fate::DeadLettered(_) => queues.is_none(),
    };
    if lost {
        verdict.lost.push(event.id);
    }
    if let Some(found) = wrong {
        verdict.wrong_end.push(WrongEnd { id: event.id, key: event.key.clone(), expected: event.fate.clone(), found });
    }
}

impl Verdict {
    /// Panics with a readable report unless every promise held with at most so many duplicates.
    pub fn assert_clean(&self, duplicates_at_most: usize) {
        assert!(
            self.is_clean() && self.duplicates <= duplicates_at_most,
            "at most {duplicates_at_most} duplicates allowed\n{self}"
        );
    }

    /// No violation; duplicates are judged apart because each fault allows its own number.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.invented.is_empty()
            && self.out_of_order.is_empty()
            && self.bytes_differ.is_empty()
            && self.wrong_key.is_empty()
            && self.wrong_end.is_empty()
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { committed, delivered, dead_lettered, duplicates, .. } = self;
        writeln!(
            f,
            "{committed} committed, {delivered} delivered, {dead_lettered} dead-lettered, {duplicates} duplicates"
        )?;
        samples(f, "lost", &self.lost, ToString::to_string)?;
        samples(f, "invented", &self.invented, Clone::clone)?;
        samples(f, "out of order", &self.out_of_order, |o| {
            format!("{} of key {} in {}: ordinal {} after {}", o.id, o.key, o.queue, o.ordinal, o.overtaken_by)
        })?;
        samples(f, "bytes differ", &self.bytes_differ, ToString::to_string)?;
        samples(f, "wrong key header", &self.wrong_key, ToString::to_string)?;
        samples(f, "wrong end", &self.wrong_end, |w| {
            format!("{} of key {}: expected {:?}, found {}", w.id, w.key, w.expected, w.found)
        })
    }
}

fn samples<T>(f: &mut fmt::Formatter<'_>, what: &str, found: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
    const SHOWN: usize = 5;
    if found.is_empty() {
        return Ok(());
    }
    writeln!(f, "{what}: {}", found.len())?;
    for one in found.iter().take(SHOWN) {
        writeln!(f, "    {}", show(one))?;
    }
    if found.len() > SHOWN { f.write_str("    ...\n") } else { Ok(()) }
}
