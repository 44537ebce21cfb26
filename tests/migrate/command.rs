//! Runs `outbox-relay migrate` and keeps what it said.

use testkit::TestBed;
use testkit::command::{Command, Ended, run};

/// On the bed's database.
pub async fn migrate(bed: &TestBed, args: &[&str]) -> Ended {
    run(bed, &[&["migrate"], args].concat()).await
}

/// On no database, or on one that the arguments name.
pub async fn migrate_at(args: &[&str]) -> Ended {
    Command::new(&[&["migrate"], args].concat()).run().await
}

/// The same where it has to succeed.
pub async fn migrated(bed: &TestBed, args: &[&str]) -> String {
    migrate(bed, args).await.with_code(0).stdout
}

/// How often each version is noted as applied, in the schema `outbox`.
pub async fn versions(bed: &TestBed) -> Vec<i32> {
    let rows = bed.client().await.query("SELECT version FROM outbox.schema_version ORDER BY version", &[]).await;
    rows.expect("the versions are read").iter().map(|row| row.get(0)).collect()
}
