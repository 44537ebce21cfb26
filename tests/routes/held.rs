//! Which routes a hold stands for, as the people see it who look: the list, the metric, and what goes on.

use serde_json::{Value, json};
use testkit::command::run;
use testkit::patience::SOON;
use testkit::{Relay, Topology, World, eventually};

use crate::routes::stand::{Stand, queue, routes_file, stand};

/// Two routes for the type whose queue is full, one for another type of the same template, and one for all the rest.
const ROUTES: &str = r#"
[[route]]
name = "full"
event_type = "order.full"
routing_key = "{event_type}"
[[route]]
name = "audit"
event_type = "order.full"
routing_key = "audit.{key}"
[[route]]
name = "paid"
event_type = "order.paid"
routing_key = "{event_type}"
[[route]]
name = "rest"
event_type = "*"
routing_key = "{event_type}"
"#;

/// The names of the routes that the list shows as held.
async fn held_in_list(world: &World, routes: &str) -> Vec<String> {
    let list = run(&world.bed, &["routes", "list", "--routes", routes, "--json"]).await.with_code(0).json();
    let listed = list["routes"].as_array().expect("routes");
    let is_held = |route: &&Value| route["held_by"].as_array().is_some_and(|by| !by.is_empty());
    listed.iter().filter(is_held).map(|route| route["name"].as_str().expect("a name").to_owned()).collect()
}

async fn is_held(relay: &Relay, route: &str) -> f64 {
    relay.metric_where("outbox_route_held", &format!("route=\"{route}\"")).await
}

#[tokio::test]
async fn a_hold_of_one_types_queue_names_no_route_of_another_type() {
    let queues = [queue("full", &["order.full"]), queue("audit", &["audit.#"]), queue("paid", &["order.paid"])];
    let world = stand("routes_held", &Topology::order_events(queues)).await;
    let policy = json!({"max-length": 1, "overflow": "reject-publish"});
    world.bed.management().put_policy(world.bed.vhost(), "full", "^full$", policy).await;
    let routes = routes_file(ROUTES);
    let relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    for order in 0..20 {
        world.row(&format!("full-{order}"), "order.full", "{}").await;
    }
    let held = "SELECT count(*) FROM outbox.holds WHERE exchange = 'order.events' AND routing_key = 'order.full'";
    eventually(SOON, "what does not fit is on hold", async || world.ask::<i64>(held, &[]).await == 1).await;
    for order in 0..20 {
        world.row(&format!("paid-{order}"), "order.paid", "{}").await;
    }
    let paid = "SELECT count(*) FROM outbox.events WHERE event_type = 'order.paid' AND published_at IS NOT NULL";
    eventually(SOON, "the other type goes on", async || world.ask::<i64>(paid, &[]).await == 20).await;
    eventually(SOON, "the metric says so", async || is_held(&relay, "full").await == 1.0).await;
    assert_eq!(held_in_list(&world, &routes).await, ["full"]);
    for innocent in ["audit", "paid", "rest"] {
        assert_eq!(is_held(&relay, innocent).await, 0.0, "{innocent}");
    }
    world.bed.management().delete_policy(world.bed.vhost(), "full").await;
    eventually(SOON, "all is published", async || world.bed.pending().await == 0).await;
    eventually(SOON, "nothing is held", async || is_held(&relay, "full").await == 0.0).await;
    assert_eq!(held_in_list(&world, &routes).await, [""; 0]);
}
