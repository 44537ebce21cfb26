//! What became of every message that was told, held against the ids that were published.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::database;
use crate::failure::{Doing, Failure};
use crate::neighbours::TICK;
use crate::neighbours::customers::Shown;
use crate::neighbours::poison::Poison;
use crate::neighbours::wire::Told;
use crate::report::thousands;
use crate::stage::Stage;
use crate::story::http::Client;

const MARKS: &str = "SELECT message_id FROM inbox.handled_messages";
const DEAD: &str = "SELECT message_id FROM order_service.dead_letters WHERE processed_at IS NULL";

/// The counts at the end.
pub struct Accounts {
    told: usize,
    copies: usize,
    /// Distinct messages with a mark, which is written with the effect.
    applied: usize,
    duplicates: u64,
    retried: u64,
    /// Dead letters that wait for a person.
    dead: usize,
    /// Neither applied nor dead.
    lost: usize,
    /// Marks of messages that nobody has told.
    invented: usize,
}

impl Accounts {
    /// Waits until every message is accounted for and every copy was met, or the time is over.
    pub async fn settle(
        stage: &mut Stage,
        replicas: &[SocketAddr],
        told: &Told,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let end = Instant::now() + patience;
        loop {
            stage.check()?;
            let accounts = Self::read(stage, replicas, told).await?;
            let all_met = accounts.lost == 0 && accounts.duplicates >= accounts.copies as u64;
            if all_met || Instant::now() > end {
                return Ok(accounts);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    async fn read(stage: &Stage, replicas: &[SocketAddr], told: &Told) -> Result<Self, Failure> {
        let database = database::connect(&stage.database().config).await?;
        let ids = async |sql: &str| {
            let rows = database.query(sql, &[]).await.doing("reading what became of messages")?;
            Ok::<BTreeSet<String>, Failure>(rows.iter().map(|row| row.get(0)).collect())
        };
        let (marks, dead, told_ids) = (ids(MARKS).await?, ids(DEAD).await?, told.ids());
        let (mut duplicates, mut retried) = (0, 0);
        for address in replicas {
            for source in health(*address).await?["heard"].as_array().into_iter().flatten() {
                duplicates += source["outcomes"]["duplicate"].as_u64().unwrap_or_default();
                retried += source["retried"].as_u64().unwrap_or_default();
            }
        }
        Ok(Self {
            told: told_ids.len(),
            copies: told.copies(),
            applied: told_ids.intersection(&marks).count(),
            duplicates,
            retried,
            dead: told_ids.intersection(&dead).count(),
            lost: told_ids.iter().filter(|id| !marks.contains(*id) && !dead.contains(*id)).count(),
            invented: marks.difference(&told_ids).count(),
        })
    }

    pub fn show(&self, shown: &Shown, poison: &Poison, took: Duration) {
        println!(
            "  orders            {} of {} show every item CONFIRMED and the confirmation SENT, after {:.1} s",
            shown.complete,
            shown.orders,
            took.as_secs_f64()
        );
        let email = if shown.email_took_over { "e-mail took over" } else { "nothing took over" };
        println!("  a text message    failed, and {email}");
        println!("  poison            {} dead letters, {} replayed", poison.dead, poison.replayed);
        println!();
        println!(
            "  {:>8}{:>8}{:>9}{:>12}{:>9}{:>6}{:>6}",
            "told", "copies", "applied", "duplicates", "retried", "dead", "lost"
        );
        println!(
            "  {:>8}{:>8}{:>9}{:>12}{:>9}{:>6}{:>6}",
            thousands(self.told),
            self.copies,
            thousands(self.applied),
            self.duplicates,
            self.retried,
            self.dead,
            self.lost
        );
    }

    pub fn is_kept(&self) -> bool {
        self.told > 0 && self.lost + self.invented == 0 && self.dead == 1
    }
}

/// Waits until each replica consumes all of its queues, and says why one does not.
pub async fn until_hearing(replicas: &[SocketAddr], patience: Duration) -> Result<(), Failure> {
    for address in replicas {
        let end = Instant::now() + patience;
        loop {
            let health = health(*address).await?;
            let consumers = health["consumers"].as_array().cloned().unwrap_or_default();
            let runs = |one: &Value| one["state"] == "RUNNING" && one["problems"].as_array().is_some_and(Vec::is_empty);
            if !consumers.is_empty() && consumers.iter().all(runs) {
                break;
            }
            if Instant::now() > end {
                return Err(Failure::new(format!("the order service does not hear: {}", health["consumers"])));
            }
            tokio::time::sleep(TICK).await;
        }
    }
    Ok(())
}

async fn health(address: SocketAddr) -> Result<Value, Failure> {
    Ok(Client::connect(address).await?.send("GET", "/health", None, &json!({})).await?.1)
}
