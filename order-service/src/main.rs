//! The reference order service: places and moves orders over HTTP, and writes what others are told into the outbox, in
//! the transaction that writes the order. It shows how a service uses `order-domain`; the relay beside it does the rest.
//!
//! Promises exit code 0 after SIGTERM, with every request answered that had begun. Refuses to start without a database
//! that has the relay's tables. With a broker it hears other services as well; without one it serves all the same.
#![forbid(unsafe_code)]

mod settings;
mod serve;
mod app;
mod openapi;

mod api;
mod request;
mod view;
mod view_beside;

mod body;
mod operation;
mod limits;
mod answer;
mod problem;

mod store;
mod neighbours;
mod metrics;
mod admin;
mod tally;
mod checkout;
mod reserve;
mod product_details;
mod consumers;
mod jobs;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::metrics::Metrics;
use crate::neighbours::Neighbours;
use crate::settings::Settings;
use crate::store::Store;

/// What sysexits.h calls them, as the relay does.
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match Settings::try_parse() {
        Ok(settings) => settings,
        Err(error) => {
            // Help and version are asked for, and no error.
            let code = if error.use_stderr() { USAGE } else { 0 };
            return error.print().map_or(ExitCode::FAILURE, |()| code.into());
        }
    };
    log_as_json();
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            tracing::error!(%cause, "the order service ends");
            UNAVAILABLE.into()
        }
    }
}

async fn run(settings: Settings) -> Result<(), String> {
    let metrics = Arc::new(Metrics::new().map_err(|e| format!("making the metrics: {e}"))?);
    let store = Store::new(&settings, settings.pool_size, Arc::clone(&metrics))?;
    let neighbours = Arc::new(Neighbours::new(&settings.neighbours, Arc::clone(&metrics))?);
    let cause = |error: store::StoreError| error.cause();
    store.migrate().await.map_err(cause)?;
    if settings.migrate {
        tracing::info!("the tables of the order service are there");
        return Ok(());
    }
    if !store.has_outbox(&settings.outbox_schema).await.map_err(cause)? {
        let schema = &settings.outbox_schema;
        return Err(format!(
            "the table {schema}.events is missing: `outbox-relay migrate --schema {schema}` creates it"
        ));
    }
    let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| failed("listening for SIGTERM", e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| failed("listening for SIGINT", e))?;
    let stopping = CancellationToken::new();
    let admin = admin::start(&settings, &metrics, &stopping).await?;
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|e| failed(&format!("listening on {}", settings.listen), e))?;
    let address = listener.local_addr().map_err(|e| failed("asking for the address", e))?;
    tracing::info!(%address, "listening");
    let (hearing, consumers) = match &settings.amqp_url {
        Some(url) => {
            let (hearing, consumers) = consumers::start(&settings, url, &neighbours, &metrics, stopping.clone())?;
            (Some(hearing), Some(consumers))
        }
        None => (None, None),
    };
    let app = App::new(store, hearing, neighbours);
    let jobs = jobs::start(&settings, &app, &stopping);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new connections and messages, what has begun is finished");
        stopping.cancel();
    };
    serve::serve(listener, app::router(app, &settings), stop, settings.drain()).await;
    jobs.ended().await;
    if let Some(admin) = admin {
        admin.await.map_err(|e| format!("the admin port: {e}"))?;
    }
    if let Some(consumers) = consumers {
        consumers.ended().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// One JSON object a line on standard error; RUST_LOG chooses, and the default is what an operator wants.
fn log_as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,tokio_postgres=warn"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr).init();
}
