//! A service as small as it can be: each message adds a row to a ledger that would take it twice, in one transaction with the
//! inbox's mark. Counts everything that the consumers say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use order_domain::inbound::{
    Dead, DeadBody, DeadLetter, DeadLetterStore, DeadReason, Fault, Handler, Message, Observer, Outcome, Seen,
};
use order_domain::inbox;
use tokio_postgres::NoTls;

/// What the service's own tables are.
pub const TABLES: &str = "
    CREATE TABLE effects (message_id text NOT NULL, order_id text);
    CREATE TABLE letters (queue text, message_id text, reason text NOT NULL, detail text NOT NULL, attempts int NOT NULL,
        routing_key text NOT NULL, exchange text, body bytea NOT NULL, bytes bigint, PRIMARY KEY (queue, message_id));";

const SHORT: Duration = Duration::from_secs(2);

/// What one try does.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Apply,
    /// After so long with the transaction open.
    Slowly(Duration),
    Fail,
    Panic,
    Dead(DeadReason),
}

type Script = Box<dyn Fn(&Message, usize) -> Step + Send + Sync>;
type Hook = Box<dyn Fn(&Message) + Send + Sync>;

pub struct Ledger {
    pool: Pool,
    script: Script,
    /// Called after each COMMIT and before the acknowledgement.
    committed: Hook,
    tries: Mutex<HashMap<String, Vec<Instant>>>,
    seen: Mutex<Vec<String>>,
    refuse_letters: AtomicBool,
}

impl Ledger {
    /// With its database at `url`; `script` says what a try does, from the message and the number of tries before.
    pub fn new(url: &str, script: impl Fn(&Message, usize) -> Step + Send + Sync + 'static) -> Self {
        let config = url.parse().expect("a URL of PostgreSQL");
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let timeouts = Timeouts { wait: Some(SHORT), create: Some(SHORT), recycle: Some(SHORT) };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(8)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool");
        Self {
            pool,
            script: Box::new(script),
            committed: Box::new(|_| ()),
            tries: Mutex::default(),
            seen: Mutex::default(),
            refuse_letters: AtomicBool::new(false),
        }
    }

    /// The same with something that happens after each COMMIT.
    pub fn after_commit(self, hook: impl Fn(&Message) + Send + Sync + 'static) -> Self {
        Self { committed: Box::new(hook), ..self }
    }

    /// Whether letters cannot be stored because of what is in them.
    pub fn refuse_letters(&self, refuse: bool) {
        self.refuse_letters.store(refuse, Ordering::SeqCst);
    }

    /// When the tries of a message began.
    pub fn tries(&self, id: &str) -> Vec<Instant> {
        lock(&self.tries).get(id).cloned().unwrap_or_default()
    }

    /// How often the consumers said something that starts so.
    pub fn said(&self, what: &str) -> usize {
        lock(&self.seen).iter().filter(|seen| seen.starts_with(what)).count()
    }

    pub fn everything(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }

    fn try_number(&self, id: &str) -> usize {
        let mut tries = lock(&self.tries);
        let tries = tries.entry(id.to_owned()).or_default();
        tries.push(Instant::now());
        tries.len() - 1
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn away(error: &deadpool_postgres::PoolError) -> Fault {
    Fault::infrastructure(format!("no connection to the database: {error}"))
}

impl Handler for Ledger {
    async fn handle(&self, message: &Message) -> Result<Outcome, Fault> {
        let number = self.try_number(&message.id);
        let mut client = self.pool.get().await.map_err(|error| away(&error))?;
        let fault = |error: tokio_postgres::Error| inbox::fault(&error);
        let transaction = client.transaction().await.map_err(fault)?;
        if !inbox::once(&transaction, message.source().queue(), &message.id).await.map_err(fault)? {
            return Ok(Outcome::Duplicate);
        }
        let order_id = message.fact.order_id().map(|id| id.as_str());
        let effect = "INSERT INTO effects (message_id, order_id) VALUES ($1, $2)";
        transaction.execute(effect, &[&message.id, &order_id]).await.map_err(fault)?;
        match (self.script)(message, number) {
            Step::Apply => {}
            Step::Slowly(pause) => tokio::time::sleep(pause).await,
            Step::Fail => return Err(Fault::message("it does not work")),
            // Without the hook: writing a backtrace takes seconds, in which nothing else of the test runs.
            Step::Panic => std::panic::resume_unwind(Box::new("as the test asks")),
            Step::Dead(reason) => return Ok(Outcome::Dead(Dead::new(reason, "as the test asks"))),
        }
        transaction.commit().await.map_err(fault)?;
        (self.committed)(message);
        Ok(Outcome::Applied)
    }
}

impl DeadLetterStore for Ledger {
    async fn store(&self, letter: &DeadLetter) -> Result<(), Fault> {
        if self.refuse_letters.load(Ordering::SeqCst) {
            return Err(Fault::message("as the test asks"));
        }
        let client = self.pool.get().await.map_err(|error| away(&error))?;
        let insert = "INSERT INTO letters VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
        let bytes = match &letter.body {
            DeadBody::Whole(_) => None,
            DeadBody::Cut { bytes, .. } => i64::try_from(*bytes).ok(),
        };
        let attempts = i32::try_from(letter.attempts).expect("few tries");
        client
            .execute(
                insert,
                &[
                    &letter.queue,
                    &letter.message_id,
                    &letter.reason.as_str(),
                    &letter.detail,
                    &attempts,
                    &letter.properties.routing_key,
                    &letter.exchange,
                    &letter.body.bytes(),
                    &bytes,
                ],
            )
            .await
            .map_err(|error| inbox::fault(&error))?;
        Ok(())
    }
}

impl Observer for Ledger {
    fn seen(&self, seen: Seen<'_>) {
        let text = match seen {
            Seen::Handled { source, outcome, .. } => format!("{} {source}", outcome.as_str()),
            Seen::Retried { attempts, .. } => format!("retried {attempts}"),
            Seen::DeadLettered { reason, .. } => format!("dead letter {reason}"),
            Seen::Stored { .. } => "stored".to_owned(),
            Seen::NotificationFailure(alert) => format!("alert {}", serde_json::to_string(alert).expect("JSON")),
            Seen::HandedBack { .. } => "handed back".to_owned(),
            Seen::State { source, dead_letters, is_paused: true, .. } => format!("paused {source} {dead_letters}"),
            Seen::State { .. } => "state".to_owned(),
        };
        lock(&self.seen).push(text);
    }
}
