//! Failover to a standby that lags: the primary dies with commits that the standby never got, and the standby is promoted. What the new
//! primary has is what counts: commits that died with the old one are taken out of the history, whether they had been published or not.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use testkit::bed::{ServiceUrls, try_connect};
use testkit::patience::IN_THE_END;
use testkit::process::{free_port, unique};
use testkit::urls::addr_of;
use testkit::world::ORDERS;
use testkit::{Faults, PrivateServices, Proxy, Queue, QueueKind, Stall, TestBed, Topology, eventually};
use uuid::Uuid;

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

const ROUNDS: usize = 3;

pub fn rows() -> Vec<Row> {
    let fault = "PostgreSQL killed, its asynchronous standby promoted, which was 2 s behind";
    vec![Row::new("pg_failover", fault, failover)]
}

async fn failover(trial: Trial) -> Outcome {
    let mut outcome = once(&trial).await;
    for _ in 1..ROUNDS {
        outcome = outcome.and(once(&trial).await);
    }
    outcome
}

async fn once(trial: &Trial) -> Outcome {
    let services = PrivateServices::start(&trial.name, &["postgres"], None).await;
    let own = services.urls();
    let primary = addr_of(&own.database);
    let line = Proxy::start(primary).await;
    let standby = Standby::follow(&services, &line);
    let both = format!("postgres://postgres@{primary},127.0.0.1:{}/postgres", standby.port);
    let database = both + "?sslmode=disable&target_session_attrs=read-write";
    let bed = TestBed::at(services.name(), ServiceUrls { database, pooler: None, ..own }).await;
    let mut scene = Scene::with(trial, bed, &Topology::order_events([Queue::new(ORDERS, QueueKind::Classic)])).await;
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    scene.flow(200).await;
    line.set(Faults { stall: Stall::Both, ..Faults::default() });
    lasts(seconds(2)).await;
    services.kill("postgres").await;
    drop(line);
    // The producers end with the old primary, so that all of the history is of its time.
    scene.stop_load().await;
    standby.pg_ctl(&["promote", "-w"]);
    let promoted = Instant::now();
    forget_the_lost(&mut scene).await;
    scene.load();
    scene.flow(20).await;
    scene.recover_since(promoted).await;
    scene.flow(200).await;
    // Marks that were never replicated are made again, with a copy each: of what was pending when the standby fell behind.
    let outcome = scene.finish(1, 2 * WINDOW).await;
    drop(standby);
    outcome
}

async fn forget_the_lost(scene: &mut Scene) {
    let url = scene.bed.database_url();
    let client = eventually(IN_THE_END, "the new primary takes writes", async || try_connect(&url).await.ok()).await;
    let ids = "SELECT id FROM outbox.events UNION SELECT id FROM outbox.dead_letters";
    let rows = client.query(ids, &[]).await.expect("what the new primary has");
    let present: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let unanswered = scene.history.uncertain().into_iter().filter(|id| !present.contains(id));
    scene.expect.forgotten.extend(unanswered);
    scene.history.resolve(&present);
    let lost = scene.history.forget_absent(&present);
    assert!(!lost.is_empty(), "the standby lagged");
    scene.expect.forgotten.extend(lost);
}

/// A streaming replica of the private server, in a folder of its own.
struct Standby {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Standby {
    /// Copies the server and follows it through the line.
    fn follow(services: &PrivateServices, line: &Proxy) -> Self {
        let program = fs::read_link(format!("/proc/{}/exe", services.pid("postgres"))).expect("the server's program");
        let bin = program.parent().expect("it is in a folder").to_owned();
        let standby = Self { bin, folder: std::env::temp_dir().join(unique("standby")), port: free_port() };
        fs::create_dir(&standby.folder).expect("the standby's folder");
        // The copied configuration includes it, from the folder above the data.
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = off\nmax_connections = 200\nwal_level = logical\ndynamic_shared_memory_type = mmap\n",
            standby.port
        );
        fs::write(standby.folder.join("settings.conf"), settings).expect("the standby's settings");
        if is_root() {
            let owned = Command::new("chown").args(["-R", "postgres:"]).arg(&standby.folder).status();
            assert!(owned.expect("chown runs").success(), "the standby's folder is the server's user's");
        }
        let (host, port) = (line.addr().ip().to_string(), line.addr().port().to_string());
        standby.run("pg_basebackup", &["-h", &host, "-p", &port, "-U", "postgres", "-R", "-c", "fast"]);
        standby.pg_ctl(&["start", "-w", "-s"]);
        standby
    }

    fn pg_ctl(&self, args: &[&str]) {
        let log = self.folder.join("log");
        self.run("pg_ctl", &[args, &["-l", log.to_str().expect("a path of ours")]].concat());
    }

    fn run(&self, program: &str, args: &[&str]) {
        assert!(self.try_run(program, args), "{program} {args:?} failed, see {}", self.folder.display());
    }

    /// As the user that PostgreSQL runs as, on the standby's data.
    fn try_run(&self, program: &str, args: &[&str]) -> bool {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        command.args(args).arg("-D").arg(self.folder.join("data")).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        if !self.try_run("pg_ctl", &["stop", "-m", "immediate", "-s"]) {
            return eprintln!("the standby in {} was left behind", self.folder.display());
        }
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    output.stdout.trim_ascii() == b"0"
}
