//! The relay as a child process: migrate, start, watch, stop.
//!
//! Called by `stage` and the phases. Promises that the child dies with this value unless it is left on purpose, and
//! that its death is told with the last lines of its log. Refuses to touch any process it did not start.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::failure::{Doing, Failure, within};
use crate::process::{cpu_time, free_address, last_lines, send_sigterm};
use crate::settings::EXCHANGE;

const MIGRATE: Duration = Duration::from_secs(30);
const LISTEN: Duration = Duration::from_secs(20);

/// How to start it; the same for every start of a run.
pub struct Launch {
    pub program: PathBuf,
    pub database_url: String,
    pub amqp_url: String,
    pub log: PathBuf,
}

pub struct Relay {
    pub pid: u32,
    pub admin: SocketAddr,
    child: Child,
    pub log: PathBuf,
    told_dead: bool,
}

impl Launch {
    pub async fn migrate(&self) -> Result<(), Failure> {
        let mut command = self.command()?;
        command.args(["migrate", "--database-url", &self.database_url]);
        let what = format!("running `{} migrate`", self.program.display());
        let status = within(MIGRATE, &what, command.status()).await?;
        if status.success() { Ok(()) } else { Err(ended("the relay's `migrate` failed", status, &self.log)) }
    }

    pub fn start(&self) -> Result<Relay, Failure> {
        let admin = free_address()?;
        let mut command = self.command()?;
        command.args(["run", "--database-url", &self.database_url, "--amqp-url", &self.amqp_url]);
        command.args(["--exchange", EXCHANGE, "--source", "order-service", "--declare"]);
        command.args(["--admin-addr", &admin.to_string()]);
        let child = command.spawn().doing(&format!("starting {}", self.program.display()))?;
        let pid = child.id().ok_or_else(|| Failure::new("the relay ended before it had started"))?;
        Ok(Relay { pid, admin, child, log: self.log.clone(), told_dead: false })
    }

    fn command(&self) -> Result<Command, Failure> {
        let log = append(&self.log)?;
        let errors = log.try_clone().doing("opening the relay's log")?;
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::null()).stdout(log).stderr(errors).kill_on_drop(true);
        // Its own group: a terminal's Ctrl-C is for the demo, which then stops the relay in order.
        command.process_group(0);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OUTBOX_") {
                command.env_remove(name);
            }
        }
        Ok(command)
    }
}

impl Relay {
    /// Fails once the child has ended by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait().doing("watching the relay")? {
            None => Ok(()),
            Some(status) => {
                self.told_dead = true;
                Err(ended("the relay ended early", status, &self.log))
            }
        }
    }

    /// Whether `check` has failed already: then there is nothing left to stop.
    pub fn is_told_dead(&self) -> bool {
        self.told_dead
    }

    /// Waits until its admin port answers.
    pub async fn listening(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + LISTEN;
        while TcpStream::connect(self.admin).await.is_err() {
            self.check()?;
            if Instant::now() > deadline {
                return Err(Failure::new(format!("the relay did not listen on {} within {LISTEN:?}", self.admin)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// SIGTERM, then exit code 0 in time; otherwise it is killed and that is a failure.
    pub async fn stop(mut self, limit: Duration) -> Result<Duration, Failure> {
        self.check()?;
        let asked = Instant::now();
        send_sigterm(self.pid).await?;
        let status = within(limit, "stopping the relay with SIGTERM", self.child.wait()).await?;
        if status.success() {
            Ok(asked.elapsed())
        } else {
            Err(ended("the relay did not stop well", status, &self.log))
        }
    }

    /// Lets it run on after the demo.
    pub fn leave(self) {
        // Dropping the child would kill it; the demo ends next, so nothing else is kept from being freed.
        std::mem::forget(self.child);
    }

    pub fn cpu_time(&self) -> Option<Duration> {
        cpu_time(self.pid)
    }
}

fn append(log: &Path) -> Result<File, Failure> {
    OpenOptions::new().create(true).append(true).open(log).doing(&format!("opening {}", log.display()))
}

fn ended(how: &str, status: ExitStatus, log: &Path) -> Failure {
    let end = last_lines(log, 15);
    Failure::new(format!("{how} ({status}); {} ends with\n{end}", log.display()))
}
