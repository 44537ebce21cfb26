//! Where an event goes is found out per event, and may be impossible: such a row is a dead letter, and its neighbours leave.

use lapin::types::AMQPValue;
use testkit::command::run;
use testkit::patience::SOON;
use testkit::{Relay, Topology, World, eventually};

use crate::routes::render::render;
use crate::routes::stand::{Stand, queue, routes_file, stand};

async fn error_of(world: &World, aggregate_id: &str) -> String {
    let query = "SELECT failure_reason || ': ' || last_error FROM outbox.dead_letters WHERE aggregate_id = $1";
    world.ask(query, &[&aggregate_id]).await
}

#[tokio::test]
async fn an_event_that_two_routes_would_send_to_one_place_is_a_dead_letter_that_names_both() {
    let world = stand("equal", &Topology::order_events([queue("orders", &["#"])])).await;
    let routes = routes_file(
        "[[route]]\nname = \"by-id\"\nevent_type = \"order.created\"\nrouting_key = \"{aggregate_id}\"\n\
         [[route]]\nname = \"by-key\"\nevent_type = \"order.created\"\nrouting_key = \"{key}\"\n",
    );
    world.row("order-1", "order.created", "{}").await;
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, partition_key, event_type, payload)
                  VALUES ('Order', 'order-2', 'customer-2', 'order.created', '{}') RETURNING id::text";
    let good: String = world.ask(insert, &[]).await;
    let _relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    eventually(SOON, "both rows are judged", async || world.bed.pending().await == 0).await;
    let error = error_of(&world, "order-1").await;
    for words in ["INVALID_EVENT", "'by-id'", "'by-key'", "order.events/order-1"] {
        assert!(error.contains(words), "'{words}' is missing in '{error}'");
    }
    let ids: Vec<String> = world.bed.drain("orders").await.iter().map(|got| got.id.clone()).collect();
    assert_eq!(ids, [good.clone(), good], "the other event on both its routes");
}

#[tokio::test]
async fn a_header_that_the_routing_key_needs_and_the_row_lacks_makes_a_dead_letter() {
    let world = stand("header", &Topology::order_events([queue("eu", &["eu.7"])])).await;
    let routes = routes_file(
        "[[route]]\nname = \"regional\"\nevent_type = \"*\"\nrouting_key = \"{header.region}.{header.shard}\"\nheaders = { x-team = \"orders\", x-tier = 2 }\n",
    );
    world.row("order-1", "order.created", "{}").await;
    world.row_with("order-2", "order.created", "{}", Some(r#"{"region": ["eu"], "shard": 7}"#)).await;
    let headers = r#"{"region": "eu", "shard": 7, "x-team": "the row's", "x-own": true}"#;
    let good = world.row_with("order-3", "order.created", "{}", Some(headers)).await;
    let relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    eventually(SOON, "all rows are judged", async || world.bed.pending().await == 0).await;
    for (key, words) in [("order-1", "the event does not have"), ("order-2", "as a string or a number")] {
        let error = error_of(&world, key).await;
        assert!(error.starts_with("INVALID_EVENT") && error.contains("'region'"), "{error}");
        assert!(error.contains("'regional'") && error.contains(words), "{error}");
    }
    let got = world.bed.drain("eu").await;
    assert_eq!(got.iter().map(|got| got.id.clone()).collect::<Vec<_>>(), [good.to_string()]);
    let headers = got[0].properties.headers().clone().expect("headers");
    let header = |name: &str| headers.inner().get(name).cloned();
    assert_eq!(header("x-team"), Some(AMQPValue::LongString("orders".into())), "the route's header wins");
    assert_eq!(header("x-tier"), Some(AMQPValue::LongLongInt(2)));
    assert_eq!(header("x-own"), Some(AMQPValue::Boolean(true)));
    assert_eq!(relay.get("/livez").await.status, 200, "the process is alive");
}

#[tokio::test]
async fn an_exchange_that_returns_what_it_delays_is_refused_by_every_command_that_reads_the_routes() {
    let world = stand("delayed", &Topology::order_events([queue("orders", &["#"])])).await;
    world.row("order-1", "order.created", "{}").await;
    let file = |on_unroutable: &str| {
        routes_file(&format!(
            "[[route]]\nname = \"later\"\nevent_type = \"order.created\"\nexchange = \"delayed\"\n{on_unroutable}\n\
             [exchanges.\"delayed\"]\nkind = \"x-delayed-message\"\n"
        ))
    };
    let charged = file("");
    for command in [&["run"][..], &["check"], &["routes", "list"]] {
        let ended = run(&world.bed, &[command, &["--routes", &charged]].concat()).await.with_code(64);
        ended.saying("'later'").saying("x-delayed-message").saying("on_unroutable = \"ignore\"");
    }
    assert_eq!(world.bed.pending().await, 1, "nothing was sent");
    let ignored = ["--routes", &file("on_unroutable = \"ignore\""), "--event-type", "order.created"];
    render(&ignored, "{}").await.with_code(0);
}
