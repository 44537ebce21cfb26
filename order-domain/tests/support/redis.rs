//! A Redis of one test alone, on loopback: ended, frozen, filled and spoken to.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis. Killed when it is dropped.
pub struct Redis {
    process: Child,
    address: SocketAddr,
}

impl Redis {
    /// A new one, without a disk.
    pub fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
        Self::at(free)
    }

    /// One at this address.
    pub fn at(address: SocketAddr) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(address.port().to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().expect("redis-server is installed: dev/install redis");
        let redis = Self { process, address };
        let end = Instant::now() + PATIENCE;
        while !redis.cli(&["PING"]).contains("PONG") {
            assert!(Instant::now() < end, "Redis does not answer");
            std::thread::sleep(Duration::from_millis(20)); // between two looks
        }
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What redis-cli answers.
    pub fn cli(&self, args: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]).args(args);
        let output = command.output().expect("redis-cli is installed: dev/install redis");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Has it stop answering, or answer again.
    pub fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // One that is gone already is what some tests want.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
