//! What these tests start with, and how they measure what the others had to wait.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::types::{FromSqlOwned, ToSql};

use testkit::program;
use testkit::{Queue, QueueKind, TestBed, Topology};

pub const SOON: Duration = Duration::from_secs(60);

pub struct Field {
    pub bed: TestBed,
    pub client: Client,
}

impl Field {
    /// With the exchange `order.events` and a queue `orders` that takes everything.
    pub async fn new(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        bed.declare_topology(&orders()).await;
        let client = bed.client().await;
        Self { bed, client }
    }

    /// The single value of a query.
    pub async fn ask<T: FromSqlOwned>(&self, query: &str, params: &[&(dyn ToSql + Sync)]) -> T {
        self.client.query_one(query, params).await.unwrap_or_else(|e| panic!("{query}: {e:?}")).get(0)
    }

    pub async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// One event of each of so many keys, in one transaction.
    pub async fn insert(&self, prefix: &str, keys: i64, event_type: &str) {
        let sql = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                   SELECT 'Order', $1 || '-' || n, $3, '{}' FROM generate_series(1, $2::bigint) n";
        self.client.execute(sql, &[&prefix, &keys, &event_type]).await.expect("the events are inserted");
    }

    /// So many events of one key, in one transaction.
    pub async fn insert_of_key(&self, key: &str, events: i64) {
        let sql = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                   SELECT 'Order', $1, 'order.paid', '{}' FROM generate_series(1, $2::bigint)";
        self.client.execute(sql, &[&key, &events]).await.expect("the events are inserted");
    }

    /// A key of this beginning in the lane of `of`.
    pub async fn key_in_lane(&self, prefix: &str, of: &str) -> String {
        let sql = "SELECT k FROM (SELECT $1 || '-' || n AS k FROM generate_series(1, 5000) n) keys
                   WHERE hashtextextended(k, 0) & 63 = hashtextextended($2, 0) & 63 LIMIT 1";
        self.ask(sql, &[&prefix, &of]).await
    }

    pub async fn lane(&self, key: &str) -> i32 {
        self.ask("SELECT (hashtextextended($1, 0) & 63)::integer", &[&key]).await
    }

    pub async fn waits(&self, reason: &str) -> i64 {
        self.ask("SELECT count(*) FROM outbox.waits WHERE reason = $1", &[&reason]).await
    }

    pub async fn pending(&self, prefix: &str) -> i64 {
        let sql = "SELECT count(*) FROM outbox.events WHERE published_at IS NULL AND starts_with(aggregate_id, $1)";
        self.ask(sql, &[&prefix]).await
    }

    /// Inserts an event of `key` every 50 ms until `stop` says so, at least so many; then the longest that one of them took from its INSERT
    /// to its mark, by the database's clock.
    pub async fn worst_lag(&self, key: &str, at_least: usize, mut stop: impl AsyncFnMut() -> bool) -> Duration {
        let started = Instant::now();
        for number in 0.. {
            let key = format!("{key}-{number}");
            self.insert_of_key(&key, 1).await;
            // The pace of the traffic, not a wait for anything.
            sleep(Duration::from_millis(50)).await;
            if (number + 1 >= at_least && stop().await) || started.elapsed() > SOON {
                break;
            }
        }
        self.lag_of(&format!("{key}-")).await
    }

    /// The longest that an event of these keys took; all of them have to leave.
    pub async fn lag_of(&self, prefix: &str) -> Duration {
        testkit::eventually(SOON, "the live events leave", async || self.pending(prefix).await == 0).await;
        let sql = "SELECT extract(epoch FROM max(published_at - created_at))::float8 FROM outbox.events WHERE starts_with(aggregate_id, $1)";
        Duration::from_secs_f64(self.ask(sql, &[&prefix]).await)
    }
}

/// The exchange of these tests and its queue.
pub fn orders() -> Topology {
    Topology::order_events([Queue::new("orders", QueueKind::Classic)])
}

/// A routes file with these routes: name, event type, exchange.
pub fn routes_file(routes: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for (name, event_type, exchange) in routes {
        text += &format!(
            "[[route]]\nname = \"{name}\"\nevent_type = \"{event_type}\"\nexchange = \"{exchange}\"\nrouting_key = \"{{event_type}}\"\n"
        );
    }
    let file = testkit::program::scratch().join(testkit::process::unique("routes.toml"));
    std::fs::write(&file, text).expect("a routes file");
    file.to_str().expect("a plain path").to_owned()
}

/// What a command said.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{}{}", self.stdout, self.stderr))
    }
}

/// Runs a command of the program.
pub async fn command(args: &[&str]) -> Said {
    let mut command = Command::new(program::relay());
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTBOX_")) {
        command.env_remove(name);
    }
    let output = timeout(SOON, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{args:?} hangs")).expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Lines of a log that contain the words.
pub fn lines(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}
