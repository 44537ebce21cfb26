//! A fresh database and a fresh vhost for one test, dropped when it ends. Every test with real services starts with one.

use std::collections::{BTreeMap, HashSet};
use std::env;
use std::future::Future;
use std::thread;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::checker::Expect;
use super::history::History;
use super::management::Management;
use super::patience::{ANSWER, SOON};
use super::process::unique;
use super::program;
use super::services::PrivateServices;
use super::topology::Topology;
use super::urls::{with_path, with_user};
use super::wait::eventually;

/// Where the services are; the bed creates its own database and vhost there.
#[derive(Debug, Clone)]
pub struct ServiceUrls {
    pub database: String,
    /// A pooler before it, if the relays are to go through one.
    pub pooler: Option<String>,
    pub amqp: String,
    pub management: String,
}

impl ServiceUrls {
    /// The services that `make test` runs for the whole suite.
    pub fn from_env() -> Self {
        Self {
            database: Self::suite("DATABASE_URL"),
            pooler: env::var("OUTBOX_TEST_PGBOUNCER_URL").ok(),
            amqp: Self::suite("AMQP_URL"),
            management: Self::suite("MANAGEMENT_URL"),
        }
    }

    /// One of the suite's addresses.
    pub fn suite(name: &str) -> String {
        let variable = format!("OUTBOX_TEST_{name}");
        env::var(&variable).unwrap_or_else(|_| panic!("{variable} is not set: run the tests through make test"))
    }
}

pub struct TestBed {
    /// Of the database, of the vhost, and part of file names.
    name: String,
    services: ServiceUrls,
}

impl TestBed {
    pub async fn new(name: &str) -> Self {
        Self::at(name, ServiceUrls::from_env()).await
    }

    /// A bed on services that the test may kill.
    pub async fn on(services: &PrivateServices) -> Self {
        Self::at(services.name(), services.urls()).await
    }

    /// A bed whose database has another encoding than UTF8.
    pub async fn encoded(name: &str, encoding: &str) -> Self {
        let options = format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        Self::made(name, ServiceUrls::from_env(), &options).await
    }

    /// A bed on the services at these addresses.
    pub async fn at(name: &str, services: ServiceUrls) -> Self {
        Self::made(name, services, "").await
    }

