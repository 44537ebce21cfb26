//! LISTEN on a connection of its own: hints for the first worker. A lost connection falls back to polling, says so, and comes back.
//!
//! Started by `app` with `--wake listen`. Needs a direct connection: LISTEN does not pass a pooler in transaction mode (hazard A14).

use std::time::Duration;

use futures_util::StreamExt;
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use crate::deadline::deadline;
use crate::link::database::{DatabaseSettings, chain};
use crate::relay::backoff::Jitter;
use crate::relay::wake::{Cause, Hints};

const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Listens until `stop`.
pub async fn listen(settings: DatabaseSettings, schema: String, hints: Hints, stop: CancellationToken) {
    let (mut jitter, mut polling) = (Jitter::for_services(), false);
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = listen_once(&settings, &schema, &hints, &mut jitter, &mut polling) => ended,
        };
        if !polling {
            tracing::warn!(error = ended, "not listening; polling goes on");
            polling = true;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jitter.next_pause()) => {}
        }
    }
}

/// Returns why it ended.
async fn listen_once(
    settings: &DatabaseSettings,
    schema: &str,
    hints: &Hints,
    jitter: &mut Jitter,
    polling: &mut bool,
) -> String {
    let (client, mut messages) = match settings.open().await {
        Ok(opened) => opened,
        Err(error) => return error.to_string(),
    };
    let statement = format!("LISTEN \"{schema}_events\"");
    let mut listening = Box::pin(client.batch_execute(&statement));
    let asked = async {
        loop {
            tokio::select! {
                biased;
                done = &mut listening => return done.map_err(|error| chain(&error)),
                message = messages.next() => if message.is_none() { return Err("the connection closed".to_owned()) },
            }
        }
    };
    match deadline(LISTEN_TIMEOUT, "LISTEN", asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return error,
        Err(error) => return error.to_string(),
    }
    tracing::info!(channel = %format_args!("{schema}_events"), "listening");
    *polling = false;
    jitter.reset();
    // What was inserted while nobody listened.
    hints.give(Cause::Listen);
    loop {
        match messages.next().await {
            Some(Ok(AsyncMessage::Notification(_))) => hints.give(Cause::Listen),
            Some(Ok(_)) => {}
            Some(Err(error)) => return chain(&error),
            None => return "the connection closed".to_owned(),
        }
    }
}
