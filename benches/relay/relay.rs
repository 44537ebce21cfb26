//! A relay as a child process: ours with flags, or another one by a shell command.
//!
//! Called by `stage`. Promises that the child dies with this value, and that an early death is told with the end of its log.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::process::free_port;
use testkit::{Signal, signal};
use tokio::process::{Child, Command};

use crate::failure::{Doing, Failure, within};
use crate::process::{self, last_lines};

const MIGRATE: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);
pub const FOLDER: &str = "target/bench";

pub struct Relay {
    pub pid: u32,
    pub admin: SocketAddr,
    child: Child,
    log: PathBuf,
}

/// Makes our tables, and the trigger that LISTEN needs.
pub async fn migrate(program: &str, database_url: &str) -> Result<(), Failure> {
    let mut command = command(program, "migrate.log")?;
    command.args(["migrate", "--database-url", database_url, "--with-notify"]);
    let status = within(MIGRATE, "running migrate", command.status()).await?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("migrate failed: see {FOLDER}/migrate.log"))) }
}

impl Relay {
    /// Ours.
    pub fn ours(
        program: &str,
        database_url: &str,
        amqp_url: &str,
        exchange: &str,
        flags: &[&str],
    ) -> Result<Self, Failure> {
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = command(program, "relay.log")?;
        command.args(["run", "--database-url", database_url, "--amqp-url", amqp_url, "--exchange", exchange]);
        command.args(["--admin-addr", &admin.to_string()]).args(flags);
        Self::spawn(command, admin, "relay.log")
    }

    /// Another one; the shell gives its process over to it where the command begins with `exec`.
    pub fn other(start: &str, database_url: &str, amqp_url: &str, exchange: &str) -> Result<Self, Failure> {
        let mut command = command("sh", "other.log")?;
        command
            .args(["-c", start])
            .env("DATABASE_URL", database_url)
            .env("AMQP_URL", amqp_url)
            .env("EXCHANGE", exchange);
        Self::spawn(command, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "other.log")
    }

    fn spawn(mut command: Command, admin: SocketAddr, log: &str) -> Result<Self, Failure> {
        let child = command.spawn().doing("starting a relay")?;
        let pid = child.id().ok_or_else(|| Failure::new("the relay ended before it had started"))?;
        Ok(Self { pid, admin, child, log: PathBuf::from(FOLDER).join(log) })
    }

    /// Fails once the child has ended by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait().doing("watching the relay")? {
            None => Ok(()),
            Some(status) => {
                let end = last_lines(&self.log, 15);
                Err(Failure::new(format!("the relay ended early ({status}); {} ends with\n{end}", self.log.display())))
            }
        }
    }

    pub fn cpu_time(&self) -> Result<Duration, Failure> {
        process::cpu_time(self.pid)
    }

    /// SIGTERM; one that does not end in time is killed, which is a failure of ours only where `must` says so.
    pub async fn stop(mut self, must: bool) -> Result<(), Failure> {
        self.check()?;
        signal(self.pid, Signal::Term);
        let asked = Instant::now();
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        let Ok(status) = ended else {
            self.child.kill().await.doing("killing the relay")?;
            let text = format!("the relay did not stop within {:?}", asked.elapsed());
            return if must { Err(Failure::new(text)) } else { Ok(()) };
        };
        let status = status.doing("waiting for the relay's end")?;
        if status.success() || !must {
            Ok(())
        } else {
            Err(Failure::new(format!("the relay did not stop well: {status}\n{}", last_lines(&self.log, 15))))
        }
    }
}

fn command(program: &str, log: &str) -> Result<Command, Failure> {
    let path = PathBuf::from(FOLDER).join(log);
    let log = OpenOptions::new().create(true).append(true).open(&path).doing(&format!("opening {}", path.display()))?;
    let errors = log.try_clone().doing("opening the relay's log")?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(log).stderr(errors).kill_on_drop(true);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTBOX_")) {
        command.env_remove(name);
    }
    Ok(command)
}
