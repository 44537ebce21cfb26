//! The producer's half: business transactions that change an order and insert its events, as the README asks of a service
//! (lock the aggregate first, insert the outbox rows last). What COMMIT said goes into the history.

use serde_json::json;
use tokio_postgres::error::Severity;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::history::{Committed, Fate, History, body_hash};

/// One event to be written, and what must become of it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub event_type: String,
    /// JSON text, as it must pass through.
    pub payload: String,
    /// JSON text of an object.
    pub headers: Option<String>,
    pub fate: Fate,
}

impl NewEvent {
    pub fn new(event_type: &str, payload: &str) -> Self {
        Self { event_type: event_type.into(), payload: payload.into(), headers: None, fate: Fate::Delivered }
    }

    pub fn headers(mut self, headers: &str) -> Self {
        self.headers = Some(headers.into());
        self
    }

    /// Must end in the dead letters with this reason.
    pub fn dead_letter(mut self, reason: &str) -> Self {
        self.fate = Fate::DeadLettered(reason.into());
        self
    }

    /// A row that can never become a message: its type is longer than AMQP's 255 bytes.
    pub fn poison() -> Self {
        Self::new(&"x".repeat(300), "{}").dead_letter("INVALID_EVENT")
    }

    /// What happens to an order, over and over. Odd spacing and key order on purpose: a payload is passed on as it is.
    pub fn of_order(key: &str, ordinal: usize) -> Self {
        let event_type = ["order.created", "order.paid", "order.shipped", "order.completed"][ordinal % 4];
        let lines = json!([{"sku": "A-17", "quantity": ordinal % 5 + 1, "price": "19.90"}, {"sku": "B-4", "quantity": 1, "price": "3.50"}]);
        Self::new(
            event_type,
            &format!("{{ \"orderId\": \"{key}\",  \"step\":{ordinal}, \"total\": 23.400, \"lines\": {lines} }}"),
        )
    }
}

/// So many keys with a common beginning.
pub fn keys(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

/// The first events of an order.
pub fn good(key: &str, count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| NewEvent::of_order(key, n)).collect()
}

/// So many events of one type, all different.
pub fn of_type(event_type: &str, count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| NewEvent::new(event_type, &format!("{{\"step\": {n}}}"))).collect()
}

#[derive(Clone)]
pub struct Writer {
    history: History,
    event_first: bool,
}

impl Writer {
    pub fn new(history: &History) -> Self {
        Self { history: history.clone(), event_first: false }
    }

    /// One that inserts the events before it changes the order, as the flush of a unit of work does.
    pub fn event_first(history: &History) -> Self {
        Self { history: history.clone(), event_first: true }
    }

    /// Commits the next `count` events of the order in one transaction; returns their ids in order.
    pub async fn commit(&self, client: &mut Client, key: &str, count: usize) -> Vec<Uuid> {
        self.commit_events(client, key, good(key, count)).await
    }

    /// Commits these events of the order in one transaction.
    pub async fn commit_events(&self, client: &mut Client, key: &str, events: Vec<NewEvent>) -> Vec<Uuid> {
        self.try_commit(client, key, events).await.unwrap_or_else(|e| panic!("the order {key} was not written: {e:?}"))
    }

    /// The same while the database may fail. Without an answer to COMMIT the events are recorded as uncertain.
    pub async fn try_commit(&self, client: &mut Client, key: &str, events: Vec<NewEvent>) -> Result<Vec<Uuid>, Error> {
        let transaction = client.transaction().await?;
        let rows = insert(&transaction, key, events, self.event_first).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        self.history.committing(rows);
        let outcome = transaction.commit().await;
        match &outcome {
            Ok(()) => self.history.answered(&ids, true),
            Err(error) if is_refusal(error) => self.history.answered(&ids, false),
            Err(_) => {}
        }
        outcome.map(|()| ids)
    }

    /// A transaction that changes its mind: nothing of it may ever arrive.
    pub async fn roll_back(&self, client: &mut Client, key: &str, count: usize) -> Result<(), Error> {
        let transaction = client.transaction().await?;
        insert(&transaction, key, good(key, count), self.event_first).await?;
        transaction.rollback().await
    }
}

/// The server said no to the COMMIT itself; an error that ends the session leaves its outcome open.
fn is_refusal(error: &Error) -> bool {
    error.as_db_error().is_some_and(|e| e.parsed_severity() == Some(Severity::Error))
}

async fn insert(
    transaction: &tokio_postgres::Transaction<'_>,
    key: &str,
    events: Vec<NewEvent>,
    event_first: bool,
) -> Result<Vec<Committed>, Error> {
    let count = i64::try_from(events.len()).expect("a small transaction");
    // Locks the order's row until the end, which makes the version the business order of its events.
    let lock = "INSERT INTO orders AS o (id, version) VALUES ($1, $2)
                ON CONFLICT (id) DO UPDATE SET version = o.version + $2 RETURNING version - $2";
    let change = async || transaction.query_one(lock, &[&key, &count]).await.map(|row| row.get::<_, i64>(0));
    let changed = if event_first { None } else { Some(change().await?) };
    let ids: Vec<Uuid> = events.iter().map(|_| Uuid::new_v4()).collect();
    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
    let payloads: Vec<&str> = events.iter().map(|event| event.payload.as_str()).collect();
    let headers: Vec<Option<&str>> = events.iter().map(|event| event.headers.as_deref()).collect();
    let insert = "INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload, headers)
                  SELECT id, 'Order', $1, type, payload::json, headers::json
                  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS e (id, type, payload, headers, place)
                  ORDER BY place";
    transaction.execute(insert, &[&key, &ids, &types, &payloads, &headers]).await?;
    let before = match changed {
        Some(before) => before,
        None => change().await?,
    };
    let ordinals = (before as u64)..;
    Ok(ids
        .into_iter()
        .zip(events)
        .zip(ordinals)
        .map(|((id, event), ordinal)| committed(id, key, ordinal, event))
        .collect())
}

fn committed(id: Uuid, key: &str, ordinal: u64, event: NewEvent) -> Committed {
    let payload = body_hash(event.payload.as_bytes());
    Committed { id, key: key.to_owned(), ordinal, payload, fate: event.fate, certain: true }
}
