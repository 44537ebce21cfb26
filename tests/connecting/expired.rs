//! Credentials that expire while the relay runs: the broker says 403 as for a missing permission, and only a new login helps.

use testkit::certificates::Files;
use testkit::fake_broker::{Behaviour, FakeBroker};
use testkit::patience::SOON;
use testkit::process::unique;
use testkit::urls::addr_of;
use testkit::{Relay, World, eventually};

#[tokio::test]
async fn an_expired_token_starts_a_new_connection_without_a_hold_or_a_charge() {
    let mut world = World::new("expired token", []).await;
    let broker = FakeBroker::start(Behaviour::TokenExpired { connections: 1 });
    let relay = Relay::start(&world.bed, &["--amqp-url", &broker.url()]).await;
    world.order(5, 3).await;
    eventually(SOON, "everything is published", async || world.bed.pending().await == 0).await;
    relay.says("the login has expired or changed").await;
    assert_eq!(broker.connections(), 2);
    let count = async |query| world.ask::<i64>(query, &[]).await;
    assert_eq!(count("SELECT count(*) FROM outbox.holds").await, 0);
    assert_eq!(count("SELECT count(*) FROM outbox.waits").await, 0);
    assert_eq!(count("SELECT count(*) FROM outbox.dead_letters").await, 0);
    assert!(!relay.log().contains("on hold"), "{}", relay.log());
}

#[tokio::test]
async fn a_missing_permission_still_puts_its_exchange_on_hold() {
    let mut world = World::open("permission").await;
    let (user, management) = (unique("relay"), world.bed.management());
    management.create_user(&user, "pw-7q").await;
    management.set_permissions(world.bed.vhost(), &user, "", "", "").await;
    let url = format!("amqp://{user}:pw-7q@{}/{}", addr_of(&world.bed.amqp_url()), world.bed.vhost());
    let relay = Relay::start(&world.bed, &["--amqp-url", &url]).await;
    world.order(1, 1).await;
    let is_held = async || world.ask::<i64>("SELECT count(*) FROM outbox.holds", &[]).await == 1;
    eventually(SOON, "the exchange is on hold", is_held).await;
    assert!(!relay.log().contains("the login has expired"), "{}", relay.log());
    management.set_permissions(world.bed.vhost(), &user, "", ".*", "").await;
    world.quiet().await;
    management.delete_user(&user).await;
}

#[tokio::test]
async fn a_new_password_is_given_to_the_broker_while_the_connection_lasts() {
    let mut world = World::open("new password").await;
    let (files, user, management) = (Files::new(), unique("relay"), world.bed.management());
    management.create_user(&user, "pw-first-7q").await;
    management.set_permissions(world.bed.vhost(), &user, "", ".*", "").await;
    let url = format!("amqp://{user}@{}/{}", addr_of(&world.bed.amqp_url()), world.bed.vhost());
    let password = files.write("password", "pw-first-7q");
    let relay = Relay::start(&world.bed, &["--amqp-url", &url, "--amqp-password-file", &password]).await;
    world.order(2, 2).await;
    world.quiet().await;
    management.create_user(&user, "pw-second-7q").await;
    files.write("password", "pw-second-7q");
    relay.says("the broker has taken the new password").await;
    world.order(2, 2).await;
    world.quiet().await;
    assert_eq!(relay.log().matches("connected to the broker").count(), 1, "{}", relay.log());
    assert!(!relay.log().contains("pw-second-7q"), "{}", relay.log());
    management.delete_user(&user).await;
}
