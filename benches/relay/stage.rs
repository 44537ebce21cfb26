//! One round's stage: a fresh database, a fresh queue, the relays between them; and the end, where everything has to have arrived.
//!
//! Called by the cases. A stage that is not closed because a case failed leaves its database and queue to `dev/with-services`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::database::{DONE, Database, INSERT, Rows};
use crate::failure::Failure;
use crate::relay::{Relay, migrate};
use crate::settings::Settings;
use crate::watcher::Watcher;

/// Between two looks at whether everything has left; and no look costs more than a twentieth of the time, for beside a snapshot that is held
/// open it walks what has left.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_SHARE: u32 = 20;
/// No drain of a case takes longer.
const DRAIN: Duration = Duration::from_secs(3_600);
/// The type of the events, which the order service's direct exchange is bound by.
pub const ORDERS: &str = "order.created";
/// Every routing key, for another relay that names them in its own way.
pub const ALL: &str = "#";

static STAGES: AtomicU32 = AtomicU32::new(0);

/// Whose tables and process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Ours,
    Other,
}

pub struct Stage<'a> {
    settings: &'a Settings,
    pub database: Database,
    pub broker: Broker,
    pub relays: Vec<Relay>,
    whose: Whose,
    committed: u64,
}

impl<'a> Stage<'a> {
    /// Fresh database and queue with our tables, and no relay yet.
    pub async fn open(settings: &'a Settings, pattern: &str) -> Result<Self, Failure> {
        Self::open_for(settings, Whose::Ours, pattern).await
    }

    pub async fn open_for(settings: &'a Settings, whose: Whose, pattern: &str) -> Result<Self, Failure> {
        let number = STAGES.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench_{}_{number}", std::process::id());
        let database = Database::create(&settings.database_url, &name).await?;
        if whose == Whose::Ours {
            migrate(&settings.relay, &database.url).await?;
        }
        let broker = Broker::open(&settings.amqp_url, &name, pattern).await?;
        Ok(Self { settings, database, broker, relays: Vec::new(), whose, committed: 0 })
    }

    /// Starts a relay. The first one on an empty table relays one event, so that it is known to be there.
    pub async fn start(&mut self, flags: &[&str]) -> Result<(), Failure> {
        let (database_url, amqp_url, exchange) = (&self.database.url, &self.settings.amqp_url, &self.broker.exchange);
        let relay = match self.whose {
            Whose::Ours => Relay::ours(&self.settings.relay, database_url, amqp_url, exchange, flags)?,
            Whose::Other => Relay::other(&self.settings.other_start, database_url, amqp_url, exchange)?,
        };
        self.relays.push(relay);
        if self.committed == 0 {
            self.warm_up().await?;
        }
        Ok(())
    }

    /// Another relay makes its tables only when it starts.
    async fn warm_up(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.commit(Rows::new(1, 1)).await {
            self.check()?;
            if self.whose == Whose::Ours || Instant::now() > until {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(200)).await; // between two tries
        }
        self.until_done().await
    }

    /// Commits rows in one transaction.
    pub async fn commit(&mut self, rows: Rows) -> Result<(), Failure> {
        let sql = if self.whose == Whose::Ours { INSERT } else { &self.settings.other_insert };
        self.database.insert(sql, rows).await?;
        self.committed += u64::from(rows.count);
        Ok(())
    }

    /// Notes events that a case committed by itself.
    pub fn note(&mut self, committed: u64) {
        self.committed += committed;
    }

    pub fn committed(&self) -> u64 {
        self.committed
    }

    pub fn check(&mut self) -> Result<(), Failure> {
        self.relays.iter_mut().try_for_each(Relay::check)
    }

    pub async fn until_done(&mut self) -> Result<(), Failure> {
        let sql = if self.whose == Whose::Ours { DONE } else { &self.settings.other_done };
        let until = Instant::now() + DRAIN;
        loop {
            let looked = Instant::now();
            if self.database.is(sql).await? {
                return Ok(());
            }
            let took = looked.elapsed();
            self.check()?;
            if Instant::now() > until {
                return Err(Failure::new(format!("not everything left within {DRAIN:?}")));
            }
            tokio::time::sleep(LOOK.max(took * LOOK_SHARE)).await;
        }
    }

    pub async fn stop_relays(&mut self) -> Result<(), Failure> {
        for relay in self.relays.drain(..) {
            relay.stop(self.whose == Whose::Ours).await?;
        }
        Ok(())
    }

    /// Stops the relays, checks that everything that was committed arrived once and in order, and takes the stage away.
    pub async fn close(mut self, watcher: Option<Watcher>) -> Result<(), Failure> {
        self.stop_relays().await?;
        let watcher = match watcher {
            Some(watcher) => watcher,
            None => Watcher::start(&self.broker, false).await?,
        };
        watcher.judge(self.committed, self.whose == Whose::Ours).await?;
        watcher.close().await?;
        self.abandon().await
    }

    /// Takes the stage away, whatever has arrived: for a case that measures only a part of its backlog.
    pub async fn abandon(mut self) -> Result<(), Failure> {
        self.stop_relays().await?;
        self.broker.close().await?;
        self.database.drop().await
    }
}
