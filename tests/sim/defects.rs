//! Defects planted into the simulated services or between them and the relay, to see that the judge finds them.

/// One planted defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A claim returns what it saw before it had its locks.
    StaleClaim,
    /// Lane locks do not exclude anybody.
    SharedLanes,
    /// A settle says that it is committed, and is not.
    SettleLies,
    /// The mark of a late confirm is dropped.
    LateMarkDropped,
    /// A returned message is acked, and its return never sent.
    ReturnSwallowed,
    /// Returns are paired with confirms as lapin does it, without the judge.
    NaivePairing,
    /// What waits for a hold is charged an attempt.
    NackCharges,
    /// A dead letter is deleted and never written.
    DeadLetterVanishes,
    /// Retries and unconfirmed events do not wait.
    WaitDropped,
    /// A probe that is accepted lifts nothing.
    HoldNeverLifted,
    /// What is wrong with one routing key holds its whole exchange.
    HoldsTooMuch,
    /// A floor moves though transactions below it still run, and no sweep looks behind it.
    FloorIsEager,
}

impl Defect {
    pub const ALL: [Self; 12] = [
        Self::StaleClaim,
        Self::SharedLanes,
        Self::SettleLies,
        Self::LateMarkDropped,
        Self::ReturnSwallowed,
        Self::NaivePairing,
        Self::NackCharges,
        Self::DeadLetterVanishes,
        Self::WaitDropped,
        Self::HoldNeverLifted,
        Self::HoldsTooMuch,
        Self::FloorIsEager,
    ];
}
