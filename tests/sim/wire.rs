//! What moves between a relay and the simulated broker: one task per channel carries its messages there in order, and the broker's frames
//! back; connections end and take a prefix of what was on its way.

use std::sync::Arc;
use std::time::Duration;

use outbox_relay::outbox::broker::CloseReason;
use outbox_relay::rabbitmq::confirms::Returned;
use tokio::sync::Notify;

use crate::defects::Defect;
use crate::events::number_of;
use crate::gate::Switch;
use crate::rabbit::{Chan, ChanId, ConnId, Due, Frame, Mood, Sent, Word, identity, names};
use crate::world::{Ms, NEVER, Sim, World};

/// Messages that leave in one go.
const BURST: u64 = 8;

/// Carries one channel's frames until it has ended.
pub async fn carry(sim: Arc<Sim>, chan: ChanId, switch: Arc<Switch>) {
    loop {
        let (burst, next, io) = {
            let mut world = sim.lock();
            deliver(&sim, &mut world, chan);
            let Some(burst) = take_burst(&mut world, chan, &switch) else { return };
            let Some(state) = world.rabbit.chans.get(&chan) else { return };
            (burst, next_due(&world, state), Arc::clone(&state.io))
        };
        if burst.is_empty() {
            wait(&sim, &io, next).await;
            continue;
        }
        let latency = sim.roll(0..4);
        sim.pause(latency).await;
        for sent in burst {
            // The broker reads nothing while it is under an alarm, or silent.
            while !arrive(&sim, chan, &sent) {
                sim.pause(50).await;
            }
        }
    }
}

