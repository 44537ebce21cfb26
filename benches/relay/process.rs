//! What the operating system says of a process: CPU time in nanoseconds, memory now and at its highest.
//!
//! Called by `relay` and the cases. Needs Linux, like the services of `dev/`. Refuses to guess: what cannot be read is an error.

use std::path::Path;
use std::time::Duration;

use crate::failure::{Doing, Failure, within};

const MIB: f64 = 1024.0;
const SYNC: Duration = Duration::from_secs(300);

/// Time on a CPU, of all threads that are alive.
pub fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let folder = format!("/proc/{pid}/task");
    let mut total = 0;
    for thread in std::fs::read_dir(&folder).doing(&format!("reading {folder}"))? {
        let path = thread.doing(&format!("reading {folder}"))?.path().join("schedstat");
        // A thread that has ended meanwhile has nothing to add.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let nanoseconds = text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
        total += nanoseconds.ok_or_else(|| Failure::new(format!("{} is not as expected", path.display())))?;
    }
    Ok(Duration::from_nanos(total))
}

/// Time on a CPU of every process with this name that is alive: all of a server's, for a difference. One that has ended meanwhile takes
/// its time with it.
pub fn cpu_time_of_all(name: &str) -> Result<Duration, Failure> {
    let mut total = Duration::ZERO;
    for process in std::fs::read_dir("/proc").doing("reading /proc")? {
        let folder = process.doing("reading /proc")?.path();
        let pid = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        if std::fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim_end() == name) {
            total += cpu_time(pid).unwrap_or_default();
        }
    }
    Ok(total)
}

/// Resident memory now, in MiB.
pub fn memory_now(pid: u32) -> Result<f64, Failure> {
    status(pid, "VmRSS:")
}

/// The most that was ever resident, in MiB.
pub fn memory_peak(pid: u32) -> Result<f64, Failure> {
    status(pid, "VmHWM:")
}

fn status(pid: u32, field: &str) -> Result<f64, Failure> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).doing(&format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()).and_then(|text| text.parse::<f64>().ok());
    kibibytes.map(|value| value / MIB).ok_or_else(|| Failure::new(format!("{path} has no {field}")))
}

/// Has the disk write what is left to be written: after a very large commit it would hold up the broker's log, and that is not the relay's.
pub async fn sync() -> Result<(), Failure> {
    let status = within(SYNC, "writing to the disk", tokio::process::Command::new("sync").status()).await?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("sync failed: {status}"))) }
}

/// The last lines of a log, for an error that it explains.
pub fn last_lines(path: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| format!("(cannot be read: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
