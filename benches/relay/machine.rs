//! What the figures were measured on: processor, memory, PostgreSQL's version, commit, date.
//!
//! Called by the report. What cannot be told is "unknown": it is there to be read, and nothing depends on it.

use std::process::Command;

use serde::Serialize;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::settings::Settings;

/// Everything that identifies a run.
#[derive(Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub postgresql: String,
    pub commit: String,
    pub date: String,
    pub load: String,
}

pub async fn look(settings: &Settings) -> Result<Machine, Failure> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(':').nth(1));
        line.map_or_else(unknown, |value| value.trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kibibytes: u64 = memory.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let server = crate::database::version(&settings.database_url).await?;
    Ok(Machine {
        processor: field(&read("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: kibibytes >> 20,
        postgresql: server,
        commit: first_line("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
        date: OffsetDateTime::now_utc().date().to_string(),
        load: read("/proc/loadavg").split_whitespace().next().unwrap_or("unknown").to_owned(),
    })
}

fn unknown() -> String {
    "unknown".into()
}

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success());
    let text =
        output.map(|output| String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned());
    text.filter(|text| !text.is_empty()).unwrap_or_else(unknown)
}
