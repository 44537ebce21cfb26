//! Everything the demo puts on other people's servers, from opening to leaving.
//!
//! Called by `main`. Promises that whatever was opened is taken away by `close`, however far opening came, and that
//! `leave` says where everything is. Refuses to stop at the first thing that cannot be taken away.

use std::path::Path;
use std::time::Duration;

use crate::broker::Broker;
use crate::database::Database;
use crate::failure::{Doing, Failure};
use crate::relay::{Launch, Relay};
use crate::settings::{EXCHANGE, FOLDER, Settings};

/// What `run` promises: a drained shutdown within its own drain timeout.
const DRAINED: Duration = Duration::from_secs(20);
/// After an interrupt whoever sent it waits: `dev/with-services` removes the servers ten seconds later.
const HURRIED: Duration = Duration::from_secs(5);

pub struct Stage {
    pub settings: Settings,
    database: Option<Database>,
    broker: Option<Broker>,
    launch: Option<Launch>,
    relay: Option<Relay>,
}

impl Stage {
    pub fn new(settings: Settings) -> Self {
        Self { settings, database: None, broker: None, launch: None, relay: None }
    }

    pub async fn open(&mut self) -> Result<(), Failure> {
        self.settings.check()?;
        let pid = std::process::id();
        std::fs::create_dir_all(FOLDER).doing(&format!("making {FOLDER}"))?;
        // Absolute: it is read from anywhere when the demo is kept.
        let log = std::path::absolute(Path::new(FOLDER).join("relay.log")).doing("finding the working directory")?;
        std::fs::write(&log, "").doing(&format!("emptying {}", log.display()))?;
        let database =
            self.database.insert(Database::create(&self.settings.database_url, &format!("demo_{pid}")).await?);
        database.create_orders().await?;
        let launch = self.launch.insert(Launch {
            program: self.settings.relay.clone(),
            database_url: database.url.clone(),
            amqp_url: self.settings.amqp_url.clone(),
            log,
        });
        launch.migrate().await?;
        self.broker = Some(Broker::open(&self.settings.amqp_url, pid).await?);
        Ok(())
    }

    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("a phase runs only on an open stage")
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("a phase runs only on an open stage")
    }

    pub fn relay(&mut self) -> &mut Relay {
        self.relay.as_mut().expect("a phase starts the relay before it asks for it")
    }

    pub fn start_relay(&mut self) -> Result<&mut Relay, Failure> {
        let launch = self.launch.as_ref().expect("a phase runs only on an open stage");
        Ok(self.relay.insert(launch.start()?))
    }

    /// Stops the running relay and answers how long that took.
    pub async fn stop_relay(&mut self) -> Result<Duration, Failure> {
        let relay = self.relay.take().expect("a phase stops only a relay that it started");
        relay.stop(DRAINED).await
    }

    /// Takes everything away and answers what could not be. Prints nothing: the terminal may be gone.
    pub async fn close(&mut self, interrupted: bool) -> Vec<Failure> {
        self.forget_dead_relay();
        let mut failed = Vec::new();
        if let Some(relay) = self.relay.take() {
            failed.extend(relay.stop(if interrupted { HURRIED } else { DRAINED }).await.err());
        }
        if let Some(broker) = self.broker.take() {
            failed.extend(broker.close().await.err());
        }
        if let Some(database) = self.database.take() {
            failed.extend(database.drop().await.err());
        }
        failed
    }

    /// Leaves everything as it is and says where.
    pub fn leave(&mut self) {
        self.forget_dead_relay();
        println!("\nkept:");
        if let Some(database) = &self.database {
            println!("  database   {}", database.url);
            println!("             drop it with: DROP DATABASE {} WITH (FORCE)", database.name);
        }
        if let Some(broker) = &self.broker {
            println!("  broker     {}", self.settings.amqp_url);
            println!("             exchange {EXCHANGE}, queue {}", broker.queue);
        }
        if let Some(relay) = self.relay.take() {
            println!("  relay      pid {}, admin http://{}, log {}", relay.pid, relay.admin, relay.log.display());
            println!("             stop it with: kill {}", relay.pid);
            relay.leave();
        }
    }

    /// One that died early has been reported; stopping it again would only repeat that.
    fn forget_dead_relay(&mut self) {
        self.relay.take_if(|relay| relay.is_told_dead());
    }
}
