//! Runs `outbox-relay migrate` and keeps what it said.

use std::process::Stdio;
use std::time::Duration;

use testkit::TestBed;
use testkit::program;
use tokio::process::Command;
use tokio::time::timeout;

pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// On the bed's database.
pub async fn migrate(bed: &TestBed, args: &[&str]) -> Ended {
    migrate_at(&["--database-url", &bed.database_url()], args).await
}

pub async fn migrate_at(database: &[&str], args: &[&str]) -> Ended {
    let mut command = Command::new(program::relay());
    command.arg("migrate").args(database).args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(60), command.output()).await.expect("migrate ends in time");
    let output = output.expect("migrate runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The same where it has to succeed.
pub async fn migrated(bed: &TestBed, args: &[&str]) -> String {
    let ended = migrate(bed, args).await;
    assert_eq!(ended.code, Some(0), "{args:?}: {}{}", ended.stdout, ended.stderr);
    ended.stdout
}

/// How often each version is noted as applied, in the schema `outbox`.
pub async fn versions(bed: &TestBed) -> Vec<i32> {
    let rows = bed.client().await.query("SELECT version FROM outbox.schema_version ORDER BY version", &[]).await;
    rows.expect("the versions are read").iter().map(|row| row.get(0)).collect()
}
