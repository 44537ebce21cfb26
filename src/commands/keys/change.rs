//! `outbox-relay keys release` and `keys dead-letter`: change one waiting key.
//!
//! The key's lane is locked, so no relay works on the key at the same time. The command changes
//! exactly what it showed, or nothing.

use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::many::consent::{agree, log_change};
use crate::commands::print::next::Typist;
use crate::commands::print::{Output, clean};
use crate::commands::session::Session;
use crate::config::keys::KeyConfig;
use crate::error::AppError;
use crate::outbox::event::{FailureReason, WaitReason};
use crate::outbox::hold::HoldScope;
use crate::outbox::store::StoreError;
use crate::postgres::call::Param;

/// Why a key's head may not leave, and which event that is.
struct KeyState {
    lane: i16,
    wait: Option<Wait>,
    head: Option<Head>,
}

struct Wait {
    reason: String,
    event: Uuid,
    attempts: i32,
    until: Option<String>,
    error: Option<String>,
    routes_confirmed: Vec<String>,
    hold: Option<HeldBy>,
}

struct HeldBy {
    scope: Option<HoldScope>,
    reason: String,
}

#[derive(Clone)]
struct Head {
    event: Uuid,
    event_type: String,
    seq: i64,
    created_at: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer<'a> {
    key: &'a str,
    action: &'static str,
    event: String,
    was: &'a str,
}

/// Ends the wait of a key.
pub async fn release(config: KeyConfig) -> Result<(), AppError> {
    let session = &Session::change(&config.common).await?;
    let state = look(session, &config.key).await?;
    let Some(wait) = &state.wait else {
        return Err(AppError::No(format!(
            "the key '{}' does not wait; nothing was changed. To see its events: outbox-relay trace KEY",
            clean(&config.key)
        )));
    };
    let reason = WaitReason::parse(&wait.reason);
    match reason {
        Some(WaitReason::Held) => {
            if let Some(hold) = &wait.hold {
                return Err(held(&session.schema, &config.key, hold));
            }
        }
        Some(WaitReason::Unconfirmed) => {
            let event = wait.event;
            agree(
                config.consent,
                &format!(
                    "The event {event} was sent, and its confirm may still come (until {}). If you release the key, the event is sent again: consumers may get it twice, with the same message_id.\n",
                    wait.until.as_deref().unwrap_or("the hold of its destination ends")
                ),
            )?;
        }
        Some(
            WaitReason::Retry
            | WaitReason::NoRoute
            | WaitReason::AfterDeadLetter
            | WaitReason::Unreadable
            | WaitReason::DeadLetterFailed,
        )
        | None => {}
    }
    let changed = session.step(async || release_step(session, &config.key, &state, wait).await).await?;
    if !changed {
        return Err(changed_meanwhile(&config.key));
    }
    log_change(&format!("key '{}' released, was {}", clean(&config.key), wait.reason), &config.audit);
    let answer = Answer { key: &config.key, action: "released", event: wait.event.to_string(), was: &wait.reason };
    Output::new(config.common.format).answer(&answer, || {
        let what = match reason {
            Some(WaitReason::AfterDeadLetter) => "it continues without the dead letter",
            Some(WaitReason::Unconfirmed) => {
                "another relay sends its event again at once; the one that sent it does so after its confirm timeout"
            }
            Some(WaitReason::Unreadable) => "its event is read again at once; if that fails, the key waits again",
            Some(WaitReason::Retry | WaitReason::NoRoute | WaitReason::Held | WaitReason::DeadLetterFailed) | None => {
                "its event is tried at once"
            }
        };
        format!("the key '{}' is released (was {}): {what}\n", clean(&config.key), wait.reason)
    });
    Ok(())
}

