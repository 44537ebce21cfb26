//! How long tests wait, in one place. A deadline here is for what must happen on a machine that is busy with everything else, and costs
//! nothing where all is well. What a promise says about time is no patience: it stands in the test of that promise.

use std::time::Duration;

/// For whatever must happen while nothing is broken for long.
pub const SOON: Duration = Duration::from_secs(60);
/// For whatever must happen after an outage, with a large backlog, or while a command works through many rows.
pub const IN_THE_END: Duration = Duration::from_secs(120);
/// A process that was told to stop, or had no reason to go on, has ended.
pub const STOPPED: Duration = Duration::from_secs(30);
/// One answer of a server: a connection, a statement, a page.
pub const ANSWER: Duration = Duration::from_secs(10);
