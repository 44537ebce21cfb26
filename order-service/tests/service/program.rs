//! The service as a child process: started, listened to, stopped or killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
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
                if let Some(address) = address_of(&line, "listening")
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

    /// Where the admin port listens, of a service that was given `--admin-listen`.
    pub fn admin(&self) -> SocketAddr {
        let log = self.log();
        let address = log.iter().find_map(|line| address_of(line, "the admin port listens"));
        address.unwrap_or_else(|| panic!("no admin port: {log:?}"))
    }

    /// The largest resident size it ever had.
    pub fn peak_rss_kib(&self) -> u64 {
        testkit::process::peak_rss_kib(self.child.id().expect("it runs"))
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

fn address_of(line: &str, message: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == message).then(|| line["address"].as_str()?.parse().ok())?
}

/// The program, which cargo builds beside its tests.
pub fn path() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_order-service"))
}
