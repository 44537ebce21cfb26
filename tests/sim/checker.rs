//! The judge of a run: holds what the database and the broker hold at the end against the promises of the README.

use std::collections::BTreeMap;

use outbox_relay::outbox::destination::{Destination, OnUnroutable};
use outbox_relay::outbox::event::{FailureReason, WaitReason};
use outbox_relay::outbox::flow::Flow;
use outbox_relay::outbox::hold::HoldKind;

use crate::events::Kind;
use crate::rabbit::{Delivery, names};
use crate::table::{Number, Row, Table};
use crate::world::{Ms, NEVER, Process, World};

/// Attempts before an event is given up.
const ATTEMPTS_MAX: u32 = 4;
/// Four attempts, the pauses between them and what a slow database adds.
const ATTEMPTS_TAKE: Ms = 60_000;
/// An event of a healthy destination leaves within: a channel may be closed under it a few times, and a floor be swept.
const PROGRESS_WITHIN: Ms = 10_000;
/// The same where messages came back: `link::judge` keeps a confirm that carries another's return to itself for as long as a silent
/// destination owes one and nothing newer is confirmed on the channel, so that the event waits for its timeout and for a probe.
const PROGRESS_WITH_RETURNS_WITHIN: Ms = 60_000;
/// `--confirm-timeout`, less what a settle and a claim may take of it.
const SILENT_FOR: Ms = 14_900;

/// Everything that is wrong; nothing is the verdict that a run hopes for. `struck` are the destinations that something was wrong with, if
/// nothing else was wrong in the run.
pub fn verdict(world: &World, struck: Option<&[Destination]>) -> Vec<String> {
    let mut found = Vec::new();
    no_loss(world, &mut found);
    order(world, &mut found);
    few_duplicates(world, &mut found);
    outages_are_free(world, &mut found);
    if let Some(struck) = struck {
        no_collateral(world, struck, &mut found);
    }
    found
}

/// P5: keys that have nothing to do with what is wrong go on.
fn no_collateral(world: &World, struck: &[Destination], found: &mut Vec<String>) {
    let mut by_key: BTreeMap<&str, Vec<(Number, &Row)>> = BTreeMap::new();
    for (number, row) in world.table.rows.iter().enumerate().filter(|(_, row)| row.committed.is_some()) {
        by_key.entry(&row.key).or_default().push((number, row));
    }
    // Several events that close channels keep their destination shut until each has had its probes.
    let closers = world.table.rows.iter().any(|row| row.kind == Kind::Closer);
    let closed = if closers { Kind::Closer.ways("k0") } else { Vec::new() };
    let is_struck = |there: &Destination| struck.iter().any(|other| names(other) == names(there));
    let is_well = |there: &Destination| !is_struck(there) && closed.iter().all(|(other, _)| other != there);
    let is_innocent = |row: &Row| row.kind.is_good() && row.kind.ways(&row.key).iter().all(|(there, _)| is_well(there));
    for rows in by_key.values().filter(|rows| rows.iter().all(|(_, row)| is_innocent(row))) {
        let mut since = 0;
        for (number, row) in rows {
            since = since.max(row.committed.map_or(0, |(at, _)| at));
            let took = row.published_at.map_or(NEVER, |at| at.saturating_sub(since));
            let returned = !world.rabbit.returned.is_empty() && !struck.is_empty();
            if took > if returned { PROGRESS_WITH_RETURNS_WITHIN } else { PROGRESS_WITHIN } {
                found.push(format!("P5: e{number} of the innocent key {} took {took} ms", row.key));
            }
        }
    }
}

