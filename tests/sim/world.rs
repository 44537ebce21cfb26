//! What a simulated run shares: the clock, the dice, the log, the database, the broker, and what went wrong and when.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::defects::Defect;
use crate::rabbit::Rabbit;
use crate::table::{Number, Table};

/// Milliseconds since the run began.
pub type Ms = u64;
/// Later than any run.
pub const NEVER: Ms = u64::MAX;
/// A process of a relay; a restarted one has a new number.
pub type Process = usize;

/// Something that excuses a second copy of what was in flight.
#[derive(Debug, Clone)]
pub struct Incident {
    pub from: Ms,
    pub to: Ms,
    /// None: anybody's.
    pub process: Option<Process>,
}

pub struct World {
    pub dice: fastrand::Rng,
    pub table: Table,
    pub rabbit: Rabbit,
    pub incidents: Vec<Incident>,
    /// Which event each probe took, by which relay, and when.
    pub probes: Vec<(Number, Process, Ms)>,
}

/// What becomes of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    None,
    Kept,
    /// Printed as it grows, and kept.
    Aloud,
}

/// Handed to every part of a run.
pub struct Sim {
    start: Instant,
    world: Mutex<World>,
    log: Option<Mutex<Vec<String>>>,
    /// Prints the log as it grows: a run that never ends has to be seen too.
    aloud: bool,
    pub defect: Option<Defect>,
}

impl Sim {
    pub fn new(seed: u64, defect: Option<Defect>, log: Log) -> Arc<Self> {
        let world = World {
            dice: fastrand::Rng::with_seed(seed),
            table: Table::default(),
            rabbit: Rabbit::default(),
            incidents: Vec::new(),
            probes: Vec::new(),
        };
        let (aloud, log) = (log == Log::Aloud, (log != Log::None).then(Mutex::default));
        Arc::new(Self { start: Instant::now(), world: Mutex::new(world), log, aloud, defect })
    }

    pub fn now(&self) -> Ms {
        u64::try_from(self.start.elapsed().as_millis()).expect("a run is short")
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no part of the simulation panicked while it held the world")
    }

    pub fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// A line of the event log, made only where somebody reads it.
    pub fn say(&self, words: impl FnOnce() -> String) {
        if let Some(log) = &self.log {
            let (now, words) = (self.now(), words());
            let line = format!("{now:>8} {words}");
            if self.aloud {
                eprintln!("{line}");
            }
            log.lock().expect("nobody panics while writing").push(line);
        }
    }

    pub fn take_log(&self) -> Vec<String> {
        self.log
            .as_ref()
            .map_or_else(Vec::new, |log| std::mem::take(&mut log.lock().expect("nobody panics while writing")))
    }

    pub fn roll(&self, range: std::ops::Range<u64>) -> u64 {
        self.lock().dice.u64(range)
    }

    pub fn incident(&self, process: Option<Process>, what: &'static str) {
        let now = self.now();
        self.incident_between(now, now, process, what);
    }

    pub fn incident_between(&self, from: Ms, to: Ms, process: Option<Process>, what: &'static str) {
        self.say(|| format!("   incident of {process:?} until {to}: {what}"));
        self.lock().incidents.push(Incident { from, to, process });
    }

    /// A probe took an event.
    pub fn probes(&self, process: Process, hold: i64, number: Number) {
        let now = self.now();
        self.say(|| format!("p{process} probes hold {hold} with e{number}"));
        self.lock().probes.push((number, process, now));
    }

    /// A pause of the simulated world.
    pub async fn pause(&self, ms: Ms) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
