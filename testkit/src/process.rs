//! Signals and ports: the small things tests need from the operating system. Used by the relay and the services.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// What Ctrl-C sends.
    Int,
    Term,
    Kill,
    Stop,
    Cont,
}

/// Sends the signal to one process; panics when there is none of that id.
pub fn signal(pid: u32, signal: Signal) {
    let name = match signal {
        Signal::Int => "-INT",
        Signal::Term => "-TERM",
        Signal::Kill => "-KILL",
        Signal::Stop => "-STOP",
        Signal::Cont => "-CONT",
    };
    let status = Command::new("kill").arg(name).arg(pid.to_string()).status().expect("the kill command runs");
    assert!(status.success(), "kill {name} {pid} failed: {status}");
}

/// Ports that were given out, so that two tests do not get the same one before either listens on it.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nothing listens on, below the ephemeral range, so that no outgoing connection takes it in the meantime.
pub fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = fastrand::u16(20_000..32_000);
        let is_new = GIVEN.lock().expect("no test panics while it holds this").insert(port);
        if is_new && TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 32000");
}

/// The largest resident size the process ever had, in KiB.
pub fn peak_rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM in /proc/PID/status");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("VmHWM is a number")
}

/// A name no other test of this machine has: the label, the process and a random part.
pub fn unique(label: &str) -> String {
    let tail: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).map(|c| c.to_ascii_lowercase()).collect();
    let label: String =
        label.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).take(30).collect();
    format!("{label}_{}_{tail}", std::process::id())
}
