//! What the demo asks of the operating system about one process: CPU time, a polite signal, a free port, a log's end.
//!
//! Called by `relay`. Promises to signal only the id it is given. Refuses to guess: without /proc there is no CPU time.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::failure::{Doing, Failure, within};

/// Linux reports process times in hundredths of a second on every architecture it runs servers on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process, or nothing where /proc does not tell.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; the numbers start after the last one.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

pub async fn send_sigterm(pid: u32) -> Result<(), Failure> {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status();
    let status = within(Duration::from_secs(5), "sending SIGTERM", kill).await?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("kill -TERM {pid}: {status}"))) }
}

/// A port that was free a moment ago.
pub fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("looking for a free port")?;
    listener.local_addr().doing("looking for a free port")
}

pub fn last_lines(path: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| format!("(cannot be read: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
