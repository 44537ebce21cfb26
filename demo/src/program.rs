//! A child process of the demo: started, watched, stopped.
//!
//! Made by `relay` and `service`. Promises that the child dies with this value unless it is left on purpose, and that its
//! death is told with the last lines of its log. Refuses to touch any process it did not start.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::failure::{Doing, Failure, within};
use crate::process::{cpu_time, last_lines, send_sigterm};

const LISTEN: Duration = Duration::from_secs(20);

pub struct Program {
    /// What messages call it, such as "the relay".
    name: &'static str,
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    pub log: PathBuf,
    told_dead: bool,
}

/// A command with its output in `log`, and without the environment that belongs to the demo's caller.
pub fn command(program: &Path, log: &Path) -> Result<Command, Failure> {
    let output = append(log)?;
    let errors = output.try_clone().doing(&format!("opening {}", log.display()))?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
    // Its own group: a terminal's Ctrl-C is for the demo, which then stops its children in order.
    command.process_group(0);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("OUTBOX_") || text.starts_with("ORDER_SERVICE_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

impl Program {
    pub fn start(name: &'static str, mut command: Command, address: SocketAddr, log: &Path) -> Result<Self, Failure> {
        let child = command.spawn().doing(&format!("starting {name}"))?;
        let pid = child.id().ok_or_else(|| Failure::new(format!("{name} ended before it had started")))?;
        Ok(Self { name, pid, address, child, log: log.to_owned(), told_dead: false })
    }

    /// Fails once the child has ended by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait().doing(&format!("watching {}", self.name))? {
            None => Ok(()),
            Some(status) => {
                self.told_dead = true;
                Err(ended(&format!("{} ended early", self.name), status, &self.log))
            }
        }
    }

    /// Whether `check` has failed already: then there is nothing left to stop.
    pub fn is_told_dead(&self) -> bool {
        self.told_dead
    }

    /// Waits until its port answers.
    pub async fn listening(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + LISTEN;
        while TcpStream::connect(self.address).await.is_err() {
            self.check()?;
            if Instant::now() > deadline {
                return Err(Failure::new(format!(
                    "{} did not listen on {} within {LISTEN:?}",
                    self.name, self.address
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // between two looks
        }
        Ok(())
    }

    /// SIGTERM, then exit code 0 in time; otherwise it is killed and that is a failure.
    pub async fn stop(mut self, limit: Duration) -> Result<Duration, Failure> {
        self.check()?;
        let asked = Instant::now();
        send_sigterm(self.pid).await?;
        let status = within(limit, &format!("stopping {} with SIGTERM", self.name), self.child.wait()).await?;
        if status.success() {
            Ok(asked.elapsed())
        } else {
            Err(ended(&format!("{} did not stop well", self.name), status, &self.log))
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

pub fn ended(how: &str, status: ExitStatus, log: &Path) -> Failure {
    let end = last_lines(log, 15);
    Failure::new(format!("{how} ({status}); {} ends with\n{end}", log.display()))
}
