//! A build without OpenTelemetry.

use std::time::Duration;

use crate::ops::spans::SentMessage;

/// Nothing.
#[derive(Debug, Clone, Default)]
pub struct Spans(());

impl Spans {
    /// Logs it if the environment asks for spans, so that nobody wonders why they are missing.
    pub fn start(_replica: &str) -> Self {
        let asked = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        if let Some(variable) = asked.into_iter().find(|name| std::env::var_os(name).is_some_and(|it| !it.is_empty())) {
            tracing::info!(variable, "not exporting spans: this build lacks the cargo feature opentelemetry");
        }
        Self(())
    }

    /// Nothing.
    #[inline]
    pub fn sent(&self, _message: &SentMessage<'_>) {}

    /// Ready at once.
    pub fn close(self, _limit: Duration) -> std::future::Ready<()> {
        std::future::ready(())
    }
}
