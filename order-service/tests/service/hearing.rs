//! What other services tell, through a real broker: each fact has its effect once, is shown with its order, and what is of no use waits
//! for a person.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::facts;
use crate::hearers::Hearers;

const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a body that is far over the limit of 1 MiB.
const LARGE: usize = 10 * 1024 * 1024;
/// What such a body may add to the peak of the service's memory: the frames, the body, and the copy that goes to the dead letters.
const LARGE_KIB_MAX: u64 = 4 * 10 * 1024;

#[tokio::test]
async fn an_order_shows_what_inventory_and_notification_have_told() {
    let hearers = Hearers::new(&[]).await;
    let (id, item) = hearers.placed().await;
    let notification = hearers.notification(&id, "ORDER_CONFIRMATION").await;
    let order = hearers.order(&id).await;
    assert_eq!(order["items"][0]["allocation"]["status"], "NONE");
    assert_eq!(order["notificationStatus"], json!({ "ORDER_CONFIRMATION": "REQUESTED" }));

    let version = order["version"].clone();
    // Confirmed comes before created, as it can after a retry.
    hearers
        .tell_inventory("confirmed", &facts::allocation("AllocationConfirmed", &id, &item, "2030-01-01T10:00:02Z"))
        .await;
    hearers
        .tell_inventory("created", &facts::allocation("AllocationCreated", &id, &item, "2030-01-01T10:00:01Z"))
        .await;
    hearers.tell("notification.sent", &facts::sent(&id, &notification, "ORDER_CONFIRMATION", "EMAIL")).await;
    let order = hearers.until(&id, "both are shown", |order| {
        order["items"][0]["allocation"]["status"] == "CONFIRMED"
            && order["notificationStatus"]["ORDER_CONFIRMATION"] == "SENT"
    });
    let order = order.await;
    assert_eq!(order["items"][0]["allocation"]["warehouseId"], "wh-1");
    assert_eq!(order["items"][1]["allocation"]["status"], "NONE");
    assert_eq!(order["version"], version, "facts beside the order do not rewrite it");
    hearers.until_handled(3).await;

    let shown = hearers.stage.get(&format!("/orders/{id}/notifications/{notification}")).await.data(200);
    let email =
        shown["channels"].as_array().and_then(|all| all.iter().find(|one| one["channel"] == "EMAIL")).expect("e-mail");
    assert_eq!((&shown["status"], &email["messageId"]), (&json!("SENT"), &json!("msg_5f9c1b2a")));
    assert_eq!(email["sentAt"], "2030-01-01T10:00:00.000Z");
    let none = hearers.stage.get(&format!("/orders/{id}/notifications/none")).await;
    assert_eq!(none.problem(), "404 NOTIFICATION_NOT_FOUND");
}

#[tokio::test]
async fn one_message_many_times_at_once_has_one_effect_and_is_acknowledged_each_time() {
    let hearers = Hearers::with_replicas(&[], 2).await;
    let (id, item) = hearers.placed().await;
    let body = facts::allocation("AllocationCreated", &id, &item, "2030-01-01T10:00:01Z").to_string();
    for _ in 0..6 {
        let key = "inventory.allocationcreated.allocation";
        hearers.broker.publish("inventory.events", key, Some("message-1"), body.as_bytes()).await;
    }
    hearers.until_counted("each is acknowledged", |counts| counts("applied") + counts("duplicate") == 6).await;
    hearers.until_empty().await;
    let counts = hearers.counts().await;
    assert_eq!((counts("applied"), counts("duplicate")), (1, 5));
    assert_eq!(hearers.marks().await, 1);
}

#[tokio::test]
async fn a_notification_that_fails_by_text_message_is_asked_for_by_email_once() {
    let hearers = Hearers::new(&[]).await;
    let (id, _) = hearers.placed().await;
    let body = json!({ "type": "ORDER_SHIPPED", "channels": ["SMS"], "templateData": { "text": "On its way" } });
    let asked = hearers.stage.post(&format!("/orders/{id}/notifications"), &body).await.data(202);
    let first = asked["notificationId"].as_str().expect("an id").to_owned();
    let before = hearers.order(&id).await["version"].clone();
    for will_retry in [true, false, false] {
        hearers.tell("notification.failed", &facts::failed(&id, &first, "ORDER_SHIPPED", "SMS", will_retry)).await;
    }
    hearers.until_handled(2).await; // the second and the third are one message: nothing tells them apart
    hearers.until_empty().await;
    let order = hearers.order(&id).await;
    let fallbacks: Vec<&Value> = order["notifications"]
        .as_array()
        .expect("notifications")
        .iter()
        .filter(|one| one["isFallback"] == true)
        .collect();
    assert_eq!(fallbacks.len(), 1, "{order}");
    assert_eq!(
        (&fallbacks[0]["channels"][0]["channel"], &fallbacks[0]["status"]),
        (&json!("EMAIL"), &json!("REQUESTED"))
    );
    assert_eq!(
        order["reviews"][0]["message"],
        "Failed to send ORDER_SHIPPED notification: The phone number is not reachable"
    );
    assert_eq!((&order["reviews"][0]["reason"], &order["version"]), (&json!("NOTIFICATION_FAILURE"), &before));
    let sql = "SELECT payload #>> '{channels,0}' FROM outbox.events WHERE event_type = 'notification.send_requested' ORDER BY seq";
    let rows = hearers.stage.database.client().await.query(sql, &[]).await.expect("read");
    let channels: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(channels, ["SMS", "EMAIL"], "the event and the state are one transaction");

    let second = fallbacks[0]["notificationId"].as_str().expect("an id");
    hearers.tell("notification.sent", &facts::sent(&id, second, "ORDER_SHIPPED", "EMAIL")).await;
    hearers.until(&id, "e-mail took over", |order| order["notificationStatus"]["ORDER_SHIPPED"] == "SENT").await;
}

