//! Runs a command of `outbox-relay` and keeps what it said.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::TestBed;
use testkit::program;
use tokio::process::Command;
use tokio::time::timeout;

pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{}{}", self.stdout, self.stderr))
    }
}

/// Runs it with these arguments and nothing else.
pub async fn run(args: &[&str]) -> Answer {
    let mut command = Command::new(program::relay());
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTBOX_")) {
        command.env_remove(name);
    }
    let started = Instant::now();
    let output = timeout(Duration::from_secs(30), command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{args:?} hangs")).expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let took = started.elapsed();
    Answer { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr), took }
}

/// Asks the bed's database.
pub async fn ask(bed: &TestBed, args: &[&str]) -> Answer {
    let url = bed.database_url();
    run(&[args, &["--database-url", &url]].concat()).await
}

/// The document of a command that has to succeed.
pub async fn document(bed: &TestBed, args: &[&str]) -> Value {
    let answer = ask(bed, &[args, &["--json"]].concat()).await;
    assert_eq!(answer.code, Some(0), "{args:?}: {}{}", answer.stdout, answer.stderr);
    answer.json()
}

/// The events of a key as `trace` sees them.
pub async fn events(bed: &TestBed, target: &str) -> Vec<Value> {
    let document = document(bed, &["trace", target]).await;
    document["events"].as_array().expect("events are a list").clone()
}

/// The states of a key's events, in order.
pub async fn states(bed: &TestBed, target: &str) -> Vec<String> {
    let events = events(bed, target).await;
    events.iter().map(|event| event["state"].as_str().expect("a state").to_owned()).collect()
}

/// The commands that an answer offers.
pub fn commands(value: &Value) -> Vec<&str> {
    let steps = value["next"].as_array().expect("next is a list");
    steps.iter().filter_map(|step| step["command"].as_str()).collect()
}
