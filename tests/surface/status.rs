//! `/status` tells a person what the relay is and how its services are, and nothing that a stranger should not read.

use serde_json::Value;
use testkit::command::run;
use testkit::patience::SOON;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Relay, World, eventually};

async fn status(relay: &Relay) -> Value {
    let page = relay.get("/status").await;
    assert_eq!(page.status, 200);
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{error}: {}", page.body))
}

/// The names of all fields, nested ones with their parents'.
fn names(document: &Value) -> Vec<String> {
    let Some(fields) = document.as_object() else { return Vec::new() };
    let nested = |(name, value): (&String, &Value)| match names(value) {
        inner if inner.is_empty() => vec![name.clone()],
        inner => inner.iter().map(|field| format!("{name}.{field}")).collect(),
    };
    fields.iter().flat_map(nested).collect()
}

#[tokio::test]
async fn it_tells_what_the_relay_is_and_how_its_services_come_and_go() {
    let mut world = World::open("status page").await;
    let broker = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let url = with_addr(&world.bed.amqp_url(), broker.addr());
    let mut relay = Relay::start(&world.bed, &["--amqp-url", &url, "--workers", "2"]).await;
    world.order(3, 2).await;
    world.quiet().await;
    let now = status(&relay).await;
    for (field, expected) in [
        ("/version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("/schema", "outbox".into()),
        ("/draining", false.into()),
        ("/wake", "poll".into()),
        ("/listening", false.into()),
        ("/workers", 2.into()),
        ("/routes/count", 1.into()),
        ("/broker/state", "up".into()),
        ("/broker/generation", 1.into()),
        ("/broker/node", broker.addr().to_string().into()),
        ("/database/connected", true.into()),
        ("/database/last_error", Value::Null),
        ("/in_flight", 0.into()),
    ] {
        assert_eq!(now.pointer(field), Some(&expected), "{field}: {now:#}");
    }
    for field in ["/started_at", "/last_batch_at", "/broker/since", "/database/since"] {
        let time = now.pointer(field).and_then(Value::as_str).unwrap_or_else(|| panic!("no {field}: {now:#}"));
        assert!(time.ends_with('Z') && time.len() == 24, "{field} is {time}");
    }
    eventually(SOON, "it has counted the holds", async || status(&relay).await["held_destinations"] == 0).await;

    broker.set(Faults { refuse: true, ..Faults::default() });
    broker.reset_all();
    let is_down = async || {
        let broker = status(&relay).await["broker"].take();
        broker["state"] == "down" && broker["last_error"] == "refused" && broker["node"].is_null()
    };
    eventually(SOON, "it tells that the broker is away, and how", is_down).await;
    let client = world.bed.client().await;
    let hold = "INSERT INTO outbox.holds (scope, route, kind, reason) VALUES ('route', 'other', 'operator', 'a test')";
    client.batch_execute(hold).await.expect("a hold is put");
    eventually(SOON, "it counts the hold", async || status(&relay).await["held_destinations"] == 1).await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn it_has_no_field_that_nobody_has_thought_about() {
    let world = World::open("status fields").await;
    run(&world.bed, &["migrate", "--with-notify"]).await.with_code(0);
    let relay = Relay::start(&world.bed, &["--wake", "listen"]).await;
    eventually(SOON, "it listens", async || status(&relay).await["listening"] == true).await;
    let document = status(&relay).await;
    assert_eq!(document["wake"], "listen");
    let expected = [
        "version",
        "schema",
        "started_at",
        "uptime_seconds",
        "draining",
        "wake",
        "listening",
        "workers",
        "routes.count",
        "broker.state",
        "broker.generation",
        "broker.since",
        "broker.node",
        "broker.last_error",
        "database.connected",
        "database.since",
        "database.last_error",
        "in_flight",
        "last_batch_at",
        "held_destinations",
    ];
    assert_eq!(names(&document), expected, "a new field is public: see `ops::status`, and add it here");
}
