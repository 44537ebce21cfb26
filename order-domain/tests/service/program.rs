//! The service as a child process: found (or built), started, listened to, stopped or killed.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::oneshot;

const START: Duration = Duration::from_secs(60);

/// A running service. Killed when it is dropped.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts it on a free port and waits until it listens.
    pub async fn start(database_url: &str, flags: &[&str]) -> Self {
        let mut command = tokio::process::Command::new(path());
        command.args(["--listen", "127.0.0.1:0", "--database-url", database_url]).args(flags);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the service starts");
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let (tell, address) = oneshot::channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            let (mut tell, mut errors) = (Some(tell), errors.lines());
            while let Ok(Some(line)) = errors.next_line().await {
                if let Some(address) = listening(&line)
                    && let Some(tell) = tell.take()
                {
                    tell.send(address).expect("the test waits for it");
                }
                kept.lock().expect("no holder panics").push(line);
            }
        });
        let address = tokio::time::timeout(START, address).await;
        let address = address.expect("it listens in time").unwrap_or_else(|_| {
            panic!("the service has ended: {:?}", lines.lock().expect("no holder panics"));
        });
        Self { child, address, lines }
    }

    /// Its log so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().expect("no holder panics").clone()
    }

    /// SIGKILL, and the end of it.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(status.success());
    }

    pub async fn ended(mut self) -> ExitStatus {
        tokio::time::timeout(START, self.child.wait()).await.expect("it ends in time").expect("it is a child")
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening").then(|| line["address"].as_str()?.parse().ok())?
}

/// The program, built from the sources as they are. `cargo test` alone builds it beside the tests; with `--test` it may be
/// missing or old, and is built here.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let tests = std::env::current_exe().expect("this test is a file");
        let profile = tests.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
        let program = profile.join("examples/order-service");
        if !is_fresh(&program) {
            build(profile);
        }
        program
    })
}

/// Whether it is newer than each of the sources that the compiler has listed beside it.
fn is_fresh(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let Ok(listed) = fs::read_to_string(program.with_extension("d")) else { return false };
    let sources: Vec<&str> = listed.split_whitespace().skip(1).collect();
    let Some(built) = modified(program) else { return false };
    !sources.is_empty() && sources.iter().all(|source| modified(Path::new(source)).is_some_and(|time| time <= built))
}

fn build(profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", "order-domain", "--example", "order-service", "--features", "postgres"]);
    cargo.arg("--target-dir").arg(profile.parent().expect("it lies in target"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo is there");
    assert!(status.success(), "the service does not compile");
}
