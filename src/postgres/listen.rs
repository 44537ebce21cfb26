//! LISTEN on its own connection: gives hints to the first worker. While the trigger is there, they
//! announce every commit of events, so that polling is only a safety net. If the connection is lost,
//! logs it, falls back to polling at once, and reconnects.
//!
//! Started by `app` with `--wake listen`. Needs a direct connection: LISTEN does not work through a
//! pooler in transaction mode.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;

use crate::deadline::deadline;
use crate::net::jitter::Jitter;
use crate::outbox::hints::{Cause, Hints};
use crate::postgres::call;
use crate::postgres::connect::{DatabaseSettings, chain};
use crate::postgres::queries::Queries;

const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Who gets the notifications.
pub struct Listener {
    /// Where notifications are reported.
    pub hints: Hints,
    /// Whether LISTEN is active.
    pub listening: watch::Sender<bool>,
}

/// Listens until `stop` is cancelled.
pub async fn listen(settings: DatabaseSettings, schema: String, listener: Listener, stop: CancellationToken) {
    let (mut jitter, mut said) = (Jitter::for_services(), Said::default());
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = listen_once(&settings, &schema, &listener, &mut jitter, &mut said) => ended,
        };
        listener.listening.send_replace(false);
        listener.hints.announce_all(false);
        if !said.polling {
            tracing::warn!(error = ended, "not listening; polling instead");
            said.polling = true;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jitter.next_pause()) => {}
        }
    }
}

/// What was already logged.
#[derive(Default)]
struct Said {
    polling: bool,
    no_trigger: bool,
}

/// Listens on one connection; returns why it ended.
async fn listen_once(
    settings: &DatabaseSettings,
    schema: &str,
    listener: &Listener,
    jitter: &mut Jitter,
    said: &mut Said,
) -> String {
    let (client, mut messages) = match settings.open().await {
        Ok(opened) => opened,
        Err(error) => return error.to_string(),
    };
    let statement = format!("LISTEN \"{schema}_events\"");
    let mut listening = Box::pin(async {
        let has_trigger = has_trigger(&client, schema).await?;
        client.batch_execute(&statement).await.map_err(|error| chain(&error))?;
        Ok::<_, String>(has_trigger)
    });
    let asked = async {
        loop {
            tokio::select! {
                biased;
                done = &mut listening => return done,
                message = messages.next() => if message.is_none() { return Err("the connection closed".to_owned()) },
            }
        }
    };
    let has_trigger = match deadline(LISTEN_TIMEOUT, "LISTEN", asked).await {
        Ok(Ok(has_trigger)) => has_trigger,
        Ok(Err(error)) => return error,
        Err(error) => return error.to_string(),
    };
    if !has_trigger && !said.no_trigger {
        tracing::warn!(
            "no trigger wakes listening relays, so the relay polls; run: outbox-relay migrate --schema {schema} --with-notify"
        );
    }
    said.no_trigger = !has_trigger;
    tracing::info!(channel = %format_args!("{schema}_events"), "listening");
    said.polling = false;
    listener.listening.send_replace(true);
    jitter.reset();
    // For rows inserted while nobody was listening.
    listener.hints.give(Cause::Listen);
    listener.hints.announce_all(has_trigger);
    loop {
        match messages.next().await {
            Some(Ok(AsyncMessage::Notification(_))) => listener.hints.give(Cause::Listen),
            Some(Ok(_)) => {}
            Some(Err(error)) => return chain(&error),
            None => return "the connection closed".to_owned(),
        }
    }
}

async fn has_trigger(client: &Client, schema: &str) -> Result<bool, String> {
    let sql = &Queries::new(schema).has_notify_trigger;
    let row = call::one(client, "looking for the trigger", sql, &[]).await.map_err(|error| error.to_string())?;
    Ok(row.get("is_there"))
}
