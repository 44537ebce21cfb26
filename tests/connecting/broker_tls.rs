//! RabbitMQ with TLS: mutual authentication under a private authority works; a broker that is not who it should be gets nothing.

use testkit::patience::SOON;
use testkit::{Relay, TestBed, World, eventually};

use crate::connecting::servers::TlsRabbitMq;

fn args<'a>(url: &'a str, flags: &'a [String]) -> Vec<&'a str> {
    [&["--amqp-url", url][..], &flags.iter().map(String::as_str).collect::<Vec<_>>()].concat()
}

async fn one_event(bed: &TestBed) {
    bed.migrate().await;
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                  VALUES ('Order', 'order-1', 'order.created', '{}')";
    bed.client().await.batch_execute(insert).await.expect("an event is committed");
}

#[tokio::test]
async fn events_reach_a_broker_through_mutual_tls() {
    let server = TlsRabbitMq::start("amqps").await;
    let (url, flags) = (server.url("localhost"), server.flags());
    server.bed.migrate().await;
    let mut world = World::as_it_is(server.bed).await;
    let mut relay = Relay::start(&world.bed, &args(&url, &flags)).await;
    // Large enough for many TLS records, small ones among them.
    world.order(40, 25).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    assert!(relay.log().contains("connected to the broker localhost:"), "{}", relay.log());
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn the_urls_own_parameters_do_the_same() {
    let server = TlsRabbitMq::start("amqps parameters").await;
    let file = |name| server.files.path(name);
    let url = format!(
        "{}?cacertfile={}&certfile={}&keyfile={}&verify=verify_peer&server_name_indication=localhost&heartbeat=5",
        server.url("127.0.0.1"),
        file("ca.pem"),
        file("client.pem"),
        file("client.key")
    );
    one_event(&server.bed).await;
    let relay = Relay::start(&server.bed, &["--amqp-url", &url, "--declare"]).await;
    relay.says("connected to the broker 127.0.0.1:").await;
    let returned = async || relay.metric("outbox_publish_attempts_total").await >= 1.0;
    eventually(SOON, "the event is published", returned).await;
}

#[tokio::test]
async fn a_broker_that_is_not_who_it_should_be_gets_nothing() {
    let server = TlsRabbitMq::start("amqps refused").await;
    one_event(&server.bed).await;
    let flags = server.flags();
    let refused = async |url: &str, flags: &[String], fix: &[&str]| {
        let relay = Relay::start(&server.bed, &args(url, flags)).await;
        relay.says("cannot connect to the broker").await;
        for words in fix {
            assert!(relay.log().contains(words), "{words}\n{}", relay.log());
        }
        assert_eq!(server.bed.pending().await, 1);
        assert!(relay.metric("outbox_publish_attempts_total").await < 0.5, "nothing is published");
    };
    let good = server.url("localhost");
    refused(&server.url("127.0.0.1"), &flags, &["certificate is for 'localhost', not for '127.0.0.1'"]).await;
    refused(&good, &flags[2..], &["from an unknown authority", "--amqp-ca-file"]).await;
    refused(&good, &flags[..2], &["a client certificate", "--amqp-cert-file"]).await;
    let plain = server.bed.amqp_url().replace("amqp://", "amqps://");
    refused(&plain, &flags, &["does not speak TLS on this port"]).await;
    server.present(&server.authority.server(&["mq.other.example"])).await;
    refused(&good, &flags, &["certificate is for 'mq.other.example', not for 'localhost'"]).await;
    server.present(&server.authority.expired(&["localhost"])).await;
    refused(&good, &flags, &["the server's certificate expired at 20", "renew it"]).await;
}
