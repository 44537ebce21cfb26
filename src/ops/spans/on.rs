//! A build with OpenTelemetry. Without an endpoint in the environment nothing is started, and a message costs one look at an empty option.

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

/// The way of spans to the collector, where there is one; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Spans(Option<Arc<Export>>);

#[derive(Debug)]
struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Spans {
    /// As the environment says. What cannot be had is said once and left out: the relay runs without it. In a runtime.
    pub fn start(replica: &str) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let started = Settings::read(variable).and_then(|settings| match settings {
            None => Ok(None),
            Some(settings) => export(&settings, replica).map(|export| {
                let (collector, queue) = (&settings.collector, settings.queue);
                tracing::info!(collector, queue, "spans are exported");
                Some(Arc::new(export))
            }),
        });
        Self(started.unwrap_or_else(|error| {
            tracing::warn!(error, "no spans are exported");
            None
        }))
    }

    /// A span for a message. Never waits.
    #[inline]
    pub fn sent(&self, message: &SentMessage<'_>) {
        if let Some(export) = &self.0 {
            producer::record(&export.tracer, message);
        }
    }

    /// Exports what waits, for at most `limit`, and ends.
    pub async fn close(self, limit: Duration) {
        let Some(export) = self.0 else { return };
        // The library's shutdown blocks, with the same limit. That it took longer is said with how many spans that costs.
        let closed = tokio::task::spawn_blocking(move || export.provider.shutdown_with_timeout(limit)).await;
        if let Err(error) = closed {
            tracing::warn!(%error, "spans are lost: their export could not be ended");
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
        // Its words may repeat the endpoint, which may hold a secret.
        .map_err(|_| "the endpoint or another variable of the exporter cannot be used".to_owned())?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(replica))
        .with_span_processor(Bounded::new(exporter, settings.queue, trouble))
        .build();
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
    Ok(Export { tracer: provider.tracer_with_scope(scope), provider })
}

/// Who sends. What the environment says of it wins.
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
