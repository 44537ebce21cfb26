//! Rows that the database cannot deliver, or that are larger than anybody expects, among good ones under load.

use std::time::Duration;

use testkit::world::ORDERS;
use testkit::{NewEvent, Queue, QueueKind, TestBed, Topology, Writer, eventually};
use uuid::Uuid;

use super::row::{Outcome, Row, Trial};
use super::scene::Scene;

const PARKED: Duration = Duration::from_secs(60);

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "row_encoding",
            "rows with bytes that are no UTF-8 among good ones, in a SQL_ASCII database",
            encoding,
        )
        .quick(),
        Row::new("row_damaged", "rows whose TOAST value is gone among good ones, repaired later", damaged),
        Row::new("row_bomb", "rows with 185 MB of control characters among good ones", bomb),
    ]
}

async fn two(scene: &mut Scene) {
    scene.relay(&[]).await;
    scene.relay(&[]).await;
    scene.load();
}

/// Waits until the key of each event is parked, while others arrive.
async fn parked(scene: &Scene, ids: &[Uuid]) {
    let client = scene.bed.client().await;
    eventually(PARKED, "the keys of the bad rows are parked", async || {
        let parked = "SELECT count(*) FROM outbox.waits WHERE reason = 'unreadable' AND event_id = ANY($1)";
        let parked: i64 = client.query_one(parked, &[&ids]).await.expect("waits are read").get(0);
        usize::try_from(parked).is_ok_and(|parked| parked == ids.len())
    })
    .await;
    scene.flow(100).await;
}

async fn execute(scene: &Scene, statements: &str) {
    let client = scene.bed.client().await;
    client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// Has the parked keys read again, as `keys release` does.
async fn release(scene: &Scene) {
    execute(scene, "UPDATE outbox.waits SET until = clock_timestamp() WHERE reason = 'unreadable'").await;
}

async fn encoding(trial: Trial) -> Outcome {
    let rounds = trial.rounds(6, 2);
    let bed = TestBed::encoded(&trial.name, "SQL_ASCII").await;
    let mut scene = Scene::with(&trial, bed, &Topology::order_events([Queue::new(ORDERS, QueueKind::Classic)])).await;
    two(&mut scene).await;
    for round in 0..rounds {
        scene.flow(60).await;
        let insert = format!(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
             SELECT 'Order', 'bad-{round}-' || n || chr(200 + n), 'order.created', ('\"' || chr(252) || '\"')::json
             FROM generate_series(1, 5) n RETURNING id"
        );
        let inserted = scene.bed.client().await.query(&insert, &[]).await.expect("the rows are taken");
        let ids: Vec<Uuid> = inserted.iter().map(|row| row.get(0)).collect();
        parked(&scene, &ids).await;
        let client = scene.bed.client().await;
        client.execute("DELETE FROM outbox.events WHERE id = ANY($1)", &[&ids]).await.expect("the rows are deleted");
        release(&scene).await;
        scene.recover().await;
    }
    scene.finish(rounds, 0).await
}

async fn damaged(trial: Trial) -> Outcome {
    const ROUNDS: usize = 4;
    let mut scene = Scene::open(&trial).await;
    two(&mut scene).await;
    let (writer, mut client) = (Writer::new(&scene.history), scene.bed.client().await);
    let payload = format!("{{\"blob\":\"{}\"}}", "x".repeat(50_000));
    let table = "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'outbox.events'::regclass";
    let table: String = client.query_one(table, &[]).await.expect("it has a TOAST table").get(0);
    for round in 0..ROUNDS {
        scene.flow(60).await;
        // Its lane is locked until its value is gone, as by a batch, or it would leave at once.
        let lane = format!("hashtext('\"outbox\".lanes'), (hashtextextended('order-{round}', 0) & 63)::integer");
        let keeper = scene.bed.client().await;
        keeper.batch_execute(&format!("SELECT pg_advisory_lock({lane})")).await.expect("the lane is locked");
        let events = vec![NewEvent::new("order.created", &payload), NewEvent::of_order("large", 1)];
        let ids = writer.commit_events(&mut client, &format!("order-{round}"), events).await;
        for sql in [
            "SET allow_system_table_mods = on",
            &format!("UPDATE pg_class SET relkind = 'r' WHERE oid = '{table}'::regclass"),
            &format!("DELETE FROM {table}"),
            &format!("UPDATE pg_class SET relkind = 't' WHERE oid = '{table}'::regclass"),
        ] {
            client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        // PostgreSQL reads what is deleted there until vacuum removes it, which open batches delay.
        eventually(PARKED, "the value is gone", async || {
            client.batch_execute("VACUUM outbox.events").await.expect("vacuum runs");
            client.query_one("SELECT payload::text FROM outbox.events WHERE id = $1", &[&ids[0]]).await.is_err()
        })
        .await;
        keeper.batch_execute(&format!("SELECT pg_advisory_unlock({lane})")).await.expect("the lane is free");
        parked(&scene, &ids[..1]).await;
        let repair = "UPDATE outbox.events SET payload = $2::text::json WHERE id = $1";
        client.execute(repair, &[&ids[0], &payload]).await.expect("the row is repaired");
        release(&scene).await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, 0).await
}

async fn bomb(trial: Trial) -> Outcome {
    const ROUNDS: usize = 4;
    let mut scene = Scene::open(&trial).await;
    // What a table of version 1 may hold.
    execute(&scene, "ALTER TABLE outbox.events DROP CONSTRAINT correlation_id_has_at_most_1024_bytes").await;
    two(&mut scene).await;
    let (writer, mut client) = (Writer::new(&scene.history), scene.bed.client().await);
    let trigger = "CREATE FUNCTION bomb() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.correlation_id := repeat(chr(1), 185000000); RETURN NEW; END $$;
        CREATE TRIGGER bomb BEFORE INSERT ON outbox.events FOR EACH ROW WHEN (NEW.event_type = 'order.bomb') EXECUTE FUNCTION bomb()";
    execute(&scene, trigger).await;
    for round in 0..ROUNDS {
        scene.flow(60).await;
        let large = NewEvent::new("order.bomb", "{}").dead_letter("INVALID_EVENT");
        let events = vec![NewEvent::of_order("bomb", 0), large, NewEvent::of_order("bomb", 2)];
        let ids = writer.commit_events(&mut client, &format!("order-{round}"), events).await;
        let is_given_up = async || scene.bed.dead_letters().await.contains_key(&ids[1]);
        eventually(PARKED, "the bomb is given up", is_given_up).await;
        scene.recover().await;
    }
    scene.finish(ROUNDS, 0).await
}