#[tokio::test]
async fn a_discontinued_product_flags_its_open_orders_by_an_index_without_locking_them() {
    let hearers = Hearers::new(&[]).await;
    let ((open, _), (gone, _)) = (hearers.placed().await, hearers.placed().await);
    let cancel = crate::bodies::reason();
    hearers.stage.post(&format!("/orders/{gone}/cancel"), &cancel).await.data(200);
    let client = hearers.stage.database.client().await;
    client.batch_execute("BEGIN; SELECT 1 FROM order_service.orders FOR UPDATE").await.expect("all are locked");
    hearers.tell_product("product.updated", &facts::discontinued("prod-456")).await;
    let order =
        hearers.until(&open, "it is flagged", |order| !order["reviews"].as_array().is_none_or(Vec::is_empty)).await;
    client.batch_execute("ROLLBACK").await.expect("released");
    assert_eq!(order["reviews"][0]["reason"], "DISCONTINUED_PRODUCT");
    assert_eq!(hearers.order(&gone).await["reviews"], json!([]));
    let plan = "SET enable_seqscan = off; EXPLAIN SELECT id FROM order_service.orders
        WHERE order_service.product_ids(body) @> ARRAY['prod-456'] AND status IN ('PENDING_PAYMENT', 'PAYMENT_FAILED', 'CONFIRMED', 'PROCESSING')";
    let lines = client.simple_query(plan).await.expect("planned");
    assert!(format!("{lines:?}").contains("open_orders_by_product"), "{lines:?}");
}

#[tokio::test]
async fn payments_move_the_order_and_missing_stock_of_a_paid_order_is_flagged() {
    let hearers = Hearers::new(&[]).await;
    let (id, item) = hearers.placed().await;
    hearers
        .tell_inventory("cancelled", &facts::allocation("AllocationCancelled", &id, &item, "2030-01-01T10:00:01Z"))
        .await;
    hearers.until(&id, "it is shown", |order| order["items"][0]["allocation"]["status"] == "UNAVAILABLE").await;
    assert_eq!(hearers.order(&id).await["reviews"], json!([]), "nobody has paid yet");
    hearers.stage.post(&format!("/orders/{id}/start-payment"), &json!({ "paymentId": "pay-1" })).await.data(200);
    hearers.tell_payment(&facts::paid(&id, "pay-1", crate::bodies::TOTAL)).await;
    let order = hearers.until(&id, "it is confirmed", |order| order["status"] == "CONFIRMED").await;
    assert_eq!((&order["paid"], &order["reviews"][0]["reason"]), (&json!(true), &json!("ALLOCATION")), "{order}");
}

