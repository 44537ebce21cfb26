//! Stopping: the first SIGTERM or SIGINT drains, the second ends the process at once. Both are
//! safe; only the second can cause duplicates.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that stop the relay.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts listening.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Cancels `draining` at the first signal and returns at the second.
    pub async fn drain_then_end(mut self, draining: CancellationToken) {
        let name = self.next().await;
        tracing::info!(signal = name, "stopping: claiming nothing more, waiting for confirms");
        draining.cancel();
        let name = self.next().await;
        tracing::warn!(signal = name, "second signal: ending at once");
    }
}
