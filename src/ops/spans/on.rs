//! A build with OpenTelemetry. Without an endpoint in the environment it starts nothing, and a
//! message only costs a check of an empty option.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::ops::spans::client::Collector;
use crate::ops::spans::export::{Bounded, Trouble};
use crate::ops::spans::settings::Settings;
use crate::ops::spans::{SentMessage, producer};

/// Exports spans to the collector, if there is one. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Spans(Option<Arc<Export>>);

#[derive(Debug)]
struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Spans {
    /// Configured by the environment. If that fails, logs it once and runs without spans. Must be
    /// called in a runtime.
    pub fn start(replica: &str) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let started = Settings::read(variable).and_then(|settings| match settings {
            None => Ok(None),
            Some(settings) => export(&settings, replica).map(|export| {
                let (collector, queue) = (&settings.collector, settings.queue);
                tracing::info!(collector, queue, "exporting spans");
                Some(Arc::new(export))
            }),
        });
        Self(started.unwrap_or_else(|error| {
            tracing::warn!(error, "not exporting spans");
            None
        }))
    }

    /// Records the span of a message. Never waits.
    #[inline]
    pub fn sent(&self, message: &SentMessage<'_>) {
        if let Some(export) = &self.0 {
            producer::record(&export.tracer, message);
        }
    }

    /// Exports the queued spans, for at most `limit`, and ends.
    pub async fn close(self, limit: Duration) {
        let Some(export) = self.0 else { return };
        // The library's shutdown blocks, with the same limit. If it takes longer, it logs how many
        // spans that loses.
        let closed = tokio::task::spawn_blocking(move || export.provider.shutdown_with_timeout(limit)).await;
        if let Err(error) = closed {
            tracing::warn!(%error, "spans lost: cannot finish their export");
        }
    }
}

fn export(settings: &Settings, replica: &str) -> Result<Export, String> {
    let trouble = Arc::new(Trouble::default());
    let client = Collector::new(&settings.tls, settings.timeout, Arc::clone(&trouble))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(settings.timeout)
        .build()
        // Its message may repeat the endpoint, which may contain a secret.
        .map_err(|_| "the endpoint or another variable of the exporter is invalid".to_owned())?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(replica))
        .with_span_processor(Bounded::new(exporter, settings.queue, trouble))
        .build();
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
    Ok(Export { tracer: provider.tracer_with_scope(scope), provider })
}

/// The sender. The environment's values win.
fn resource(replica: &str) -> Resource {
    let ours = [
        KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", replica.to_owned()),
    ];
    let detectors = Resource::builder_empty()
        .with_attributes(ours)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => detectors.with_service_name(name).build(),
        Ok(_) | Err(_) => detectors.build(),
    }
}
