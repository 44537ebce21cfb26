//! What goes wrong in a run, when and for how long: all of it from the seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use outbox_relay::outbox::destination::Destination;

use crate::events::Kind;
use crate::gate::Blow;
use crate::process::{Slot, freeze};
use crate::rabbit::{ConnId, Mood, names, struck};
use crate::wire::{crash, cut, stir};
use crate::world::{Ms, Sim, World};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Kill,
    /// After so many polls of the process's tasks.
    KillAtPoll(u64),
    Freeze(Ms),
    FreezeAtPoll(u64, Ms),
    /// Told to drain, and started again.
    Restart,
    DatabaseDown(Ms),
    DatabaseSlow(Ms, Ms),
    DatabaseHangs(Ms),
    /// Backends are terminated, one after the other.
    Terminations(u64),
    UnknownCommits(Ms),
    BrokerDown(Ms),
    ConnectionCut,
    Alarm(Ms),
    BrokerSilent(Ms),
    ExchangeMissing(&'static str, Ms),
    /// It comes back without its bindings, which come back later still.
    ExchangeDeleted(&'static str, Ms),
    Forbidden(&'static str, Ms),
    Unbound(usize, Ms),
    Nacks(usize, Ms),
    Silent(usize, Ms),
    Slow(usize, Ms, Ms),
}

/// A batch notices that its transaction is lost when it settles: after its deadline, and what a claim and a settle may take.
const UNNOTICED_MAX: Ms = 8_000;

/// Everything that may happen; a scenario picks from it.
pub const KINDS: u64 = 20;
/// From here on they strike single destinations.
pub const FIRST_OF_DESTINATIONS: u64 = 14;

impl Fault {
    /// A fault of this kind.
    pub fn roll(kind: u64, dice: &mut fastrand::Rng) -> Self {
        let place = dice.usize(0..struck().len());
        let exchange = if dice.bool() { "e" } else { "f" };
        let moment = dice.u64(50..3_000);
        let while_ = if dice.bool() { moment } else { dice.u64(3_000..40_000) };
        match kind {
            0 => Self::Kill,
            1 => Self::KillAtPoll(dice.u64(0..200)),
            2 => Self::Freeze(while_),
            3 => Self::FreezeAtPoll(dice.u64(0..200), while_),
            4 => Self::Restart,
            5 => Self::DatabaseDown(while_),
            6 => Self::DatabaseSlow(dice.u64(50..7_000), while_),
            7 => Self::DatabaseHangs(while_),
            8 => Self::Terminations(dice.u64(1..30)),
            9 => Self::UnknownCommits(while_),
            10 => Self::BrokerDown(while_),
            11 => Self::ConnectionCut,
            12 => Self::Alarm(if dice.u64(0..8) == 0 { dice.u64(200_000..400_000) } else { while_ }),
            13 => Self::BrokerSilent(while_),
            14 if dice.bool() => Self::ExchangeDeleted(exchange, while_),
            14 => Self::ExchangeMissing(exchange, while_),
            15 => Self::Forbidden(exchange, while_),
            16 => Self::Unbound(place, while_),
            17 => Self::Nacks(place, while_),
            18 => Self::Silent(place, while_),
            _ => Self::Slow(place, dice.u64(500..5_000), while_),
        }
    }

    /// The destinations that it strikes; none where it strikes the whole of the relays' work.
    pub fn strikes(&self) -> Option<Vec<Destination>> {
        match self {
            Self::ExchangeMissing(exchange, _) | Self::ExchangeDeleted(exchange, _) | Self::Forbidden(exchange, _) => {
                let ways = Kind::GOOD.iter().flat_map(|kind| kind.ways("k0")).map(|(there, _)| there);
                Some(ways.chain(struck()).filter(|there| *there.exchange == **exchange).collect())
            }
            Self::Unbound(place, _) | Self::Nacks(place, _) | Self::Silent(place, _) | Self::Slow(place, ..) => {
                Some(vec![struck()[*place].clone()])
            }
            Self::Kill
            | Self::KillAtPoll(_)
            | Self::Freeze(_)
            | Self::FreezeAtPoll(..)
            | Self::Restart
            | Self::DatabaseDown(_)
            | Self::DatabaseSlow(..)
            | Self::DatabaseHangs(_)
            | Self::Terminations(_)
            | Self::UnknownCommits(_)
            | Self::BrokerDown(_)
            | Self::ConnectionCut
            | Self::Alarm(_)
            | Self::BrokerSilent(_) => None,
        }
    }
}

fn change(sim: &Sim, what: impl FnOnce(&mut World)) {
    let mut world = sim.lock();
    what(&mut world);
    stir(&world);
}

fn conns(sim: &Sim) -> Vec<ConnId> {
    let world = sim.lock();
    world.rabbit.conns.iter().filter(|(_, conn)| conn.alive).map(|(id, _)| *id).collect()
}

/// Lets one fault happen, from its beginning to its end.
pub async fn strike(sim: Arc<Sim>, slots: Vec<Arc<Slot>>, at: Ms, fault: Fault) {
    sim.pause(at).await;
    sim.say(|| format!("   FAULT {fault:?}"));
    let victim = usize::try_from(sim.roll(0..slots.len() as u64)).expect("few");
    let victim = slots[victim].present();
    match fault {
        Fault::Kill | Fault::KillAtPoll(_) | Fault::Freeze(_) | Fault::FreezeAtPoll(..) | Fault::Restart => {
            let Some((process, switch, draining)) = victim else { return };
            match fault {
                Fault::Kill => switch.kill(),
                Fault::KillAtPoll(polls) => switch.strike(polls, Blow::Kill),
                Fault::Freeze(ms) => freeze(&sim, process, &switch, ms).await,
                Fault::FreezeAtPoll(polls, ms) => switch.strike(polls, Blow::Freeze(ms)),
                _ => draining.cancel(),
            }
        }
        Fault::DatabaseDown(_) | Fault::DatabaseSlow(..) | Fault::DatabaseHangs(_) | Fault::UnknownCommits(_) => {
            database(&sim, &fault).await;
        }
        Fault::Terminations(times) => {
            for _ in 0..times {
                terminate(&sim);
                let pause = sim.roll(1..300);
                sim.pause(pause).await;
            }
        }
        Fault::BrokerDown(_) | Fault::ConnectionCut | Fault::Alarm(_) | Fault::BrokerSilent(_) => {
            broker(&sim, &fault).await;
        }
        Fault::ExchangeMissing(exchange, ms) => {
            change(&sim, |world| {
                world.rabbit.missing.insert(exchange.to_owned());
            });
            sim.pause(ms).await;
            change(&sim, |world| {
                world.rabbit.missing.remove(exchange);
            });
        }
        Fault::ExchangeDeleted(exchange, ms) => {
            let bound = |(of, _): &(String, String)| of == exchange;
            let mut bindings = BTreeSet::new();
            change(&sim, |world| {
                let rabbit = &mut world.rabbit;
                rabbit.missing.insert(exchange.to_owned());
                bindings = rabbit.bindings.iter().filter(|binding| bound(binding)).cloned().collect();
                rabbit.bindings.retain(|binding| !bound(binding));
            });
            sim.pause(ms).await;
            change(&sim, |world| drop(world.rabbit.missing.take(exchange)));
            let unbound_for = sim.roll(0..20_000);
            sim.pause(unbound_for).await;
            change(&sim, |world| world.rabbit.bindings.extend(bindings));
        }
        Fault::Forbidden(exchange, ms) => {
            change(&sim, |world| {
                world.rabbit.forbidden.insert(exchange.to_owned());
            });
            sim.pause(ms).await;
            change(&sim, |world| {
                world.rabbit.forbidden.remove(exchange);
            });
        }
        Fault::Unbound(place, ms) => {
            let there = names(&struck()[place]);
            change(&sim, |world| {
                world.rabbit.bindings.remove(&there);
            });
            sim.pause(ms).await;
            change(&sim, |world| {
                world.rabbit.bindings.insert(there);
            });
        }
        Fault::Nacks(place, ms) => mood(&sim, place, Mood::Nacks, ms).await,
        Fault::Silent(place, ms) => mood(&sim, place, Mood::Silent, ms).await,
        Fault::Slow(place, by, ms) => mood(&sim, place, Mood::Slow(by), ms).await,
    }
}

async fn mood(sim: &Sim, place: usize, mood: Mood, ms: Ms) {
    let there = names(&struck()[place]);
    change(sim, |world| {
        world.rabbit.moods.insert(there.clone(), mood);
    });
    sim.pause(ms).await;
    change(sim, |world| {
        world.rabbit.moods.remove(&there);
    });
}

async fn database(sim: &Sim, fault: &Fault) {
    match *fault {
        Fault::DatabaseDown(ms) => {
            {
                let mut world = sim.lock();
                world.table.weather.is_down = true;
                let open: Vec<_> = world.table.txs.keys().copied().collect();
                open.into_iter().for_each(|tx| world.table.end(tx));
            }
            sim.incident_between(sim.now(), sim.now() + UNNOTICED_MAX, None, "the database went down");
            sim.pause(ms).await;
            sim.lock().table.weather.is_down = false;
        }
        Fault::DatabaseSlow(by, ms) => {
            sim.lock().table.weather.slow_ms = by;
            sim.pause(ms).await;
            sim.lock().table.weather.slow_ms = 0;
        }
        Fault::DatabaseHangs(ms) => {
            sim.lock().table.weather.hangs = true;
            sim.pause(ms).await;
            sim.lock().table.weather.hangs = false;
        }
        Fault::UnknownCommits(ms) => {
            sim.lock().table.weather.unknown_commits = 3;
            sim.pause(ms).await;
            sim.lock().table.weather.unknown_commits = 0;
        }
        _ => {}
    }
}

/// Terminates one backend that has a transaction open.
fn terminate(sim: &Sim) {
    let process = {
        let mut world = sim.lock();
        let open: Vec<_> = world.table.txs.keys().copied().collect();
        if open.is_empty() {
            return;
        }
        let tx = open[world.dice.usize(0..open.len())];
        let process = world.table.txs[&tx].process;
        world.table.end(tx);
        process
    };
    // Its client goes on sending until it notices.
    sim.incident_between(sim.now(), sim.now() + UNNOTICED_MAX, Some(process), "a backend was terminated");
}

async fn broker(sim: &Sim, fault: &Fault) {
    match *fault {
        Fault::BrokerDown(ms) => {
            sim.lock().rabbit.is_down = true;
            crash(sim, conns(sim));
            sim.pause(ms).await;
            sim.lock().rabbit.is_down = false;
        }
        Fault::ConnectionCut => {
            let open = conns(sim);
            if !open.is_empty() {
                let place = usize::try_from(sim.roll(0..open.len() as u64)).expect("few");
                cut(sim, open[place], "connection reset", true);
            }
        }
        Fault::Alarm(ms) => {
            change(sim, |world| world.rabbit.alarm = true);
            sim.pause(ms).await;
            change(sim, |world| {
                world.rabbit.alarm = false;
                for conn in world.rabbit.conns.values_mut().filter(|conn| conn.blocked) {
                    conn.blocked = false;
                    conn.changed.notify_one();
                }
            });
        }
        Fault::BrokerSilent(ms) => {
            change(sim, |world| world.rabbit.is_silent = true);
            sim.pause(ms).await;
            change(sim, |world| world.rabbit.is_silent = false);
        }
        _ => {}
    }
}
