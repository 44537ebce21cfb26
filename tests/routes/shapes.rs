//! The rows of a new order with the shipped routes: each consumer, bound as its document says, gets exactly its own shape
//! (`golden/*.json`, where only the id and the time are filled in), the payload byte for byte. Inventory has a row of its own.

use lapin::ExchangeKind;
use testkit::patience::SOON;
use testkit::{Relay, Topology, eventually};

use crate::routes::stand::{Stand, queue, stand};

const PAYLOAD: &str = include_str!("golden/order_created.payload.json");
const INVENTORY_PAYLOAD: &str = include_str!("golden/order_created_for_inventory.payload.json");

/// The consumers: queue, what it binds, the body it gets, and the properties type, app_id.
const CONSUMERS: [(&str, &[&str], &str, [&str; 2]); 4] = [
    (
        "NotificationService_OrderEvents",
        &["order.created", "order.updated", "order.cancelled", "order.shipped", "notification.send_requested"],
        include_str!("golden/notification.json"),
        ["order.created", "order-service"],
    ),
    (
        "ProductService_OrderEvents",
        &["order.created", "product.details_requested", "product.batch_details_requested"],
        include_str!("golden/product.json"),
        ["order.created", "order-service"],
    ),
    (
        "ServiceX_OrderEvents",
        &["OrderCreatedEvent", "OrderUpdatedEvent"],
        include_str!("golden/platform.json"),
        ["OrderCreatedEvent", "OrderService"],
    ),
    (
        "InventoryService_OrderEvents",
        &["order.ordercreated.order", "order.orderconfirmed.order", "order.ordercancelled.order"],
        include_str!("golden/inventory.json"),
        ["OrderCreated", "order-service"],
    ),
];

#[tokio::test]
async fn a_new_order_reaches_each_consumer_in_exactly_its_own_shape() {
    let queues = CONSUMERS.map(|(name, keys, _, _)| queue(name, keys));
    let topology =
        Topology { exchange: "order.events".into(), kind: ExchangeKind::Direct, queues: queues.into_iter().collect() };
    let world = stand("shapes", &topology).await;
    let created = world.row("order-abc-123", "order.created", PAYLOAD.trim_end()).await;
    let for_inventory = world.row("order-abc-123", "order.created_for_inventory", INVENTORY_PAYLOAD.trim_end()).await;
    let relay = Relay::start(&world.bed, &["--routes", "routes/order-service.toml"]).await;
    eventually(SOON, "the event is published", async || world.bed.pending().await == 0).await;
    let time = "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM outbox.events WHERE id = $1";
    for (name, _, golden, [message_type, app_id]) in CONSUMERS {
        let is_inventory = name.starts_with("Inventory");
        let (id, payload) = if is_inventory { (for_inventory, INVENTORY_PAYLOAD) } else { (created, PAYLOAD) };
        let payload = payload.trim_end();
        let time: String = world.ask(time, &[&id]).await;
        let expected = golden.trim_end().replace("{{id}}", &id.to_string()).replace("{{time}}", &time);
        assert!(expected.contains(payload), "the golden file of {name} has the payload");
        let got = world.bed.drain(name).await;
        let bodies: Vec<&str> = got.iter().map(|message| message.text()).collect();
        assert_eq!(bodies, [expected.as_str()], "{name}");
        let properties = &got[0].properties;
        assert_eq!(got[0].id, id.to_string(), "{name}");
        assert_eq!(properties.kind().as_ref().map(ToString::to_string).as_deref(), Some(message_type), "{name}");
        assert_eq!(properties.app_id().as_ref().map(ToString::to_string).as_deref(), Some(app_id), "{name}");
        assert_eq!(properties.content_type().as_ref().map(ToString::to_string).as_deref(), Some("application/json"));
    }
    // The diagram's key has no consumer here, and that is nobody's fault.
    let unrouted = relay.metric_where("outbox_unrouted_total", r#"route="order-created-diagram""#).await;
    assert_eq!(unrouted, 1.0);
    let published = r#"event_type="order.created_for_inventory",route="order-created-inventory""#;
    assert_eq!(relay.metric_where("outbox_published_total", published).await, 1.0);
    assert_eq!(world.bed.dead_letters().await.len(), 0);
}