    async fn made(name: &str, services: ServiceUrls, options: &str) -> Self {
        let bed = Self { name: unique(name), services };
        let setup = async {
            let admin = connect(&bed.services.database).await;
            // From template0, so that parallel tests do not meet in template1.
            admin
                .batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0 {options}", bed.name))
                .await
                .expect("the test database is created");
            if with_grants() {
                let role = format!("CREATE ROLE {} LOGIN", bed.relay_role());
                admin.batch_execute(&role).await.expect("the relays' role is created");
            }
            let orders = "CREATE TABLE orders (id text PRIMARY KEY, version bigint NOT NULL)";
            bed.client().await.batch_execute(orders).await.expect("the business table is created");
            bed.management().create_vhost(&bed.name).await;
        };
        timeout(SOON, setup).await.expect("the test bed is ready in time");
        bed
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn vhost(&self) -> &str {
        &self.name
    }

    pub fn database_url(&self) -> String {
        with_path(&self.services.database, &self.name)
    }

    /// Where the relays under test find the database: behind the pooler, as the role with the printed grants, where the run says so.
    pub fn relay_database_url(&self) -> String {
        let url = self.services.pooler.as_ref().unwrap_or(&self.services.database);
        self.as_relay(&with_path(url, &self.name))
    }

    /// The same for LISTEN, which passes no pooler.
    pub fn listen_database_url(&self) -> Option<String> {
        self.services.pooler.as_ref().map(|_| self.as_relay(&self.database_url()))
    }

    fn as_relay(&self, url: &str) -> String {
        if with_grants() { with_user(url, &self.relay_role()) } else { url.to_owned() }
    }

    /// The role of the relays, where they have one.
    fn relay_role(&self) -> String {
        format!("{}_r", self.name)
    }

    pub fn amqp_url(&self) -> String {
        with_path(&self.services.amqp, &self.name)
    }

    pub fn management(&self) -> Management {
        Management::new(&self.services.management)
    }

    /// An own connection to the test database.
    pub async fn client(&self) -> Client {
        connect(&self.database_url()).await
    }

    /// A channel on an own connection, which lives as long as the channel.
    pub async fn channel(&self) -> Channel {
        channel(&self.amqp_url()).await.expect("the broker gives a channel")
    }

    /// Runs `outbox-relay migrate` on the test database.
    pub async fn migrate(&self) {
        self.run_migrate(&[]).await;
        self.grant(&[]).await;
    }

    /// Gives the relays' role its grants, where they have one; part of `migrate`.
    pub async fn grant(&self, args: &[&str]) {
        if with_grants() {
            self.run_migrate(&[&["--grants", "--relay-role", &self.relay_role()], args].concat()).await;
        }
    }

    /// The same with flags of the test's own.
    pub async fn migrate_with(&self, args: &[&str]) {
        self.run_migrate(args).await;
        self.grant(&[]).await;
    }

    async fn run_migrate(&self, args: &[&str]) {
        let mut migrate = Command::new(program::relay());
        migrate.args(["migrate", "--database-url", &self.database_url()]).args(args).kill_on_drop(true);
        let output = timeout(SOON, migrate.output()).await.expect("migrate ends in time").expect("migrate runs");
        assert!(
            output.status.success(),
            "migrate failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub async fn declare_topology(&self, topology: &Topology) {
        let declare = async { topology.declare(&self.channel().await).await };
        timeout(SOON, declare).await.expect("the topology is declared in time");
    }

    /// Messages ready in the queue, asked of the queue itself and therefore exact.
    pub async fn queue_messages(&self, queue: &str) -> u32 {
        let ask = async {
            let passive = QueueDeclareOptions { passive: true, ..Default::default() };
            let declared = self.channel().await.queue_declare(queue.into(), passive, FieldTable::default()).await;
            declared.unwrap_or_else(|e| panic!("no queue {queue}: {e}")).message_count()
        };
        timeout(SOON, ask).await.expect("the queue answers in time")
    }

    /// Rows that are neither published nor dead letters.
    pub async fn pending(&self) -> i64 {
        let query = "SELECT count(*) FROM outbox.events WHERE published_at IS NULL";
        self.client().await.query_one(query, &[]).await.expect("pending rows are counted").get(0)
    }

    /// Unresolved dead letters and their reasons.
    pub async fn dead_letters(&self) -> BTreeMap<Uuid, String> {
        let query =
            "SELECT id, failure_reason FROM outbox.dead_letters WHERE processed_at IS NULL ORDER BY dead_letter_id";
        let rows = self.client().await.query(query, &[]).await.expect("dead letters are read");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// What the checker needs, with the dead letters as they are now.
    pub async fn expect(&self, queues: &[&str]) -> Expect {
        let queues = queues.iter().map(ToString::to_string).collect();
        Expect { queues, dead_letters: self.dead_letters().await, ..Expect::default() }
    }

    /// Waits until the relay has nothing left to do and everything committed has arrived; events whose COMMIT was not
    /// answered are looked up first.
    pub async fn quiet(&self, history: &History, deadline: Duration) {
        self.resolve(history).await;
        let arrived = async || history.all_arrived() && self.pending().await == 0;
        eventually(deadline, &format!("every event of {} delivered", self.name), arrived).await;
    }

    async fn resolve(&self, history: &History) {
        let uncertain = history.uncertain();
        let query = "SELECT id FROM outbox.events WHERE id = ANY($1) UNION SELECT id FROM outbox.dead_letters WHERE id = ANY($1)";
        let rows = self.client().await.query(query, &[&uncertain]).await.expect("uncertain events are looked up");
        history.resolve(&rows.iter().map(|row| row.get(0)).collect::<HashSet<Uuid>>());
    }
}

impl Drop for TestBed {
    /// On a thread with its own runtime, because the test's runtime cannot be waited for from inside itself.
    fn drop(&mut self) {
        let (name, services) = (self.name.clone(), self.services.clone());
        let cleaner = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the clean-up");
            runtime.block_on(async {
                // Each on its own: private services may be gone by now, which must not hide the test's own failure.
                tidy("database", async {
                    let (client, connection) =
                        tokio_postgres::connect(&services.database, NoTls).await.map_err(|e| e.to_string())?;
                    tokio::spawn(connection);
                    let drop_database = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                    client.batch_execute(&drop_database).await.map_err(|e| e.to_string())?;
                    let drop_role = format!("DROP ROLE IF EXISTS {name}_r");
                    client.batch_execute(&drop_role).await.map_err(|e| e.to_string())
                })
                .await;
                let management = Management::new(&services.management);
                tidy("vhost", async { management.try_delete_vhost(&name).await }).await;
            });
        });
        cleaner.join().ok();
    }
}

/// Whether the relays log in as a role with the grants of `migrate --grants` alone.
fn with_grants() -> bool {
    env::var("OUTBOX_TEST_GRANTS").is_ok()
}

async fn tidy(what: &str, work: impl Future<Output = Result<(), String>>) {
    match timeout(ANSWER, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("the test {what} was left behind: {error}"),
        Err(_) => eprintln!("the test {what} was left behind: no answer"),
    }
}

async fn connect(url: &str) -> Client {
    try_connect(url).await.unwrap_or_else(|e| panic!("no connection to {url}: {e}"))
}

/// Connects in time and drives the connection in the background.
pub async fn try_connect(url: &str) -> Result<Client, String> {
    let connecting = timeout(ANSWER, tokio_postgres::connect(url, NoTls)).await;
    let (client, connection) = connecting.map_err(|_| "no answer".to_owned())?.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    Ok(client)
}

/// A channel on an own connection; lapin keeps the connection as long as the channel lives.
pub async fn channel(url: &str) -> Result<Channel, String> {
    let open = async { Connection::connect(url, ConnectionProperties::default()).await?.create_channel().await };
    timeout(ANSWER, open).await.map_err(|_| "no answer".to_owned())?.map_err(|e| e.to_string())
}
