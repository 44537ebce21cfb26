//! The SQL for those who apply it themselves: what `--print` prints is what `migrate` does, and `--print-down` undoes it.

use std::time::Duration;

use testkit::{Relay, TestBed, World};

use crate::migrate::command::{migrate_at, migrated, versions};

/// Needs no database.
async fn printed(args: &[&str]) -> String {
    let ended = migrate_at(args).await;
    assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
    ended.stdout
}

async fn objects(bed: &TestBed) -> i64 {
    let count = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'outbox')
                      + (SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text = 'outbox')
                      + (SELECT count(*) FROM pg_proc WHERE pronamespace::regnamespace::text = 'outbox')";
    bed.client().await.query_one(count, &[]).await.expect("objects are counted").get(0)
}

#[tokio::test]
async fn the_relay_works_on_the_printed_schema_and_migrate_knows_it() {
    let bed = TestBed::new("printed").await;
    let sql = printed(&["--print", "--with-notify"]).await;
    bed.client().await.batch_execute(&sql).await.expect("the printed SQL is applied");
    assert!(migrated(&bed, &[]).await.contains("up to date"), "migrate knows that it was applied");
    assert_eq!(versions(&bed).await, [1, 2]);
    bed.grant(&[]).await;
    let mut world = World::as_it_is(bed).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.order(10, 4).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn what_is_printed_down_removes_everything() {
    let bed = TestBed::new("printed down").await;
    assert_eq!(objects(&bed).await, 0);
    migrated(&bed, &["--with-notify"]).await;
    assert!(objects(&bed).await > 10);
    let sql = printed(&["--print-down"]).await;
    bed.client().await.batch_execute(&sql).await.expect("the printed SQL is applied");
    assert_eq!(objects(&bed).await, 0);
    migrated(&bed, &[]).await;
}

#[tokio::test]
async fn printing_touches_no_database() {
    let bed = TestBed::new("only printed").await;
    let sql = migrated(&bed, &["--print"]).await;
    assert!(sql.starts_with("BEGIN;") && sql.contains("CREATE TABLE \"outbox\".events"), "{sql}");
    assert_eq!(objects(&bed).await, 0);
}
