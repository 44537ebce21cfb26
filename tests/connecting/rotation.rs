//! Files that change while the relay runs: passwords, URLs, certificates. The next connect uses what they hold then; one that is
//! unusable is an outage that ends by itself.

use testkit::certificates::{Authority, Files};
use testkit::patience::SOON;
use testkit::process::unique;
use testkit::urls::addr_of;
use testkit::{Relay, TestBed, World, eventually};

use crate::connecting::servers::{TlsPostgres, TlsRabbitMq};

/// Closes the relay's connections to the broker, once they are listed.
async fn close_connections(bed: &TestBed) {
    let closed = async || bed.management().close_connections(bed.vhost(), "outbox-relay/").await > 0;
    eventually(SOON, "the broker closes the relay's connection", closed).await;
}

#[tokio::test]
async fn a_rotated_database_password_user_and_authority_are_used_at_the_next_connect() {
    let server = TlsPostgres::start("rotation").await;
    server.bed.migrate().await;
    server.let_in("hostssl all all 127.0.0.1/32 scram-sha-256").await;
    let owner = server.bed.client().await;
    let role = "CREATE ROLE relay_a LOGIN SUPERUSER PASSWORD 'pw-first-7q'; CREATE ROLE relay_b LOGIN SUPERUSER PASSWORD 'pw-third-7q'";
    owner.batch_execute(role).await.expect("roles");
    let (user, password) = (server.files.write("user", "relay_a\n"), server.files.write("password", "pw-first-7q\n"));
    let url_file =
        server.files.write("url", &server.url("nobody", "localhost", "sslmode=verify-full&channel_binding=require"));
    let args = [
        "--database-url-file".to_owned(),
        url_file,
        "--database-user-file".to_owned(),
        user,
        "--database-password-file".to_owned(),
        password,
        "--database-ca-file".to_owned(),
        server.files.path("ca.pem"),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let relay = Relay::start(&server.bed, &args).await;
    relay.says(" as relay_a").await;

    // The password, and for a moment a file that is not there.
    owner.batch_execute("ALTER ROLE relay_a PASSWORD 'pw-second-7q'").await.expect("a new password");
    server.files.remove("password");
    server.end_connections_of("relay_a").await;
    relay.says("password' cannot be used").await;
    server.files.write("password", "pw-second-7q\n");
    let back = async |times| {
        eventually(SOON, "the relay is back", async || {
            relay.log().matches("connected to the database").count() >= times
        })
        .await;
    };
    back(2).await;

    // User and password together, as a vault gives them.
    server.files.write("user", "relay_b");
    server.files.write("password", "pw-third-7q");
    server.end_connections_of("relay_a").await;
    relay.says(" as relay_b").await;

    // The authority, and the URL: spoilt first, then right.
    let other = Authority::new("the next authority");
    server.present(&other.server(&["localhost"])).await;
    server.end_connections_of("relay_b").await;
    relay.says("from an unknown authority").await;
    server.files.write("url", "postgres:// nonsense");
    relay.says("url': not a PostgreSQL URL").await;
    server.files.write("ca.pem", &other.pem);
    server.files.write("url", &server.url("nobody", "localhost", ""));
    back(4).await;
    assert_eq!(server.relay_uses_tls().await, Some(true));
    for secret in ["pw-first-7q", "pw-second-7q", "pw-third-7q"] {
        assert!(!relay.log().contains(secret), "{}", relay.log());
    }
    let mut world = World::as_it_is(server.bed).await;
    world.order(5, 3).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
}

#[tokio::test]
async fn a_rotated_broker_password_is_used_at_the_next_connect() {
    let mut world = World::open("amqp rotation").await;
    let (files, management, user) = (Files::new(), world.bed.management(), unique("relay"));
    let url = format!("amqp://{}/{}", addr_of(&world.bed.amqp_url()), world.bed.vhost());
    management.create_user(&user, "pw-first-7q").await;
    management.set_permissions(world.bed.vhost(), &user, ".*", ".*", ".*").await;
    let (user_file, password_file) = (files.write("user", &user), files.write("password", "pw-first-7q"));
    let url_file = files.write("urls", &format!("{url}\n"));
    let args = ["--amqp-user-file", &user_file, "--amqp-password-file", &password_file, "--amqp-url-file", &url_file];
    let relay = Relay::start(&world.bed, &args).await;
    relay.says(&format!("as {user}")).await;
    world.order(3, 3).await;
    world.quiet().await;

    management.create_user(&user, "pw-second-7q").await;
    close_connections(&world.bed).await;
    relay.says("the broker refused the login of user").await;
    world.order(3, 3).await;
    files.write("password", "pw-second-7q");
    world.quiet().await;
    assert!(!relay.log().contains("pw-second-7q") && !relay.log().contains("pw-first-7q"), "{}", relay.log());
    world.verdict().await.assert_clean(9);
    management.delete_user(&user).await;
}

#[tokio::test]
async fn a_rotated_authority_and_client_certificate_of_the_broker_are_used_at_the_next_connect() {
    let server = TlsRabbitMq::start("amqps rotation").await;
    server.bed.migrate().await;
    let (url, flags) = (server.url("localhost"), server.flags());
    let args: Vec<&str> = ["--amqp-url", &url].into_iter().chain(flags.iter().map(String::as_str)).collect();
    let relay = Relay::start(&server.bed, &args).await;
    relay.says("connected to the broker localhost:").await;
    let other = Authority::new("the next authority");
    server.present(&other.server(&["localhost"])).await;
    close_connections(&server.bed).await;
    relay.says("from an unknown authority").await;
    // The broker's own list of authorities is the same file.
    let both = format!("{}{}", server.authority.pem, other.pem);
    server.files.write("ca.pem", &both);
    let client = other.client("relay");
    server.files.write("client.pem", &format!("{}{}", client.cert, client.key));
    server.files.write("client.key", &client.key);
    server.services.ctl(&["eval", "ssl:clear_pem_cache()."]).await;
    eventually(SOON, "the relay is back", async || relay.log().matches("connected to the broker").count() >= 2).await;
    let mut world = World::as_it_is(server.bed).await;
    world.order(5, 3).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
}
