//! Crash points: named places of the hot path and the upkeep where the fault tests crash the relay,
//! like a power cut.
//!
//! Called at each place by the file that owns it. `OUTBOX_CRASH_AT=NAME:N` aborts the process when
//! it passes NAME for the N-th time. Only programs with the feature `crash-points` read it, and
//! only `make faults` builds them. In others, `point` is empty and compiles to nothing.

/// A place worth crashing at. The scenes of `tests/matrix` say what must hold there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A batch is claimed, but nothing is sent.
    AfterClaim,
    /// Part of a batch has been handed to the socket.
    BetweenPublishes,
    /// The socket has taken a burst, but no confirm has arrived yet.
    AfterPublish,
    /// The broker has confirmed a message, but nothing is written.
    AfterConfirm,
    /// A batch is decided, but its changes are not sent to the database.
    BeforeSettle,
    /// The changes of a batch are written, but not committed.
    InSettle,
    /// A batch is committed, but nobody knows yet.
    AfterCommit,
    /// An event is moved to the dead letters, but not committed.
    InDeadLetter,
    /// The waits of a batch are written, but not committed.
    InWaits,
    /// A probe is claimed, but nothing is sent.
    InProbe,
    /// The result of a probe is written, but not committed.
    InProbeSettle,
    /// Late confirms are marked, but not committed.
    InLateMark,
    /// Late confirms are marked and committed, but nobody knows yet.
    AfterLateMark,
    /// A floor is moved, but not committed.
    InFloorMove,
    /// Published events are deleted, but not committed.
    InRetention,
    /// Stopping, batches done, but late confirms are not settled.
    WhileDraining,
}

impl Point {
    /// Every point, in the order in which an event passes them.
    pub const ALL: [Self; 16] = [
        Self::AfterClaim,
        Self::BetweenPublishes,
        Self::AfterPublish,
        Self::AfterConfirm,
        Self::BeforeSettle,
        Self::InSettle,
        Self::AfterCommit,
        Self::InDeadLetter,
        Self::InWaits,
        Self::InProbe,
        Self::InProbeSettle,
        Self::InLateMark,
        Self::AfterLateMark,
        Self::InFloorMove,
        Self::InRetention,
        Self::WhileDraining,
    ];

    /// Its name in `OUTBOX_CRASH_AT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterClaim => "after_claim",
            Self::BetweenPublishes => "between_publishes",
            Self::AfterPublish => "after_publish",
            Self::AfterConfirm => "after_confirm",
            Self::BeforeSettle => "before_settle",
            Self::InSettle => "in_settle",
            Self::AfterCommit => "after_commit",
            Self::InDeadLetter => "in_dead_letter",
            Self::InWaits => "in_waits",
            Self::InProbe => "in_probe",
            Self::InProbeSettle => "in_probe_settle",
            Self::InLateMark => "in_late_mark",
            Self::AfterLateMark => "after_late_mark",
            Self::InFloorMove => "in_floor_move",
            Self::InRetention => "in_retention",
            Self::WhileDraining => "while_draining",
        }
    }
}

/// The process passes `point`.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn point(_point: Point) {}

/// The process passes `point`, and crashes there if OUTBOX_CRASH_AT says so.
#[cfg(feature = "crash-points")]
pub fn point(point: Point) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PLAN: OnceLock<Option<(Point, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Some((planned, nth)) = PLAN.get_or_init(plan) else { return };
    if *planned == point && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth {
        std::process::abort();
    }
}

#[cfg(feature = "crash-points")]
fn plan() -> Option<(Point, u64)> {
    let text = std::env::var("OUTBOX_CRASH_AT").ok()?;
    let planned = text.split_once(':').and_then(|(name, nth)| {
        let point = Point::ALL.into_iter().find(|point| point.name() == name)?;
        Some((point, nth.parse().ok()?))
    });
    Some(planned.unwrap_or_else(|| panic!("OUTBOX_CRASH_AT must be NAME:N with a name of crash.rs, got {text}")))
}
