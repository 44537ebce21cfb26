//! The process around the hot path: starting without services, wrong configurations, stopping, panics, waking up, outages.

mod fakes;

mod configuration;
mod first_events;
mod grants;
mod outage;
mod panics;
mod starting;
mod stopping;
mod waking;

/// `outbox-relay migrate --with-notify` on the bed.
async fn migrate_with_notify(bed: &testkit::TestBed) {
    let args = ["migrate", "--with-notify", "--database-url", &bed.database_url()];
    let migrate = tokio::process::Command::new(testkit::program::relay()).args(args).kill_on_drop(true).status();
    let status = tokio::time::timeout(std::time::Duration::from_secs(30), migrate).await.expect("migrate ends in time");
    assert!(status.expect("migrate runs").success());
}
