//! Whether the process makes progress, for `/livez`: each loop reports when it starts a step and
//! when it rests.
//!
//! Made by `Vitals`; the workers and the probe report to it. A rest is any wait for a reason to
//! continue: the poll interval, a missing broker or database, a blocked connection. It may last as
//! long as it likes, so no service can make a relay look dead. A step waits too, but every wait in
//! it has a deadline. A step that never ends is a bug that only a restart fixes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Far longer than the longest wait within a step (15 s), even a series of them, because a restart
/// causes duplicates.
const STEP_MAX: Duration = Duration::from_secs(300);

/// The loops of the process.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    loops: Mutex<Vec<Loop>>,
    /// Whether any loop has ever started a step.
    has_begun: AtomicBool,
}

#[derive(Debug)]
struct Loop {
    name: String,
    /// `None` while it rests.
    step_since: Option<Instant>,
}

/// Belongs to one loop. When the loop ends, it is dropped and no longer watched.
#[derive(Debug)]
pub struct Heart {
    pulse: Pulse,
    name: String,
}

/// A loop that is stuck in a step.
#[derive(Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Which loop.
    pub name: String,
    /// How long its step has taken so far.
    pub step: Duration,
}

impl Pulse {
    /// Starts watching a loop.
    pub fn heart(&self, name: String) -> Heart {
        self.loops().push(Loop { name: name.clone(), step_since: None });
        Heart { pulse: self.clone(), name }
    }

    /// Whether any loop has started to work. Stays true when they end.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Relaxed)
    }

    /// The loop that has been in one step for the longest, if that is too long.
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
    /// A step starts.
    pub fn works(&self) {
        self.beat(Some(Instant::now()));
    }

    /// The step has ended; the loop waits for a reason to continue.
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
