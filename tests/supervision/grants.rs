//! The grants of the README are enough for the relay and for the producer, and the producer gets no more.

use std::time::Duration;

use crate::support::bed::{TestBed, try_connect};
use crate::support::process::unique;
use crate::support::relay::Relay;
use crate::support::topology::{Queue, QueueKind, Topology};
use crate::support::urls::with_user;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// The block of the README that opens with `-- Grants`, for roles of other names.
fn readme_grants(relay: &str, shop: &str) -> String {
    let readme = include_str!("../../README.md");
    let from = readme.find("-- Grants").expect("the README has the grants");
    let block = &readme[from..from + readme[from..].find("```").expect("the block ends")];
    let statements = block.split_once('\n').expect("a first line").1;
    statements
        .replace("TO relay, shop;", &format!("TO {relay}, {shop};"))
        .replace("TO relay;", &format!("TO {relay};"))
        .replace("TO shop;", &format!("TO {shop};"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_grants_are_enough_and_let_a_producer_only_insert() {
    let bed = TestBed::new("grants").await;
    bed.migrate().await;
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    let owner = bed.client().await;
    let (relay_role, shop_role) = (unique("relay"), unique("shop"));
    let roles = format!("CREATE ROLE {relay_role} LOGIN; CREATE ROLE {shop_role} LOGIN;");
    owner.batch_execute(&(roles + &readme_grants(&relay_role, &shop_role))).await.expect("the grants are taken");

    let shop = try_connect(&with_user(&bed.database_url(), &shop_role)).await.expect("the producer connects");
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                  VALUES ('Order', 'order-1', 'order.created', '{}') RETURNING id, seq, created_at";
    shop.query_one(insert, &[]).await.expect("a producer inserts and reads back");
    shop.query_one("SELECT outbox.emit('Order', 'order-1', 'order.paid', '{}')", &[]).await.expect("or emits");
    for refused in [
        "UPDATE outbox.events SET published_at = now()",
        "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at) VALUES ('O', 'o', 't', '{}', now())",
        "DELETE FROM outbox.events",
        "SELECT payload FROM outbox.events",
    ] {
        let error = shop.batch_execute(refused).await.expect_err(refused);
        assert!(format!("{error:?}").contains("permission denied"), "{refused}: {error:?}");
    }

    let relay = Relay::start(&bed, &["--database-user", &relay_role]).await;
    eventually(PATIENCE, "both events are published", async || bed.pending().await == 0).await;
    let moved = async || {
        let row = owner.query_one("SELECT count(*) FROM outbox.lanes WHERE floor > 1", &[]).await.expect("a count");
        row.get::<_, i64>(0) == 64
    };
    eventually(PATIENCE, "the floors move", moved).await;
    assert_eq!(relay.metric_where("outbox_failures_total", r#"reason="database""#).await, 0.0);
    drop(relay);
    drop(shop);
    let gone = format!("DROP OWNED BY {relay_role}, {shop_role}; DROP ROLE {relay_role}, {shop_role}");
    eventually(PATIENCE, "the roles are dropped", async || owner.batch_execute(&gone).await.is_ok()).await;
}
