//! Applied once, whole or not at all, whoever else migrates at the same time.

use futures_util::future::join_all;
use testkit::TestBed;
use testkit::process::free_port;

use crate::migrate::command::{migrate, migrate_at, migrated, versions};

#[tokio::test]
async fn ten_at_once_all_succeed_and_apply_once() {
    let bed = TestBed::new("ten migrations").await;
    let all = join_all((0..10).map(|_| migrate(&bed, &[]))).await;
    for ended in &all {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let applied = all.iter().filter(|ended| ended.stdout.contains("is now at version")).count();
    let up_to_date = all.iter().filter(|ended| ended.stdout.contains("is up to date")).count();
    assert_eq!((applied, up_to_date), (1, 9), "one applied it, the others found it done");
    assert_eq!(versions(&bed).await, [1, 2]);
    let lanes = bed.client().await.query_one("SELECT count(*) FROM outbox.lanes", &[]).await;
    assert_eq!(lanes.expect("the lanes are counted").get::<_, i64>(0), 64);
}

#[tokio::test]
async fn ten_at_once_with_the_trigger_all_succeed() {
    let bed = TestBed::new("ten triggers").await;
    for ended in join_all((0..10).map(|_| migrate(&bed, &["--with-notify"]))).await {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn twice_changes_nothing_and_keeps_every_event() {
    let bed = TestBed::new("twice").await;
    migrated(&bed, &[]).await;
    let client = bed.client().await;
    let emit = "SELECT outbox.emit('Order', 'order-1', 'order.created', '{}')";
    client.query_one(emit, &[]).await.expect("an event is written");
    assert!(migrated(&bed, &[]).await.contains("up to date"));
    assert_eq!((bed.pending().await, versions(&bed).await), (1, vec![1, 2]));
}

#[tokio::test]
async fn a_migration_that_was_applied_in_another_form_is_refused() {
    let bed = TestBed::new("changed checksum").await;
    migrated(&bed, &[]).await;
    let client = bed.client().await;
    client.execute("UPDATE outbox.schema_version SET checksum = 'x'", &[]).await.expect("the checksum is changed");
    let refused = migrate(&bed, &["--with-notify"]).await;
    assert_eq!(refused.code, Some(1), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("with another checksum"), "{}", refused.stderr);
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname = 'notify_relays'";
    let triggers = client.query_one(triggers, &[]).await.expect("the triggers are counted");
    assert_eq!(triggers.get::<_, i64>(0), 0, "nothing was changed");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_behind() {
    let bed = TestBed::new("half done").await;
    let client = bed.client().await;
    // In the way of one of the last statements.
    let in_the_way = "CREATE SCHEMA outbox; CREATE TABLE outbox.replays (id int)";
    client.batch_execute(in_the_way).await.expect("a table is in the way");
    let failed = migrate(&bed, &[]).await;
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("replays"), "{}", failed.stderr);
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'outbox'";
    let tables = client.query_one(tables, &[]).await.expect("the tables are counted");
    assert_eq!(tables.get::<_, i64>(0), 1, "only the table that was there");
    client.batch_execute("DROP TABLE outbox.replays").await.expect("the way is free");
    migrated(&bed, &[]).await;
}

#[tokio::test]
async fn an_unreachable_database_is_exit_code_69() {
    let url = format!("postgres://postgres@127.0.0.1:{}/nowhere", free_port());
    let ended = migrate_at(&["--database-url", &url]).await;
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot be reached"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_wrong_schema_name_or_no_database_is_exit_code_64() {
    let ended = migrate_at(&["--schema", "Drop Table"]).await;
    assert_eq!(ended.code, Some(64));
    for flag in ["--schema", "--database-url"] {
        assert!(ended.stderr.contains(flag), "{}", ended.stderr);
    }
}
