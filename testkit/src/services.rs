//! PostgreSQL and RabbitMQ of one test alone, to be killed, frozen and restarted. Wraps the services script of the
//! repository, which `make test` names in `OUTBOX_TEST_SERVICES`.

use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::process::{Command as Blocking, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::time::timeout;

use super::bed::ServiceUrls;
use super::patience::{IN_THE_END, SOON};
use super::process::{Signal, signal, unique};
use super::program;

pub struct PrivateServices {
    name: String,
    config: Option<PathBuf>,
    /// The instance whose RabbitMQ is to be another node of the same cluster.
    peer: Option<String>,
}

impl PrivateServices {
    /// Starts `"postgres"` (with `"pgbouncer"` before it), `"rabbitmq"` or both, RabbitMQ with these further lines of configuration.
    pub async fn start(name: &str, services: &[&str], extra_rabbitmq_config: Option<&str>) -> Self {
        let name = unique(name);
        let config = extra_rabbitmq_config.map(|lines| {
            let path = program::scratch().join(format!("{name}.rabbitmq.conf"));
            std::fs::write(&path, lines).expect("the extra configuration is written");
            path
        });
        // Made before the start, so that a start that fails half-way is removed too.
        let private = Self { name, config, peer: None };
        let servers: Vec<&str> = services.iter().copied().filter(|service| *service != "pgbouncer").collect();
        private.run("start", &servers).await;
        let whole_run = env::var("OUTBOX_TEST_PGBOUNCER_URL").is_ok() && services.contains(&"postgres");
        if whole_run || services.contains(&"pgbouncer") {
            private.run("start", &["pgbouncer"]).await;
        }
        private
    }

    /// Another node of the cluster of `first`.
    pub async fn join(name: &str, first: &Self) -> Self {
        let node = Self { name: unique(name), config: None, peer: Some(first.name.clone()) };
        node.run("start", &["rabbitmq"]).await;
        let seed = first.node().await;
        for step in [&["stop_app"][..], &["reset"], &["join_cluster", &seed], &["start_app"]] {
            node.ctl(step).await;
        }
        node
    }

    /// RabbitMQ's name of its node.
    pub async fn node(&self) -> String {
        self.ctl(&["eval", "node()."]).await.trim().trim_matches('\'').to_owned()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a service again after `stop` or `kill`; it comes back on its port with its data.
    pub async fn start_again(&self, service: &str) {
        self.run("start", &[service]).await;
    }

    /// Stops a service in order.
    pub async fn stop(&self, service: &str) {
        self.run("stop", &[service]).await;
    }

    /// As a power cut does.
    pub async fn kill(&self, service: &str) {
        self.run("kill", &[service]).await;
    }

    /// Freezes (`Stop`) or wakes (`Cont`) the main process of `"postgres"` or `"rabbitmq"`.
    pub fn signal(&self, service: &str, what: Signal) {
        signal(self.pid(service), what);
    }

    /// Where all of it is.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(self.value("SERVICES_DIR"))
    }

    /// The main process of a service that runs.
    pub fn pid(&self, service: &str) -> u32 {
        let name = format!("{}_PID", service.to_ascii_uppercase());
        self.value(&name).parse().unwrap_or_else(|e| panic!("{name} is no process id: {e}"))
    }

    /// Runs `rabbitmqctl` with these arguments; about a second each.
    pub async fn ctl(&self, args: &[&str]) -> String {
        self.run("ctl", args).await
    }

    /// Stops a queue's process: from now on the queue takes messages, and neither confirms nor rejects any.
    pub async fn suspend_queue(&self, vhost: &str, queue: &str) {
        self.at_queue(vhost, queue, "suspend").await;
    }

    /// Lets a suspended queue's process go on.
    pub async fn resume_queue(&self, vhost: &str, queue: &str) {
        self.at_queue(vhost, queue, "resume").await;
    }

    async fn at_queue(&self, vhost: &str, queue: &str, what: &str) {
        let eval = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"{queue}\">>)), \
             sys:{what}(amqqueue:get_pid(Q))."
        );
        self.ctl(&["eval", &eval]).await;
    }

    /// Addresses of the services that were started, and the suite's own for the other.
    pub fn urls(&self) -> ServiceUrls {
        let own = self.env();
        let get = |name: &str| {
            own.get(name).filter(|url| !url.is_empty()).cloned().unwrap_or_else(|| ServiceUrls::suite(name))
        };
        let pooler = match own.get("DATABASE_URL") {
            Some(_) => own.get("PGBOUNCER_URL").cloned(),
            None => ServiceUrls::from_env().pooler,
        };
        ServiceUrls { database: get("DATABASE_URL"), pooler, amqp: get("AMQP_URL"), management: get("MANAGEMENT_URL") }
    }

    fn value(&self, name: &str) -> String {
        self.env().remove(name).unwrap_or_else(|| panic!("the services script gives no {name}"))
    }

    fn env(&self) -> HashMap<String, String> {
        let output = Blocking::new(script()).args(["env", &self.name]).output().expect("the services script runs");
        assert!(output.status.success(), "services env: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    async fn run(&self, command: &str, args: &[&str]) -> String {
        let mut script = Command::new(script());
        script.args([command, &self.name]).args(args).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(config) = &self.config {
            script.env("OUTBOX_DEV_RABBITMQ_CONFIG", config);
        }
        if let Some(peer) = &self.peer {
            script.env("OUTBOX_DEV_RABBITMQ_PEER", peer);
        }
        // A file takes the output: a service started in the background would keep a pipe open for ever.
        let log = program::scratch().join(format!("{}.{command}.log", self.name));
        let file = std::fs::File::create(&log).expect("a log for the services script");
        script.stdout(file.try_clone().expect("a second handle")).stderr(file);
        let status = timeout(IN_THE_END, script.status()).await;
        let output = std::fs::read_to_string(&log).unwrap_or_default();
        let status = status
            .unwrap_or_else(|_| panic!("services {command} {args:?} hangs\n{output}"))
            .expect("the services script runs");
        assert!(status.success(), "services {command} {args:?}: {status}\n{output}");
        std::fs::remove_file(&log).ok();
        output
    }
}

impl Drop for PrivateServices {
    fn drop(&mut self) {
        let mut remove = Blocking::new(script());
        remove.args(["remove", &self.name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = remove.spawn() else { return eprintln!("{} was left behind", self.name) };
        let end = Instant::now() + SOON;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        if !matches!(child.try_wait(), Ok(Some(status)) if status.success()) {
            child.kill().ok();
            eprintln!("{} was left behind", self.name);
        }
        if let Some(config) = &self.config {
            std::fs::remove_file(config).ok();
        }
    }
}

fn script() -> String {
    env::var("OUTBOX_TEST_SERVICES").expect("OUTBOX_TEST_SERVICES is not set: run the tests through make test")
}