/// Whether a row may stay as it is: it waits for somebody to act, or behind one that does.
pub fn may_wait(table: &Table, row: &Row) -> bool {
    table.waits.get(&row.key).is_some_and(|wait| {
        let head = table.row(wait.number);
        // Where nothing else of a closer's destination passes, nobody can tell who is to blame.
        let stays = head.is_pending() && matches!(head.kind, Kind::NoRoute | Kind::Closer);
        // What nobody binds may be on hold as a missing binding, which charges nobody and ends when it is bound.
        let hold = wait.hold.and_then(|hold| table.holds.get(&hold));
        let is_unbound = head.kind == Kind::Unbound && hold.is_some_and(|hold| hold.kind == HoldKind::Unroutable);
        wait.reason == WaitReason::AfterDeadLetter || stays || is_unbound
    })
}

/// Rows that should have left and have not.
pub fn stuck(table: &Table) -> Vec<Number> {
    let rows = table.rows.iter().enumerate();
    rows.filter(|(_, row)| row.is_pending() && !may_wait(table, row)).map(|(number, _)| number).collect()
}

/// P1: every committed row is published, dead-lettered or waiting; a published one is in every queue that it had to reach.
fn no_loss(world: &World, found: &mut Vec<String>) {
    let table = &world.table;
    for number in stuck(table) {
        let row = table.row(number);
        found.push(format!("P1: e{number} ({:?} of {}) is still pending", row.kind, row.key));
    }
    for (number, row) in table.rows.iter().enumerate() {
        let letters = table.letters.iter().filter(|letter| letter.number == number).count();
        if letters != usize::from(row.moved) || (row.moved && row.published_at.is_some()) {
            found.push(format!("P1: e{number} is in {letters} dead letters and moved={}", row.moved));
        }
        let Some(at) = row.published_at else { continue };
        for (there, on_unroutable) in row.kind.ways(&row.key) {
            if !has_reached(world, number, &there, on_unroutable, at) {
                found.push(format!("P1: e{number} ({:?}) was marked published and {there} never got it", row.kind));
            }
        }
    }
}

fn has_reached(world: &World, number: Number, there: &Destination, on_unroutable: OnUnroutable, by: Ms) -> bool {
    let got =
        |copy: &Delivery| copy.number == number && copy.destination == *there && !copy.lost && copy.stored_at <= by;
    let came_back = || world.rabbit.returned.iter().any(|(of, from, _)| *of == number && from == there);
    world.rabbit.copies.iter().any(got) || (on_unroutable == OnUnroutable::Ignore && came_back())
}

/// P2: before the first copy of an event leaves, its predecessors were taken on every route or dead-lettered.
fn order(world: &World, found: &mut Vec<String>) {
    let table = &world.table;
    let mut by_key: BTreeMap<&str, Vec<(Number, &Row)>> = BTreeMap::new();
    for (number, row) in table.rows.iter().enumerate().filter(|(_, row)| row.committed.is_some()) {
        by_key.entry(&row.key).or_default().push((number, row));
    }
    for rows in by_key.values() {
        for (later, (number, row)) in rows.iter().enumerate() {
            let Some((first, first_at)) = first_copy(world, *number) else { continue };
            for (before, predecessor) in &rows[..later] {
                let was_there = predecessor.committed <= row.committed;
                if was_there && !is_done_with(world, *before, predecessor, first, first_at) {
                    found
                        .push(format!("P2: e{number} left before e{before} of the same key {} was done with", row.key));
                }
            }
        }
    }
}

fn first_copy(world: &World, number: Number) -> Option<(u64, Ms)> {
    world.rabbit.copies.iter().find(|copy| copy.number == number).map(|copy| (copy.order, copy.stored_at))
}

fn is_done_with(world: &World, number: Number, row: &Row, order: u64, at: Ms) -> bool {
    if world.table.letters.iter().any(|letter| letter.number == number && letter.at <= at) {
        return true;
    }
    row.kind.ways(&row.key).iter().all(|(there, on_unroutable)| {
        let mut copies = world.rabbit.copies.iter();
        let got = copies.any(|copy| copy.number == number && copy.destination == *there && copy.order < order);
        let mut returned = world.rabbit.returned.iter();
        let came_back = returned.any(|(of, from, place)| *of == number && from == there && *place < order);
        got || (*on_unroutable == OnUnroutable::Ignore && came_back)
    }) && !row.kind.ways(&row.key).is_empty()
}