/// Ends the wait under the lane's lock, if it is still the one that was shown.
async fn release_step(session: &Session, key: &str, state: &KeyState, wait: &Wait) -> Result<bool, StoreError> {
    session.lock_lanes([state.lane]).await?;
    let now = KeyState::read(&state_rows(session, key).await?).and_then(|now| now.wait);
    if now.is_none_or(|now| now.event != wait.event || now.reason != wait.reason) {
        return Ok(false);
    }
    match WaitReason::parse(&wait.reason) {
        Some(WaitReason::AfterDeadLetter) => {
            let events = [wait.event];
            let params: [Param<'_>; 1] = [(&events.as_slice(), Type::UUID_ARRAY)];
            session.rows("ending the wait", &session.queries.release_after_dead_letters, &params).await?;
        }
        Some(
            WaitReason::Retry
            | WaitReason::NoRoute
            | WaitReason::Unconfirmed
            | WaitReason::Held
            | WaitReason::Unreadable
            | WaitReason::DeadLetterFailed,
        )
        | None => {
            let params: [Param<'_>; 2] = [(&key, Type::TEXT), (&wait.event, Type::UUID)];
            session.rows("making the event due", &session.queries.release_key, &params).await?;
        }
    }
    Ok(true)
}

/// Moves the key's head to the dead letters.
pub async fn dead_letter(config: KeyConfig) -> Result<(), AppError> {
    let session = &Session::change(&config.common).await?;
    let (state, key) = (look(session, &config.key).await?, clean(&config.key));
    let waits_for_letter = |wait: &Wait| WaitReason::parse(&wait.reason) == Some(WaitReason::AfterDeadLetter);
    if state.wait.as_ref().is_some_and(waits_for_letter) {
        return Err(AppError::No(format!(
            "the event that the key '{key}' waits for is already a dead letter; to release the key: {}. Nothing was changed",
            line(&session.schema, &["keys", "release"], &config.key)
        )));
    }
    let Some(head) = state.head.clone() else {
        return Err(AppError::No(format!("the key '{key}' has no pending event; nothing was changed")));
    };
    agree(config.consent, &consequences(&key, &head, state.wait.as_ref()))?;
    let moved = session.step(async || dead_letter_step(session, &config, &state, &head).await).await?;
    if !moved {
        return Err(changed_meanwhile(&config.key));
    }
    log_change(&format!("event {} of key '{key}' moved to the dead letters", head.event), &config.audit);
    let was = state.wait.as_ref().map_or("pending", |wait| &wait.reason);
    let answer = Answer { key: &config.key, action: "dead-lettered", event: head.event.to_string(), was };
    Output::new(config.common.format).answer(&answer, || {
        format!(
            "the event {} is now a dead letter, and the key '{key}' continues; to see it: {}\n",
            head.event,
            line(&session.schema, &["dlq", "show"], &head.event.to_string())
        )
    });
    Ok(())
}

async fn dead_letter_step(
    session: &Session,
    config: &KeyConfig,
    state: &KeyState,
    head: &Head,
) -> Result<bool, StoreError> {
    session.lock_lanes([state.lane]).await?;
    let Some(now) = KeyState::read(&state_rows(session, &config.key).await?) else { return Ok(false) };
    if now.head.is_none_or(|now| now.event != head.event) {
        return Ok(false);
    }
    let (by, note) = (config.audit.by.as_deref(), config.audit.note.as_deref());
    let mut error = format!("moved out of the way by {}", by.unwrap_or("the database role"));
    for part in [note, now.wait.as_ref().and_then(|wait| wait.error.as_deref())].into_iter().flatten() {
        error.push_str(": ");
        error.push_str(part);
    }
    let reason = FailureReason::Operator.as_str();
    let attempts = now.wait.as_ref().map_or(0, |wait| wait.attempts);
    let confirmed = now.wait.map(|wait| wait.routes_confirmed.join(",")).unwrap_or_default();
    let params: [Param<'_>; 6] = [
        (&head.event, Type::UUID),
        (&reason, Type::TEXT),
        (&error, Type::TEXT),
        (&attempts, Type::INT4),
        (&confirmed, Type::TEXT),
        (&"", Type::TEXT),
    ];
    let queries = &session.queries;
    let moved = session.rows("moving the event to the dead letters", &queries.dead_letter, &params).await?;
    let (lanes, events) = ([now.lane], [head.event]);
    let params: [Param<'_>; 2] = [(&lanes.as_slice(), Type::INT2_ARRAY), (&events.as_slice(), Type::UUID_ARRAY)];
    session.rows("ending the wait", &queries.end_waits, &params).await?;
    // No row if a late confirm has just marked it published.
    Ok(!moved.is_empty())
}

async fn look(session: &Session, key: &str) -> Result<KeyState, AppError> {
    let params: [Param<'_>; 1] = [(&key, Type::TEXT)];
    let rows = session.select("looking at the key", &session.queries.key_state, &params).await?;
    KeyState::read(&rows).ok_or_else(|| AppError::Bug("a key without a lane".into()))
}

async fn state_rows(session: &Session, key: &str) -> Result<Vec<Row>, StoreError> {
    let params: [Param<'_>; 1] = [(&key, Type::TEXT)];
    session.rows("looking at the key", &session.queries.key_state, &params).await
}

impl KeyState {
    fn read(rows: &[Row]) -> Option<Self> {
        let row = rows.first()?;
        let hold = row.get::<_, Option<i64>>("hold_id").map(|_| HeldBy {
            scope: HoldScope::from_columns(
                row.get("scope"),
                row.get("exchange"),
                row.get("routing_key"),
                row.get("route"),
            ),
            reason: row.get("hold_reason"),
        });
        let wait = row.get::<_, Option<String>>("reason").map(|reason| Wait {
            reason,
            event: row.get("waiting_id"),
            attempts: row.get("attempts"),
            until: row.get("until"),
            error: row.get("error"),
            routes_confirmed: row.get("routes_confirmed"),
            hold,
        });
        let head = row.get::<_, Option<Uuid>>("head_id").map(|event| Head {
            event,
            event_type: row.get("event_type"),
            seq: row.get("seq"),
            created_at: row.get("created_at"),
        });
        Some(Self { lane: row.get("lane"), wait, head })
    }
}

fn held(schema: &str, key: &str, hold: &HeldBy) -> AppError {
    let Some(scope) = &hold.scope else {
        return AppError::No("the key waits for a hold that only a newer relay knows; nothing was changed".into());
    };
    let name = match scope {
        HoldScope::Key(destination) => destination.to_string(),
        HoldScope::Flow(flow) => flow.to_string(),
        HoldScope::Exchange(exchange) => exchange.to_string(),
        HoldScope::Route(route) => route.to_string(),
    };
    AppError::No(format!(
        "the key '{}' waits because its destination is on hold: {}, {}; releasing only the key would not help. Nothing was changed. To release everything that waits for it: {}",
        clean(key),
        clean(&scope.to_string()),
        hold.reason,
        line(schema, &["routes", "release", "--scope", scope.columns().0], &name),
    ))
}

/// A command line that can be pasted into a shell.
fn line(schema: &str, words: &[&str], operand: &str) -> String {
    Typist::new(schema).line(words, Some(operand))
}

fn changed_meanwhile(key: &str) -> AppError {
    AppError::No(format!("the key '{}' changed in the meantime; look again. Nothing was changed", clean(key)))
}

/// The consequences of moving the head.
fn consequences(key: &str, head: &Head, wait: Option<&Wait>) -> String {
    let mut text = format!(
        "The first event of the key '{key}' moves to the dead letters, and its later events leave without it:\n\n  event    {}\n  type     {}\n  seq      {}\n  created  {}\n",
        head.event,
        clean(&head.event_type),
        head.seq,
        head.created_at.as_deref().unwrap_or("-"),
    );
    if let Some(wait) = wait {
        text += &format!("  waits    {}, {} attempts charged\n", wait.reason, wait.attempts);
        if let Some(error) = &wait.error {
            text += &format!("  error    {}\n", clean(error));
        }
        if !wait.routes_confirmed.is_empty() {
            text += &format!("  already  on {}\n", clean(&wait.routes_confirmed.join(", ")));
        }
        if WaitReason::parse(&wait.reason) == Some(WaitReason::Unconfirmed) {
            text += "\nIt was sent and may have arrived: its confirm has not come yet.\n";
        }
    }
    text.push('\n');
    text
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Answer<'_>>()
}
