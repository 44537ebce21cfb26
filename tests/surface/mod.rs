//! The process's surface: the admin port and who may do what there, the metrics as Prometheus reads them, the log during an outage and
//! under JSON, and where secrets do not appear.

mod admin_port;
mod health;
mod json_log;
mod metrics;
mod outage_log;
mod raw_http;
mod secrets;
mod status;
mod wake_from;

/// `outbox-relay migrate --with-notify` on the bed.
async fn migrate_with_notify(bed: &testkit::TestBed) {
    let args = ["migrate", "--with-notify", "--database-url", &bed.database_url()];
    let migrate = tokio::process::Command::new(testkit::program::relay()).args(args).kill_on_drop(true).status();
    let status = tokio::time::timeout(std::time::Duration::from_secs(30), migrate).await.expect("migrate ends in time");
    assert!(status.expect("migrate runs").success());
}
