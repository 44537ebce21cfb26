//! Everything the demo puts on other people's servers, from opening to leaving.
//!
//! Called by `main`. Promises that whatever was opened is taken away by `close`, however far opening came, and that
//! `leave` says where everything is. Refuses to stop at the first thing that cannot be taken away.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::broker::Broker;
use crate::database::Database;
use crate::failure::{Doing, Failure};
use crate::program::Program;
use crate::relay::Launch;
use crate::service;
use crate::settings::{EXCHANGE, FOLDER, Settings};

const ROUTES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../routes/order-service.toml");
/// What `run` promises: a drained shutdown within its own drain timeout.
const DRAINED: Duration = Duration::from_secs(20);
/// After an interrupt whoever sent it waits: `dev/with-services` removes the servers ten seconds later.
const HURRIED: Duration = Duration::from_secs(5);

pub struct Stage {
    pub settings: Settings,
    database: Option<Database>,
    broker: Option<Broker>,
    launch: Option<Launch>,
    relay: Option<Program>,
    service: Option<Program>,
    /// Replicas that hear other services.
    replicas: Vec<Program>,
}

impl Stage {
    pub fn new(settings: Settings) -> Self {
        Self { settings, database: None, broker: None, launch: None, relay: None, service: None, replicas: Vec::new() }
    }

    pub async fn open(&mut self) -> Result<(), Failure> {
        self.settings.check()?;
        let pid = std::process::id();
        std::fs::create_dir_all(FOLDER).doing(&format!("making {FOLDER}"))?;
        let log = empty_log("relay.log")?;
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

    pub fn relay(&mut self) -> &mut Program {
        self.relay.as_mut().expect("a phase starts the relay before it asks for it")
    }

    /// Every event goes to the exchange with its type as the key.
    pub fn start_relay(&mut self) -> Result<&mut Program, Failure> {
        self.start_relay_with(&["--declare"])
    }

    /// Every event goes the ways of the order service's routes file. The exchange is there, of another kind than the file
    /// would declare; for keys without wildcards both kinds are the same.
    pub fn start_relay_with_routes(&mut self) -> Result<&mut Program, Failure> {
        self.start_relay_with(&["--routes", ROUTES])
    }

    fn start_relay_with(&mut self, flags: &[&str]) -> Result<&mut Program, Failure> {
        let launch = self.launch.as_ref().expect("a phase runs only on an open stage");
        Ok(self.relay.insert(launch.start(flags)?))
    }

    /// Starts the order service and answers where it listens.
    pub async fn start_service(&mut self) -> Result<SocketAddr, Failure> {
        let log = empty_log("order-service.log")?;
        let started = service::start(&self.settings.service, &self.database().url, &log)?;
        let service = self.service.insert(started);
        service.listening().await?;
        Ok(service.address)
    }

    /// Starts so many replicas that hear other services, and answers where they listen.
    pub async fn start_hearing_services(&mut self, count: usize) -> Result<Vec<SocketAddr>, Failure> {
        self.broker.as_mut().expect("a phase runs only on an open stage").reserve_heard().await?;
        for number in 1..=count {
            let log = empty_log(&format!("order-service-{number}.log"))?;
            let (program, amqp_url) = (&self.settings.service, &self.settings.amqp_url);
            self.replicas.push(service::start_hearing(program, &self.database().url, amqp_url, &log)?);
        }
        for replica in &mut self.replicas {
            replica.listening().await?;
        }
        Ok(self.replicas.iter().map(|replica| replica.address).collect())
    }

    /// Stops the replicas.
    pub async fn stop_services(&mut self) -> Result<(), Failure> {
        for replica in std::mem::take(&mut self.replicas) {
            replica.stop(DRAINED).await?;
        }
        Ok(())
    }

    /// Fails once a child has ended by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        let first = [&mut self.relay, &mut self.service].into_iter().flatten();
        first.chain(&mut self.replicas).try_for_each(Program::check)
    }

    /// Stops the running relay and answers how long that took.
    pub async fn stop_relay(&mut self) -> Result<Duration, Failure> {
        let relay = self.relay.take().expect("a phase stops only a relay that it started");
        relay.stop(DRAINED).await
    }

    /// Takes everything away and answers what could not be. Prints nothing: the terminal may be gone.
    pub async fn close(&mut self, interrupted: bool) -> Vec<Failure> {
        self.forget_dead();
        let mut failed = Vec::new();
        let first = [self.service.take(), self.relay.take()].into_iter().flatten();
        for program in first.chain(std::mem::take(&mut self.replicas)) {
            failed.extend(program.stop(if interrupted { HURRIED } else { DRAINED }).await.err());
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
        self.forget_dead();
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
            println!("  relay      pid {}, admin http://{}, log {}", relay.pid, relay.address, relay.log.display());
            println!("             stop it with: kill {}", relay.pid);
            relay.leave();
        }
        if let Some(service) = self.service.take() {
            println!("  service    pid {}, http://{}, log {}", service.pid, service.address, service.log.display());
            println!("             stop it with: kill {}", service.pid);
            service.leave();
        }
    }

    /// One that died early has been reported; stopping it again would only repeat that.
    fn forget_dead(&mut self) {
        self.relay.take_if(|relay| relay.is_told_dead());
        self.service.take_if(|service| service.is_told_dead());
        self.replicas.retain(|replica| !replica.is_told_dead());
    }
}

/// Absolute: it is read from anywhere when the demo is kept.
fn empty_log(name: &str) -> Result<PathBuf, Failure> {
    let log = std::path::absolute(Path::new(FOLDER).join(name)).doing("finding the working directory")?;
    std::fs::write(&log, "").doing(&format!("emptying {}", log.display()))?;
    Ok(log)
}
