//! One command of the relay's program as an operator runs it: to its end, or interrupted. Used by all tests of this binary.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::TestBed;
use testkit::program;
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(100);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Panics unless it ended with this code; returns itself.
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Panics unless standard output or error has these words; returns itself.
    pub fn saying(self, words: &str) -> Self {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "no '{words}' in {self:#?}");
        self
    }

    /// The one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON document: {e}\n{self:#?}"))
    }
}

fn command(bed: &TestBed, args: &[&str]) -> Command {
    let mut command = Command::new(program::relay());
    command.args(args).args(["--database-url", &bed.database_url()]).env("USER", "tester");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub async fn run(bed: &TestBed, args: &[&str]) -> Ended {
    let ended = timeout(PATIENCE, command(bed, args).output()).await;
    Ended::of(ended.unwrap_or_else(|_| panic!("{args:?} still runs")).expect("the command runs"))
}

/// Starts it and leaves it running.
pub fn start(bed: &TestBed, args: &[&str]) -> Child {
    command(bed, args).spawn().expect("the command starts")
}

/// Waits for the end of what was started.
pub async fn end_of(child: Child) -> Ended {
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    Ended::of(ended.expect("the command ends in time").expect("the command is our child"))
}

/// What Ctrl-C sends.
pub fn interrupt(child: &Child) {
    let pid = child.id().expect("it runs").to_string();
    let status = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("the kill command runs");
    assert!(status.success());
}

/// Runs it on a terminal, with this typed in.
pub async fn run_on_terminal(bed: &TestBed, args: &[&str], typed: &str) -> Ended {
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("'{}' {} --database-url '{}'", program::relay(), quoted.join(" "), bed.database_url());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--echo", "never", "--command", &line, "/dev/null"]).env("USER", "tester");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("script runs");
    let mut stdin = child.stdin.take().expect("piped");
    tokio::io::AsyncWriteExt::write_all(&mut stdin, typed.as_bytes()).await.expect("it reads");
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    drop(stdin);
    Ended::of(ended.expect("the command ends in time").expect("the command is our child"))
}
