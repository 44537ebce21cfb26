//! At rest the relay asks the database little. Counted, not timed: the count is the same on every machine.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::{Relay, World, eventually};
use tokio_postgres::Client;

use super::{number, world};

/// For how long is counted.
const COUNTED: Duration = Duration::from_secs(20);
/// Transactions of a relay at rest in that time, besides its looks for work: 4 elections, 4 sweeps, 2 for the gauges, 10 looks for probes, and
/// 1 each for retention, hanging backends, waits for a route and times in the future, and 4 for heartbeats. Some may fall into the time once more, and the server
/// may tell of a few of this test's own only then.
const JOBS_MAX: i64 = 4 + 4 + 2 + 10 + 4 + 4 + 8 + 8;
/// Looks for work in that time with the default poll interval and its jitter. A look asks twice where another transaction
/// has ended since the one before, and every two seconds.
const POLLS_MAX: i64 = 120;
/// The same where commits are announced: one every five seconds.
const NET_LOOKS_MAX: i64 = 8;

/// The database's transactions so far, without those of this client, whose every statement is one.
struct Count {
    client: Client,
    own: i64,
}

impl Count {
    async fn ask(&mut self, sql: &str) -> i64 {
        self.own += 1;
        number(&self.client, sql).await
    }

    async fn transactions(&mut self) -> i64 {
        let flushed = "SELECT 0::bigint FROM pg_stat_clear_snapshot()";
        self.ask(flushed).await;
        let count = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        self.ask(count).await - self.own
    }

    /// The server's time, in milliseconds.
    async fn time(&mut self) -> i64 {
        self.ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").await
    }
}

/// Waits until what starting leaves behind is over: a connection that was needed then is closed after 20 s, and its backend reports its last
/// transactions only then. So does this test's own, which ends too.
async fn settled(world: &World) -> i64 {
    let client = world.bed.client().await;
    let late = "SELECT count(*) FROM outbox.upkeep WHERE last_run_at < clock_timestamp() - interval '1 hour'";
    eventually(SOON, "every job has run", async || number(&client, late).await == 0).await;
    let swept = "SELECT extract(epoch FROM last_run_at)::bigint FROM outbox.upkeep WHERE job = 'sweep'";
    let first = number(&client, swept).await;
    eventually(SOON, "the first turns are over", async || number(&client, swept).await >= first + 25).await;
    number(&client, "SELECT pg_backend_pid()::bigint").await
}

/// Transactions of the relay in the counted time.
async fn at_rest(world: &World) -> i64 {
    let waited = settled(world).await;
    let mut count = Count { client: world.bed.client().await, own: 0 };
    let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {waited}");
    eventually(SOON, "the connection has ended", async || count.ask(&gone).await == 0).await;
    let (before, began) = (count.transactions().await, count.time().await);
    let until = began + i64::try_from(COUNTED.as_millis()).expect("seconds");
    // Time is what is measured here: nothing happens meanwhile that a test could wait for.
    tokio::time::sleep(COUNTED).await;
    assert!(count.time().await >= until);
    count.transactions().await - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_polls_costs_a_glance_a_poll_and_few_transactions_at_rest() {
    let world = world("rest_poll").await;
    let _relay = Relay::start(&world.bed, &[]).await;
    let transactions = at_rest(&world).await;
    assert!(transactions <= POLLS_MAX + JOBS_MAX, "{transactions} transactions in {COUNTED:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_listens_costs_few_transactions_at_rest() {
    let world = world("rest_listen").await;
    world.bed.migrate_with(&["--with-notify"]).await;
    let relay = Relay::start(&world.bed, &["--wake", "listen"]).await;
    relay.says("outbox_relay::postgres::listen: listening").await;
    let transactions = at_rest(&world).await;
    assert!(transactions <= NET_LOOKS_MAX + JOBS_MAX, "{transactions} transactions in {COUNTED:?}");
}
