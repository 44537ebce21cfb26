//! Wraps the library's batch processor and exporter: adds an exact limit, counts dropped spans, and
//! logs a line now and then, where the library would log one per batch or none at all.
//!
//! The library's thread takes spans from the queue and waits for the collector; `sent` only puts
//! them in.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use crate::ops::quota::Quota;

/// Why the last request failed.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    /// Records the cause.
    pub(super) fn is(&self, words: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    /// The collector has answered.
    pub(super) fn is_over(&self) {
        self.take();
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Spans between the relay and the collector. Each one waits, and is then accepted, dropped or
/// refused.
#[derive(Debug, Default)]
struct Counts {
    /// In the queue, or being sent to the collector.
    waiting: AtomicUsize,
    /// Dropped because the queue was full, since the last log line about it.
    dropped: AtomicU64,
    /// Refused by the collector, since the last log line about it.
    refused: AtomicU64,
    /// Whether the last batch was refused.
    is_failing: AtomicBool,
}

/// The batch processor with at most `queue` spans, including those being sent. Drops further spans.
#[derive(Debug)]
pub(super) struct Bounded {
    batches: BatchSpanProcessor,
    queue: usize,
    counts: Arc<Counts>,
}

impl Bounded {
    /// Wraps `exporter`, whose client records failures in `trouble`. Starts the library's thread.
    pub(super) fn new<E: SpanExporter + 'static>(exporter: E, queue: usize, trouble: Arc<Trouble>) -> Self {
        let counts = Arc::new(Counts::default());
        let exporter = Told { exporter, trouble, counts: Arc::clone(&counts), quota: Quota::default() };
        // The library's own queue has the same length, so it never drops a span uncounted.
        let config = BatchConfigBuilder::default().with_max_queue_size(queue).build();
        Self { batches: BatchSpanProcessor::new(exporter, config), queue, counts }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.counts.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    /// Logs the spans that are lost at the end and were not logged before.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let result = self.batches.shutdown_with_timeout(timeout);
        let Counts { waiting, dropped, refused, is_failing: _ } = &*self.counts;
        let unsaid = dropped.swap(0, Ordering::Relaxed) + refused.swap(0, Ordering::Relaxed);
        let spans = unsaid + waiting.load(Ordering::Relaxed) as u64;
        if spans > 0 {
            tracing::warn!(spans, ?timeout, "spans lost: not exported before the end");
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// An exporter whose failures are logged.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    trouble: Arc<Trouble>,
    counts: Arc<Counts>,
    quota: Quota,
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
        self.tell(spans as u64, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E> Told<E> {
    fn tell(&self, spans: u64, result: &OTelSdkResult) {
        let counts = &self.counts;
        match result {
            Ok(()) => {
                if counts.is_failing.swap(false, Ordering::Relaxed) && self.quota.news("taken").is_some() {
                    tracing::info!("the collector accepts spans again");
                }
            }
            Err(error) => {
                counts.is_failing.store(true, Ordering::Relaxed);
                counts.refused.fetch_add(spans, Ordering::Relaxed);
                let cause = self.trouble.take();
                if self.quota.news("refused").is_some() {
                    let (spans, error) =
                        (counts.refused.swap(0, Ordering::Relaxed), cause.unwrap_or_else(|| error.to_string()));
                    tracing::warn!(spans, error, "spans lost: the collector does not accept them");
                }
            }
        }
        if counts.dropped.load(Ordering::Relaxed) > 0 && self.quota.news("dropped").is_some() {
            let spans = counts.dropped.swap(0, Ordering::Relaxed);
            tracing::warn!(spans, "spans lost: their queue is full");
        }
    }
}
