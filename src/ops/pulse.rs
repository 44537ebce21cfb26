//! Whether the process makes progress, for `/livez`: each loop says when it begins a step and when it rests.
//!
//! Made by `Vitals`; the workers and the probe beat. A rest is any wait for a reason to go on (the poll interval, a broker or a database
//! that is away, a blocked connection), however long, so no service can make a relay look dead. A step waits too, but every wait
//! in it has a deadline: one that never ends is a bug, and only a restart mends it (hazard D3).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Far above the longest wait within a step, which is 15 s, and a batch of them in a row: a restart costs duplicates.
const STEP_MAX: Duration = Duration::from_secs(300);

/// The loops of the process.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    loops: Mutex<Vec<Loop>>,
    /// Whether any loop has ever begun a step.
    has_begun: AtomicBool,
}

#[derive(Debug)]
struct Loop {
    name: String,
    /// Absent while it rests.
    step_since: Option<Instant>,
}

/// One loop's own; a loop that ends takes it along and is no longer watched.
#[derive(Debug)]
pub struct Heart {
    pulse: Pulse,
    name: String,
}

/// A loop whose step does not end.
#[derive(Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Which loop.
    pub name: String,
    /// How long its step has taken so far.
    pub step: Duration,
}

impl Pulse {
    /// Watches one more loop.
    pub fn heart(&self, name: String) -> Heart {
        self.loops().push(Loop { name: name.clone(), step_since: None });
        Heart { pulse: self.clone(), name }
    }

    /// Whether any loop has begun to work; it stays so when they end.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Relaxed)
    }

    /// The loop that has been in one step for the longest, where that is too long.
    pub fn stuck(&self, now: Instant) -> Option<Stuck> {
        let loops = self.loops();
        let steps = loops.iter().filter_map(|watched| Some((watched, now.duration_since(watched.step_since?))));
        let (watched, step) = steps.max_by_key(|(_, step)| *step)?;
        (step > STEP_MAX).then(|| Stuck { name: watched.name.clone(), step })
    }

    fn loops(&self) -> MutexGuard<'_, Vec<Loop>> {
        self.0.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heart {
    /// A step begins.
    pub fn works(&self) {
        self.beat(Some(Instant::now()));
    }

    /// The step has ended; what comes is a wait for a reason to go on.
    pub fn rests(&self) {
        self.beat(None);
    }

    fn beat(&self, step_since: Option<Instant>) {
        if let Some(watched) = self.pulse.loops().iter_mut().find(|watched| watched.name == self.name) {
            watched.step_since = step_since;
        }
        self.pulse.0.has_begun.store(true, Ordering::Relaxed);
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.pulse.loops().retain(|watched| watched.name != self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_whose_step_never_ends_is_stuck_after_five_minutes() {
        let pulse = Pulse::default();
        let (wedged, well) = (pulse.heart("worker 0".into()), pulse.heart("worker 1".into()));
        wedged.works();
        tokio::time::advance(STEP_MAX).await;
        well.works();
        assert_eq!(pulse.stuck(Instant::now()), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        let stuck = Stuck { name: "worker 0".into(), step: STEP_MAX + Duration::from_secs(1) };
        assert_eq!(pulse.stuck(Instant::now()), Some(stuck));
        wedged.works();
        assert_eq!(pulse.stuck(Instant::now()), None, "the next step is a sign of life");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_rests_is_alive_however_long_and_one_that_has_ended_is_nobodys() {
        let pulse = Pulse::default();
        let (resting, ended) = (pulse.heart("worker 0".into()), pulse.heart("probe".into()));
        assert!(!pulse.has_begun());
        resting.works();
        ended.works();
        assert!(pulse.has_begun());
        resting.rests();
        drop(ended);
        assert!(pulse.has_begun());
        tokio::time::advance(Duration::from_secs(30 * 86_400)).await;
        assert_eq!(pulse.stuck(Instant::now()), None);
    }
}
