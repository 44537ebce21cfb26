//! A real relay process: started, watched by its metrics and log, signalled, ended. Used by the journey and fault tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::bed::TestBed;
use super::http;
use super::patience::{ANSWER, SOON, STOPPED};
use super::process::{Signal, free_port, peak_rss_kib, signal, unique};
use super::program;
use super::wait::eventually;

pub struct Relay {
    child: Child,
    pid: u32,
    admin: SocketAddr,
    log: PathBuf,
}

impl Relay {
    /// Starts `outbox-relay run` on the bed and waits until its admin port answers. Arguments given here win over the
    /// bed's, so that a test can put a proxy in between.
    pub async fn start(bed: &TestBed, args: &[&str]) -> Self {
        let mut relay = Self::spawn(bed, args);
        relay.answers_at(relay.admin).await;
        relay
    }

    /// Waits until the admin port answers there, and asks there from now on.
    pub async fn answers_at(&mut self, admin: SocketAddr) {
        self.admin = admin;
        eventually(SOON, "the relay's admin port answers", async || {
            if let Some(status) = self.child.try_wait().expect("the relay is our child") {
                panic!("the relay ended at once: {status}\n{}", self.log());
            }
            http::get(admin, "/livez").await.is_ok_and(|answer| answer.status == 200)
        })
        .await;
    }

    /// Starts it without waiting for anything, for runs that must fail.
    pub fn spawn(bed: &TestBed, args: &[&str]) -> Self {
        Self::spawn_in(bed, args, &[])
    }

    /// The same with these variables in its environment.
    pub fn spawn_in(bed: &TestBed, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = program::scratch().join(format!("{}.log", unique("relay")));
        let file = std::fs::File::create(&log).expect("a log file for the relay");
        let defaults = [
            ("--database-url", bed.relay_database_url()),
            ("--amqp-url", bed.amqp_url()),
            ("--admin-addr", admin.to_string()),
            ("--exchange", "order.events".to_owned()),
        ];
        let mut command = Command::new(program::relay());
        command.arg("run");
        let is_given = |flag: &str| {
            let twin = format!("OUTBOX_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
            let by_flag = args.iter().any(|arg| *arg == flag || *arg == format!("{flag}-file"));
            by_flag || variables.iter().any(|(name, _)| *name == twin || *name == format!("{twin}_FILE"))
        };
        for (flag, value) in defaults.iter().filter(|(flag, _)| !is_given(flag)) {
            command.args([flag, value.as_str()]);
        }
        if let (Some(url), true) =
            (bed.listen_database_url(), args.contains(&"listen") && !is_given("--listen-database-url"))
        {
            command.args(["--listen-database-url", &url]);
        }
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTBOX_")) {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(file.try_clone().expect("a second handle")).stderr(file);
        let child = command.spawn().expect("the relay starts");
        let pid = child.id().expect("a running process has an id");
        Self { child, pid, admin, log }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn signal(&self, what: Signal) {
        signal(self.pid, what);
    }

    /// SIGTERM, then the exit status within the deadline.
    pub async fn stop(&mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::Term);
        self.wait_exit(deadline).await
    }

    /// The same, in good order or the test fails.
    pub async fn stop_well(&mut self) {
        let status = self.stop(STOPPED).await;
        assert!(status.success(), "the relay ended with {status}\n{}", self.log());
    }

    /// SIGKILL, and the end of it.
    pub async fn kill(&mut self) {
        self.signal(Signal::Kill);
        self.wait_exit(STOPPED).await;
    }

    /// Waits for words in the log.
    pub async fn says(&self, words: &str) {
        let said = timeout(SOON, eventually(SOON * 2, words, async || self.log().contains(words))).await;
        assert!(said.is_ok(), "the log does not say: {words}\n{}", self.log());
    }

    pub async fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let ended = timeout(deadline, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("the relay still runs after {deadline:?}\n{}", self.tail()))
            .expect("the relay is our child")
    }

    /// A page of the admin port.
    pub async fn get(&self, path: &str) -> http::Response {
        http::get(self.admin, path).await.unwrap_or_else(|e| panic!("{path} did not answer: {e}\n{}", self.tail()))
    }

    /// The metric's value, summed over its labels; 0 when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metric_where(name, "").await
    }

    /// Like `metric`, over the series whose labels contain the text, for example `reason="UNROUTABLE"`.
    pub async fn metric_where(&self, name: &str, label: &str) -> f64 {
        sum_of(&self.get("/metrics").await.body, name, label)
    }

    /// Everything the relay wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The largest resident size it ever had.
    pub fn rss_max_kib(&self) -> u64 {
        peak_rss_kib(self.pid)
    }
}

/// Sums a metric of a Prometheus text page over the series whose labels contain the text.
pub fn sum_of(page: &str, name: &str, label: &str) -> f64 {
    let series = page.lines().filter_map(|line| line.strip_prefix(name)).filter(|rest| rest.starts_with(['{', ' ']));
    series.filter(|rest| rest.contains(label)).filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

impl Drop for Relay {
    /// It has ended when this returns, so that its port and its lanes are free.
    fn drop(&mut self) {
        self.child.start_kill().ok();
        let end = Instant::now() + ANSWER;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        if thread::panicking() {
            eprintln!("the relay's last lines, all of them in {}:\n{}", self.log.display(), self.tail());
        } else {
            std::fs::remove_file(&self.log).ok();
        }
    }
}
