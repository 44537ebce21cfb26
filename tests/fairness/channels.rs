//! Rows 9 and 10: few channels are enough for what must go on.

use super::field::{Field, SOON, command, lines, orders};
use testkit::urls::with_user;
use testkit::{Relay, eventually};

async fn delivers_and_probes(field: &Field) {
    field.insert("order", 2_000, "order.paid").await;
    eventually(SOON, "everything is published", async || field.pending("order").await == 0).await;
    field.bed.management().delete_exchange(field.bed.vhost(), "order.events").await;
    field.insert("later", 20, "order.paid").await;
    eventually(SOON, "they wait for the exchange", async || field.waits("held").await == 20).await;
    field.bed.declare_topology(&orders()).await;
    eventually(SOON, "the hold is probed and lifted", async || field.pending("later").await == 0).await;
}

#[tokio::test]
async fn with_two_channels_one_worker_publishes_holds_are_probed_and_it_is_said_once() {
    let field = Field::new("channels_two").await;
    let url = format!("{}?channel_max=2", field.bed.amqp_url());
    let relay = Relay::start(&field.bed, &["--workers", "4", "--amqp-url", &url]).await;
    delivers_and_probes(&field).await;
    let log = relay.log();
    assert_eq!(lines(&log, "allows this connection few channels"), 1, "{log}");
    assert_eq!(lines(&log, "the connection to the broker ended"), 0, "{log}");
}

#[tokio::test]
async fn check_compares_the_channels_with_the_workers() {
    let field = Field::new("channels_check").await;
    let (management, user) = (field.bed.management(), format!("{}_u", field.bed.name()));
    management.create_user(&user, "secret").await;
    management.set_permissions(field.bed.vhost(), &user, ".*", ".*", ".*").await;
    management.limit_user(&user, "max-channels", 1).await;
    let own = field.bed.amqp_url();
    let limited = with_user(&own, &format!("{user}:secret"));
    // A broker may grant one more than channel_max says, so the least that is tried is 2.
    let tried = [(limited, "fail"), (format!("{own}?channel_max=2"), "warn"), (format!("{own}?channel_max=64"), "ok")];
    for (url, verdict) in tried {
        let database = field.bed.database_url();
        let said =
            command(&["check", "--json", "--workers", "4", "--database-url", &database, "--amqp-url", &url]).await;
        let document = said.json();
        let findings = document["findings"].as_array().expect("findings");
        let finding = findings.iter().find(|finding| finding["check"] == "channels");
        let finding = finding.unwrap_or_else(|| panic!("no finding about channels: {document}"));
        assert_eq!(finding["verdict"], verdict, "{finding}");
    }
    management.delete_user(&user).await;
}

#[tokio::test]
async fn a_users_limit_of_channels_is_used_and_said_once_and_is_no_endless_loop_of_connects() {
    let field = Field::new("channels_user").await;
    let (management, user) = (field.bed.management(), format!("{}_u", field.bed.name()));
    management.create_user(&user, "secret").await;
    management.set_permissions(field.bed.vhost(), &user, ".*", ".*", ".*").await;
    management.limit_user(&user, "max-channels", 3).await;
    let url = with_user(&field.bed.amqp_url(), &format!("{user}:secret"));
    let relay = Relay::start(&field.bed, &["--workers", "4", "--amqp-url", &url]).await;
    delivers_and_probes(&field).await;
    let log = relay.log();
    assert_eq!(lines(&log, "allows this connection few channels"), 1, "{log}");
    let connects = lines(&log, "connected to the broker");
    assert!((1..=4).contains(&connects), "{connects} connects\n{log}");
    management.delete_user(&user).await;
}