#[tokio::test]
async fn messages_of_no_use_become_dead_letters_that_a_person_replays_or_resolves() {
    let hearers = Hearers::new(&[]).await;
    let order = "order-from-yesterday";
    let key = "notification.sent";
    let unknown = facts::sent(order, "n-1", "CUSTOM", "EMAIL").to_string();
    let major = facts::sent(order, "n-1", "CUSTOM", "EMAIL")
        .to_string()
        .replace(r#""dataVersion":"1.0""#, r#""dataVersion":"2.0""#);
    let (placed, _) = hearers.placed().await;
    let peak_before = hearers.stage.service.peak_rss_kib();
    let no_item = facts::allocation("AllocationCreated", &placed, "item-of-nobody", "2030-01-01T10:00:01Z").to_string();
    let large = vec![b'x'; LARGE];
    let bodies: [(&str, &[u8], &str); 6] = [
        ("m-unknown", unknown.as_bytes(), "ORDER_UNKNOWN"),
        ("m-text", b"no JSON", "SCHEMA_INVALID"),
        ("m-bytes", b"\xff\xfe", "SCHEMA_INVALID"),
        ("m-empty", b"{}", "SCHEMA_INVALID"),
        ("m-major", major.as_bytes(), "UNSUPPORTED_VERSION"),
        ("m-large", &large, "PAYLOAD_TOO_LARGE"),
    ];
    for (id, body, _) in &bodies {
        hearers.broker.publish("notification.events", key, Some(id), body).await;
    }
    let contrary = unknown.replace("notification.sent", "notification.failed");
    let others: [(&str, &str, &[u8], &str); 3] = [
        ("m-contrary", key, contrary.as_bytes(), "UNKNOWN_EVENT_TYPE"),
        // No binding lets such a key through; somebody publishes to the queue itself.
        ("m-key", "", unknown.as_bytes(), "UNKNOWN_EVENT_TYPE"),
        ("m-item", "inventory.allocationcreated.allocation", no_item.as_bytes(), "ITEM_UNKNOWN"),
    ];
    for (id, key, body, _) in &others {
        let (exchange, key) = match *key {
            "" => ("", "OrderService_NotificationEvents"),
            "notification.sent" => ("notification.events", *key),
            inventory => ("inventory.events", inventory),
        };
        hearers.broker.publish(exchange, key, Some(id), body).await;
    }
    let letters = hearers.until_dead(bodies.len() + others.len()).await;
    let grown = hearers.stage.service.peak_rss_kib() - peak_before;
    assert!(grown < LARGE_KIB_MAX, "the peak grew by {grown} KiB");
    for (id, _, _, reason) in &others {
        let letter = letters.iter().find(|letter| letter["messageId"] == *id).expect("it is there");
        assert_eq!(&letter["failureReason"], reason, "{letter}");
    }
    for (id, _, reason) in &bodies {
        let letter =
            letters.iter().find(|letter| letter["messageId"] == *id).unwrap_or_else(|| panic!("{id}: {letters:?}"));
        assert_eq!((&letter["failureReason"], &letter["processedAt"]), (&json!(reason), &Value::Null), "{letter}");
        assert!(letter.get("originalEvent").is_none(), "no body in a list: {letter}");
    }
    let id_of = |message: &str| {
        letters.iter().find(|letter| letter["messageId"] == message).expect("it is there")["id"].clone()
    };
    let show =
        async |message: &str| hearers.stage.get(&format!("/admin/dead-letters/{}", id_of(message))).await.data(200);
    let act = async |message: &str, what: &str| {
        let path = format!("/admin/dead-letters/{}/{what}", id_of(message));
        hearers.stage.post(&path, &json!({ "by": "anna", "note": "looked at" })).await
    };
    assert_eq!(show("m-unknown").await["originalEvent"], unknown.as_str());
    assert_eq!(
        (&show("m-bytes").await["encoding"], &show("m-bytes").await["originalEvent"]),
        (&json!("base64"), &json!("//4="))
    );
    let cut = show("m-large").await;
    assert_eq!((&cut["isWhole"], &cut["bodyBytes"]), (&json!(false), &json!(LARGE)));
    assert_eq!(cut["originalEvent"].as_str().map(str::len), Some(4096));

    assert_eq!(act("m-unknown", "replay").await.problem(), "409 ORDER_UNKNOWN", "it is of no use still");
    assert_eq!(act("m-large", "replay").await.problem(), "409 NOT_REPLAYABLE");
    hearers.invent_order(order).await;
    let replayed = act("m-unknown", "replay").await.data(200);
    assert_eq!((&replayed["resolution"], &replayed["resolvedBy"]), (&json!("REPLAYED"), &json!("anna")));
    assert_eq!(act("m-unknown", "replay").await.problem(), "409 DEAD_LETTER_CLOSED");
    assert_eq!(hearers.order(order).await["notificationStatus"], json!({ "CUSTOM": "SENT" }));
    assert_eq!(act("m-text", "resolve").await.data(200)["resolution"], "RESOLVED");
    let open = hearers.stage.get("/admin/dead-letters").await.data(200);
    assert_eq!(open["deadLetters"].as_array().map(Vec::len), Some(7), "{open}");

    hearers.broker.publish("notification.events", key, Some("m-unknown"), unknown.as_bytes()).await;
    hearers.until_counted("the mark is there", |counts| counts("duplicate") == 1).await;
    let log = hearers.stage.service.log().join("\n");
    for secret in ["john.doe", "no JSON", "msg_5f9c1b2a"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn without_the_exchanges_of_others_the_service_runs_says_so_and_hears_when_they_come() {
    let hearers = Hearers::without_exchanges().await;
    let end = Instant::now() + PATIENCE;
    loop {
        let health = hearers.stage.get("/health").await.data(200);
        let consumers = health["consumers"].as_array().expect("consumers");
        let missing = |queue: &Value| queue["problems"].to_string().contains("does not exist");
        if consumers.len() == 8 && consumers.iter().filter(|queue| missing(queue)).count() == 4 {
            break;
        }
        assert!(Instant::now() < end, "{health}");
        tokio::time::sleep(Duration::from_millis(100)).await; // between two looks
    }
    hearers.stage.placed().await; // requests are answered all the same
}