/// P3: each copy after the first has an incident or a probe of its own.
fn few_duplicates(world: &World, found: &mut Vec<String>) {
    let mut by_place: BTreeMap<(Number, String), Vec<&Delivery>> = BTreeMap::new();
    for copy in world.rabbit.copies.iter().filter(|copy| !copy.lost) {
        by_place.entry((copy.number, copy.destination.to_string())).or_default().push(copy);
    }
    for ((number, there), mut copies) in by_place {
        copies.sort_by_key(|copy| (copy.sent_at, copy.order));
        for pair in copies.windows(2) {
            let [first, second] = pair else { continue };
            if !is_excused(world, number, first, second) {
                let (before, after) = (first.sent_at, second.sent_at);
                found.push(format!("P3: e{number} was sent to {there} at {before} and again at {after} for no reason"));
            }
        }
    }
}

fn is_excused(world: &World, number: Number, first: &Delivery, second: &Delivery) -> bool {
    let unanswered_for = first.heard_at.min(second.sent_at).saturating_sub(first.sent_at);
    if unanswered_for >= SILENT_FOR {
        return true;
    }
    let is_probe = |(of, by, at): &(Number, Process, Ms)| {
        *of == number && *by == second.process && (first.sent_at + 1..=second.sent_at).contains(at)
    };
    let is_unanswered = first.heard_at > second.sent_at;
    if is_unanswered && world.probes.iter().any(is_probe) {
        return true;
    }
    let published_at = world.table.row(number).published_at;
    world.incidents.iter().any(|incident| {
        let concerns = incident.process.is_none_or(|process| process == first.process || process == second.process);
        let between = incident.from <= second.sent_at && incident.to >= first.sent_at;
        concerns && between && published_at.is_none_or(|at| at >= incident.from)
    })
}

/// Whether the database knew so early that the event's flow had been confirmed that no attempt should have been charged.
fn was_confirmed_before(world: &World, number: Number, letter_at: Ms) -> bool {
    let row = world.table.row(number);
    let known = |flow: &Flow| world.table.flows.get(flow).is_some_and(|at| at + ATTEMPTS_TAKE < letter_at);
    row.kind.flows(&row.key).iter().any(known)
}

/// P4: nothing is charged that the broker did not judge, and nothing dead-lettered for a reason that it has not earned.
fn outages_are_free(world: &World, found: &mut Vec<String>) {
    let judged = |number: Number| world.rabbit.judged.get(&number).copied().unwrap_or(0);
    for (number, attempts) in &world.table.charged {
        if *attempts > judged(*number) {
            let times = judged(*number);
            found
                .push(format!("P4: e{number} was charged {attempts} attempts, and the broker judged it {times} times"));
        }
    }
    for letter in &world.table.letters {
        let (number, kind) = (letter.number, world.table.row(letter.number).kind);
        let was_judged = judged(number) >= ATTEMPTS_MAX && letter.attempts >= ATTEMPTS_MAX;
        let was_returned = || world.rabbit.returned.iter().any(|(of, ..)| *of == number);
        let earned = match letter.reason {
            FailureReason::Unroutable => {
                was_judged && was_returned() && !was_confirmed_before(world, number, letter.at)
            }
            FailureReason::ChannelClosed => was_judged && kind == Kind::Closer,
            FailureReason::PayloadTooLarge | FailureReason::InvalidEvent => kind.reasons().contains(&letter.reason),
            FailureReason::Operator => false,
        };
        if !earned {
            found.push(format!("P4: e{number} ({kind:?}) was dead-lettered as {}", letter.reason.as_str()));
        }
    }
}
