//! One command of `outbox-relay` as an operator runs it: to its end, in the background until it is interrupted, or on a terminal. The
//! user is `tester`; no `OUTBOX_` variable of the run is passed on.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command as Process};
use tokio::time::timeout;

use super::answers;
use super::bed::TestBed;
use super::patience::IN_THE_END;
use super::process::{Signal, signal};
use super::program;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its words before the first flag, such as `dlq list`.
    pub words: Vec<String>,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    fn of(words: Vec<String>, output: Output, took: Duration) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { words, code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr), took }
    }

    /// Panics unless it ended with this code; returns itself.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Panics unless standard output or error has these words; returns itself.
    #[track_caller]
    pub fn saying(self, words: &str) -> Self {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "no '{words}' in {self:#?}");
        self
    }

    /// The one JSON document on standard output, which is as `docs/json` says.
    #[track_caller]
    pub fn json(&self) -> Value {
        let document = serde_json::from_str(&self.stdout);
        let document = document.unwrap_or_else(|e| panic!("no JSON document: {e}\n{self:#?}"));
        answers::hold_against_schema(&self.words, &document);
        document
    }

    /// The error on standard error, which is as `docs/json` says.
    #[track_caller]
    pub fn json_error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let document = serde_json::from_str(last).unwrap_or_else(|e| panic!("no JSON error: {e}\n{self:#?}"));
        answers::hold_against_schema(&["error".into()], &document);
        document
    }
}

/// A command that is yet to run.
pub struct Command {
    args: Vec<String>,
    variables: Vec<(String, String)>,
    input: String,
    shell: Option<String>,
}

impl Command {
    /// With these arguments and nothing else.
    pub fn new(args: &[&str]) -> Self {
        let args = args.iter().map(ToString::to_string).collect();
        Self { args, variables: Vec::new(), input: String::new(), shell: None }
    }

    /// On the bed's database.
    pub fn on(bed: &TestBed, args: &[&str]) -> Self {
        Self::new(&[args, &["--database-url", &bed.database_url()]].concat())
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this on its standard input.
    pub fn input(mut self, text: &str) -> Self {
        self.input = text.to_owned();
        self
    }

    /// As `"$0" "$@"` in this script.
    pub fn in_shell(mut self, script: &str) -> Self {
        self.shell = Some(script.to_owned());
        self
    }

    /// Runs it to its end.
    pub async fn run(self) -> Ended {
        self.start().end().await
    }

    /// Starts it and leaves it running.
    pub fn start(self) -> Running {
        let mut process = match &self.shell {
            Some(script) => {
                let mut shell = Process::new("sh");
                shell.args(["-c", script, program::relay()]);
                shell
            }
            None => Process::new(program::relay()),
        };
        process.args(&self.args);
        self.launch(process)
    }

    /// Runs it on a terminal, with this typed in, which may not be nothing.
    pub async fn run_on_terminal(mut self, typed: &str) -> Ended {
        let words = [program::relay()].into_iter().chain(self.args.iter().map(String::as_str));
        let line: Vec<String> = words.map(|word| format!("'{word}'")).collect();
        let mut script = Process::new("script");
        script.args(["--quiet", "--return", "--echo", "never", "--command", &line.join(" "), "/dev/null"]);
        self.input = typed.to_owned();
        let mut running = self.launch(script);
        // The terminal stays open until the command has ended.
        let stdin = running.feed().await;
        let ended = running.end().await;
        drop(stdin);
        ended
    }

    fn launch(self, mut process: Process) -> Running {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTBOX_")) {
            process.env_remove(name);
        }
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        process.env("USER", "tester").envs(variables).kill_on_drop(true);
        let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
        process.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let what = format!("{:?}", self.args);
        let words = self.args.iter().take_while(|word| !word.starts_with('-')).cloned().collect();
        let child = process.spawn().unwrap_or_else(|e| panic!("{what} does not start: {e}"));
        Running { child, words, what, input: self.input, started: Instant::now() }
    }
}

/// A command that runs. Killed when it is dropped.
pub struct Running {
    child: Child,
    words: Vec<String>,
    what: String,
    input: String,
    started: Instant,
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for yet")
    }

    /// What Ctrl-C sends.
    pub fn interrupt(&self) {
        signal(self.pid(), Signal::Int);
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ended {
        drop(self.feed().await);
        let ended = timeout(IN_THE_END, self.child.wait_with_output()).await;
        let output = ended.unwrap_or_else(|_| panic!("{} still runs", self.what)).expect("it is our child");
        Ended::of(self.words, output, self.started.elapsed())
    }

    /// Writes its input; one that refuses its arguments does not read.
    async fn feed(&mut self) -> Option<tokio::process::ChildStdin> {
        let mut stdin = self.child.stdin.take()?;
        if let Err(error) = stdin.write_all(self.input.as_bytes()).await {
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{}: {error}", self.what);
        }
        Some(stdin)
    }
}

/// Runs a command on the bed's database, to its end.
pub async fn run(bed: &TestBed, args: &[&str]) -> Ended {
    Command::on(bed, args).run().await
}

/// The JSON document of a command that has to succeed.
pub async fn document(bed: &TestBed, args: &[&str]) -> Value {
    run(bed, &[args, &["--json"]].concat()).await.with_code(0).json()
}
