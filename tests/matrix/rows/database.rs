//! Faults of PostgreSQL: killed, restarted, read-only, out of connections, locked, a transaction that does not end, a pooler that dies.

use testkit::bed::try_connect;
use testkit::patience::IN_THE_END;
use testkit::urls::{with_path, with_query};
use testkit::{PrivateServices, eventually};
use tokio_postgres::Client;

use super::row::{Outcome, Row, Trial};
use super::scene::{Scene, WINDOW, lasts, seconds};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new("pg_killed", "PostgreSQL killed (postmaster and backends), 3 s away", |trial| outage(trial, true)),
        Row::new("pg_restarted", "PostgreSQL stopped in fast mode, 3 s away", |trial| outage(trial, false)),
        Row::new(
            "pg_read_only",
            "PostgreSQL takes no writes: sessions read-only by default, then a standby for 5 s",
            read_only,
        ),
        Row::new("pg_full", "no free connection for 8 s, the relays' ended", full),
        Row::new("pg_locked", "`LOCK TABLE outbox.events` for 12 s", locked),
        Row::new("pg_backends", "the relays' backends terminated, all at once", backends),
        Row::new(
            "pg_open_transaction",
            "a write transaction open for the whole run, in another database",
            open_transaction,
        ),
        Row::new("pg_pooler", "pgbouncer in transaction mode for everything, killed and restarted", pooler),
    ]
}

async fn private(trial: &Trial, services: &[&str]) -> PrivateServices {
    PrivateServices::start(&trial.name, services, None).await
}

async fn two(trial: &Trial, services: &PrivateServices) -> Scene {
    let mut scene = Scene::open_on(trial, services).await;
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    scene.flow(100).await;
    scene
}

async fn outage(mut trial: Trial, killed: bool) -> Outcome {
    const ROUNDS: usize = 5;
    let services = private(&trial, &["postgres"]).await;
    let mut scene = two(&trial, &services).await;
    for _ in 0..ROUNDS {
        lasts(trial.millis(100..600)).await;
        if killed {
            services.kill("postgres").await;
        } else {
            services.stop("postgres").await;
        }
        lasts(seconds(3)).await;
        services.start_again("postgres").await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await
}

/// As a primary that was demoted: it answers, and takes no writes. First every session is read-only by default, which the relays'
/// transactions overrule; then the server itself is a standby.
async fn read_only(trial: Trial) -> Outcome {
    const ROUNDS: usize = 3;
    let services = private(&trial, &["postgres"]).await;
    let mut scene = two(&trial, &services).await;
    let signal = services.folder().join("postgres/data/standby.signal");
    for _ in 0..ROUNDS {
        scene.flow(50).await;
        let admin = self::admin(&services).await;
        configure(&admin, "default_transaction_read_only = on").await;
        end_connections(&admin, "").await;
        lasts(seconds(2)).await;
        configure(&admin, "default_transaction_read_only = off").await;
        services.stop("postgres").await;
        std::fs::write(&signal, "").expect("the server is told that it is a standby");
        services.start_again("postgres").await;
        lasts(seconds(5)).await;
        let promote = "SELECT pg_promote()";
        assert!(self::admin(&services).await.query_one(promote, &[]).await.expect("it answers").get::<_, bool>(0));
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * 2 * ROUNDS * WINDOW).await
}

async fn full(trial: Trial) -> Outcome {
    const ROUNDS: usize = 3;
    let services = private(&trial, &["postgres"]).await;
    let admin = admin(&services).await;
    configure(&admin, "max_connections = 30").await;
    drop(admin);
    services.stop("postgres").await;
    services.start_again("postgres").await;
    let mut scene = two(&trial, &services).await;
    let (admin, url) = (self::admin(&services).await, services.urls().database);
    for _ in 0..ROUNDS {
        let mut hogs = hog(&url).await;
        end_connections(&admin, "outbox-relay").await;
        let end = tokio::time::Instant::now() + seconds(8);
        while tokio::time::Instant::now() < end {
            hogs.extend(hog(&url).await);
            lasts(std::time::Duration::from_millis(20)).await;
        }
        drop(hogs);
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await
}

/// Connections until there are no more.
async fn hog(url: &str) -> Vec<Client> {
    let mut hogs = Vec::new();
    while let Ok(client) = try_connect(&with_query(url, "application_name=hog")).await {
        hogs.push(client);
    }
    hogs
}

async fn locked(trial: Trial) -> Outcome {
    const ROUNDS: usize = 3;
    let mut scene = Scene::open(&trial).await;
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    for _ in 0..ROUNDS {
        scene.flow(100).await;
        let mut client = scene.bed.client().await;
        let lock = client.transaction().await.expect("a transaction");
        lock.batch_execute("LOCK TABLE outbox.events").await.expect("the lock, behind the batches that are open");
        lasts(seconds(12)).await;
        lock.rollback().await.expect("the lock is given back");
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await
}

async fn backends(mut trial: Trial) -> Outcome {
    const ROUNDS: usize = 20;
    let mut scene = Scene::open(&trial).await;
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
    scene.flow(100).await;
    let admin = scene.bed.client().await;
    for _ in 0..ROUNDS {
        lasts(trial.millis(50..300)).await;
        end_connections(&admin, "outbox-relay").await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await
}

/// It keeps the floors and vacuum where they were when it began.
async fn open_transaction(trial: Trial) -> Outcome {
    let services = private(&trial, &["postgres"]).await;
    let mut writer = admin(&services).await;
    writer.batch_execute("CREATE TABLE elsewhere (n int)").await.expect("a table elsewhere");
    let transaction = writer.transaction().await.expect("a transaction");
    transaction.batch_execute("INSERT INTO elsewhere VALUES (1)").await.expect("it has an id now");
    let mut scene = two(&trial, &services).await;
    scene.flow(6_000).await;
    scene.recover().await;
    let outcome = scene.finish(1, 0).await;
    transaction.commit().await.expect("it was open all the time");
    outcome
}

async fn pooler(mut trial: Trial) -> Outcome {
    const ROUNDS: usize = 4;
    let services = private(&trial, &["postgres", "pgbouncer"]).await;
    let mut scene = two(&trial, &services).await;
    let through = scene.bed.relay_database_url();
    assert_ne!(through, scene.bed.database_url(), "the relays go through the pooler");
    for _ in 0..ROUNDS {
        lasts(trial.millis(100..600)).await;
        services.kill("pgbouncer").await;
        lasts(seconds(2)).await;
        services.start_again("pgbouncer").await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, 2 * ROUNDS * WINDOW).await
}

/// The server's own database, which no fault of the bed's touches.
async fn admin(services: &PrivateServices) -> Client {
    let url = with_path(&services.urls().database, "postgres");
    try_connect(&with_query(&url, "application_name=admin")).await.expect("the server answers")
}

async fn configure(admin: &Client, setting: &str) {
    admin.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.expect("the setting is taken");
    admin.batch_execute("SELECT pg_reload_conf()").await.expect("the server reads it");
    let (name, value) = setting.split_once(" = ").expect("name = value");
    let is_taken = async || {
        let row = admin
            .query_one("SELECT setting = $2 OR pending_restart FROM pg_settings WHERE name = $1", &[&name, &value])
            .await;
        row.expect("the setting is shown").get::<_, bool>(0)
    };
    eventually(IN_THE_END, "the setting holds", is_taken).await;
}

/// Ends all connections but this one whose application's name begins so.
async fn end_connections(admin: &Client, program: &str) {
    let query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND starts_with(application_name, $1)";
    admin.query_one(query, &[&program]).await.expect("connections are ended");
}