async fn wait(sim: &Sim, io: &Notify, until: Ms) {
    let pause = if until == NEVER {
        Duration::from_secs(3_600)
    } else {
        Duration::from_millis(until.saturating_sub(sim.now()))
    };
    tokio::select! {
        biased;
        () = io.notified() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// Some of what waits to leave; none when the channel has ended.
fn take_burst(world: &mut World, chan: ChanId, switch: &Switch) -> Option<Vec<Sent>> {
    let count = world.dice.u64(1..=BURST);
    let state = world.rabbit.chans.get_mut(&chan)?;
    let alive = world.rabbit.conns.get(&state.conn).is_some_and(|conn| conn.alive);
    if !alive || (state.dropped && state.wire.is_empty()) {
        // A relay that still has it has to read its end.
        if state.dropped {
            world.rabbit.chans.remove(&chan);
        }
        return None;
    }
    if switch.is_frozen() {
        return Some(Vec::new());
    }
    let count = state.wire.len().min(usize::try_from(count).expect("small"));
    let burst: Vec<Sent> = state.wire.drain(..count).collect();
    if !burst.is_empty() && state.wire.is_empty() {
        wake(state);
    }
    Some(burst)
}

fn wake(chan: &mut Chan) {
    if let Some(reader) = chan.reader.take() {
        reader.wake();
    }
}

fn next_due(world: &World, chan: &Chan) -> Ms {
    if world.rabbit.is_silent {
        return NEVER;
    }
    let silent = |due: &Due| {
        due.behind.as_ref().is_some_and(|there| world.rabbit.moods.get(&names(there)) == Some(&Mood::Silent))
    };
    chan.dues.iter().filter(|due| !silent(due)).map(|due| due.at).min().unwrap_or(NEVER)
}

/// One message reaches the broker. False while the broker does not read.
fn arrive(sim: &Sim, chan: ChanId, sent: &Sent) -> bool {
    let now = sim.now();
    let mut world = sim.lock();
    let World { dice, table, rabbit, incidents, probes: _ } = &mut *world;
    let Some(state) = rabbit.chans.get(&chan) else { return true };
    let (process, conn) = (state.process, state.conn);
    if state.closed_by_broker {
        return true;
    }
    let Some(connection) = rabbit.conns.get_mut(&conn) else { return true };
    if rabbit.alarm || rabbit.is_silent {
        if rabbit.alarm && !connection.blocked && connection.alive {
            connection.blocked = true;
            connection.changed.notify_one();
        }
        // What the socket holds is read later, unless the connection goes first.
        return !connection.alive && dice.bool();
    }
    let alive = connection.alive;
    let number = number_of(sent.message.event_id);
    let word = rabbit.word_on(&sent.message, table.row(number).kind);
    let there = &sent.message.destination;
    let mood = rabbit.moods.get(&names(there)).copied();
    let mut due = Due { at: now + dice.u64(0..6), tag: sent.tag, acked: true, behind: None, copy: None };
    let mut frame = None;
    match word {
        Word::Stored => {
            due.copy = Some(rabbit.store(number, sent, process, now));
            match mood {
                Some(Mood::Silent) => due.behind = Some(there.clone()),
                Some(Mood::Slow(ms)) => due.at += dice.u64(ms / 2..=ms),
                Some(Mood::Nacks) | None => {}
            }
            sim.say(|| format!("   broker takes e{number} for {there} from p{process}"));
        }
        Word::Returned => {
            rabbit.give_back(number, there);
            let text = "312 NO_ROUTE".to_owned();
            frame = Some(Frame::Return(Box::new(Returned { identity: identity(&sent.message), text })));
            sim.say(|| format!("   broker returns e{number} for {there} to p{process}"));
        }
        Word::Nacked => {
            due.acked = false;
            sim.say(|| format!("   broker nacks e{number} for {there} to p{process}"));
        }
        Word::Closes { code, text } => {
            *rabbit.judged.entry(number).or_default() += 1;
            sim.say(|| format!("   broker closes the channel of p{process} over e{number}: {text}"));
            incidents.push(crate::world::Incident { from: now, to: now, process: Some(process) });
            frame = Some(Frame::Close(CloseReason { code: Some(code), text, connection_lost: false }));
        }
    }
    if !alive {
        return true;
    }
    let closes = matches!(frame, Some(Frame::Close(_)));
    if let Some(state) = rabbit.chans.get_mut(&chan) {
        if let Some(frame) =
            frame.filter(|frame| !(sim.has(Defect::ReturnSwallowed) && matches!(frame, Frame::Return(_))))
        {
            state.inbox.push_back(frame);
            wake(state);
        }
        if closes {
            (state.closed_by_broker, state.dues) = (true, Vec::new());
        } else {
            state.unconfirmed.insert(sent.tag);
            state.copies.extend(due.copy.map(|copy| (sent.tag, copy)));
            state.dues.push(due);
        }
    }
    true
}

/// Puts the confirms that are due into the channel's inbox: several in one where they are consecutive, or one by one in any order.
fn deliver(sim: &Sim, world: &mut World, chan: ChanId) {
    let now = sim.now();
    let World { dice, rabbit, .. } = world;
    let Some(state) = rabbit.chans.get_mut(&chan) else { return };
    if state.closed_by_broker || rabbit.is_silent {
        return;
    }
    let is_due = |due: &Due| {
        due.at <= now && due.behind.as_ref().is_none_or(|there| rabbit.moods.get(&names(there)) != Some(&Mood::Silent))
    };
    let (mut due, left): (Vec<Due>, Vec<Due>) = std::mem::take(&mut state.dues).into_iter().partition(is_due);
    state.dues = left;
    if due.is_empty() {
        return;
    }
    for copy in due.iter().filter_map(|due| due.copy) {
        rabbit.copies[copy].confirmed_at = now;
    }
    let last = due.iter().map(|due| due.tag).max().unwrap_or(0);
    let is_whole = due.iter().all(|due| due.acked) && state.unconfirmed.range(..=last).count() == due.len();
    for due in &due {
        state.unconfirmed.remove(&due.tag);
    }
    if is_whole && dice.u64(0..3) > 0 {
        state.inbox.push_back(Frame::Confirm { tag: last, multiple: true, acked: true });
    } else {
        dice.shuffle(&mut due);
        for due in due {
            state.inbox.push_back(Frame::Confirm { tag: due.tag, multiple: false, acked: due.acked });
        }
    }
    wake(state);
}

/// A connection ends: of what is on the wire a prefix arrives, the rest never does.
pub fn cut(sim: &Sim, conn: ConnId, text: &str, is_incident: bool) {
    let chans = {
        let world = sim.lock();
        if !world.rabbit.conns.get(&conn).is_some_and(|conn| conn.alive) {
            return;
        }
        world.rabbit.chans_of(conn)
    };
    for chan in &chans {
        let prefix: Vec<Sent> = {
            let mut world = sim.lock();
            let World { dice, rabbit, .. } = &mut *world;
            let Some(state) = rabbit.chans.get_mut(chan) else { continue };
            let count = dice.usize(0..=state.wire.len());
            state.wire.drain(..count).collect()
        };
        for sent in prefix {
            arrive(sim, *chan, &sent);
        }
    }
    let mut world = sim.lock();
    let process = world.rabbit.conns.get_mut(&conn).map(|conn| {
        conn.alive = false;
        conn.changed.notify_one();
        conn.process
    });
    for chan in chans {
        let Some(state) = world.rabbit.chans.get_mut(&chan) else { continue };
        let reason = CloseReason { code: None, text: text.to_owned(), connection_lost: true };
        state.inbox.push_back(Frame::Close(reason));
        state.wire.clear();
        wake(state);
        state.io.notify_one();
    }
    drop(world);
    sim.say(|| format!("   connection {conn} of p{} ends: {text}", process.unwrap_or(0)));
    if is_incident {
        sim.incident(process, "connection lost");
    }
}

/// The broker goes down: every connection ends, and what was not confirmed may be lost.
pub fn crash(sim: &Sim, conns: Vec<ConnId>) {
    for conn in conns {
        cut(sim, conn, "the broker went down", true);
    }
    let mut world = sim.lock();
    let World { dice, rabbit, .. } = &mut *world;
    for copy in rabbit.copies.iter_mut().filter(|copy| copy.confirmed_at == NEVER && !copy.lost) {
        copy.lost = dice.bool();
    }
}

/// Wakes every channel's carrier: something of the broker has changed.
pub fn stir(world: &World) {
    for chan in world.rabbit.chans.values() {
        chan.io.notify_one();
    }
}
