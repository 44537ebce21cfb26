//! Every command over HTTP, and what each tells.

use std::collections::BTreeSet;

use order_domain::EventType;
use serde_json::{Value, json};

use crate::bodies;
use crate::stage::Stage;

struct Life<'a> {
    stage: &'a Stage,
    id: String,
}

impl Life<'_> {
    /// Posts a command and answers with the order; it has to be in `status` then.
    async fn post(&self, command: &str, body: Value, status: &str) -> Value {
        let path = format!("/orders/{}/{command}", self.id);
        let order = self.stage.post(&path, &body).await.data(200);
        assert_eq!(order["status"], status, "after {command}");
        order
    }
}

#[tokio::test]
async fn an_order_lives_a_whole_life_and_tells_every_event() {
    let stage = Stage::new().await;
    let life = Life { stage: &stage, id: stage.placed().await };
    let path = format!("/orders/{}", life.id);
    let item = stage.get(&path).await.data(200)["items"][0]["orderItemId"].clone();
    let some = |pieces: i64| json!([{ "orderItemId": item, "quantity": pieces }]);

    life.post("start-payment", json!({ "paymentId": "pay-0" }), "PENDING_PAYMENT").await;
    let failed = json!({ "paymentId": "pay-0", "reason": "card declined" });
    life.post("fail-payment", failed, "PAYMENT_FAILED").await;
    life.post("retry-payment", json!({}), "PENDING_PAYMENT").await;
    life.post("start-payment", json!({ "paymentId": "pay-1" }), "PENDING_PAYMENT").await;
    let order = life.post("complete-payment", bodies::paid(), "CONFIRMED").await;
    assert_eq!((&order["paid"], &order["paymentId"]), (&json!(true), &json!("pay-1")));

    let address =
        json!({ "line1": "1 Side St", "line2": "Floor 3", "city": "Anytown", "postalCode": "1", "country": "CA" });
    let updated = stage.send_json("PATCH", &path, &json!({ "shippingAddress": address })).await.data(200);
    assert_eq!(updated["shippingAddress"], address);

    life.post("process", json!({}), "PROCESSING").await;
    let mut part = bodies::parcel("ship-1");
    part["lines"] = some(2);
    life.post("ship", part, "PROCESSING").await;
    let order = life.post("deliver", json!({ "lines": some(1) }), "PROCESSING").await;
    assert_eq!((&order["items"][0]["shipped"], &order["items"][0]["delivered"]), (&json!(2), &json!(1)));
    life.post("ship", bodies::parcel("ship-2"), "SHIPPED").await;
    let delay = json!({ "reason": "snow", "estimatedDelivery": "2030-02-03T04:05:06.789+01:00" });
    assert_eq!(life.post("report-delay", delay, "SHIPPED").await["deliveryDelayed"], true);
    life.post("deliver", json!({}), "DELIVERED").await;

    let back = json!({ "returnId": "return-1", "lines": some(1), "reason": "too small" });
    let order = life.post("initiate-return", back, "RETURN_INITIATED").await;
    assert_eq!(order["return"], json!({ "returnId": "return-1", "lines": some(1) }));
    life.post("approve-return", json!({}), "RETURN_APPROVED").await;
    let refund = json!({ "refundId": "refund-1", "amount": 299.99, "lines": some(1), "reason": "sent back" });
    let order = life.post("request-refund", refund, "RETURN_APPROVED").await;
    assert_eq!((&order["refunds"][0]["state"], &order["refundable"]), (&json!("REQUESTED"), &json!(729.48)));
    life.post("initiate-refund", json!({ "refundId": "refund-1" }), "RETURN_APPROVED").await;
    let order = life.post("complete-refund", json!({ "refundId": "refund-1" }), "RETURN_APPROVED").await;
    assert_eq!(order["refunds"][0]["state"], "COMPLETED");

    let told: BTreeSet<String> = stage.events(&life.id).await.into_iter().collect();
    let elsewhere = [
        "order.cancelled",
        "order.cancelled_for_inventory",
        "product.details_requested",
        "product.batch_details_requested",
    ];
    let all = EventType::all().map(EventType::as_str).filter(|name| !elsewhere.contains(name));
    assert_eq!(told, all.map(str::to_owned).collect());
}

#[tokio::test]
async fn a_cancelled_order_is_given_back_what_was_paid() {
    let stage = Stage::new().await;
    let life = Life { stage: &stage, id: stage.placed().await };
    life.post("start-payment", json!({ "paymentId": "pay-1" }), "PENDING_PAYMENT").await;
    life.post("complete-payment", bodies::paid(), "CONFIRMED").await;
    let order = life.post("cancel", bodies::reason(), "CANCELLED").await;
    let refund = &order["refunds"][0];
    assert_eq!((&refund["amount"], &order["refundable"]), (&json!(bodies::TOTAL), &json!(0.0)));
    life.post("initiate-refund", json!({ "refundId": refund["refundId"] }), "REFUND_INITIATED").await;
    life.post("complete-refund", json!({ "refundId": refund["refundId"] }), "REFUNDED").await;
    let told = stage.events(&life.id).await;
    assert!(told.contains(&"order.cancelled".to_owned()), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("order.refund_completed"));
}

#[tokio::test]
async fn a_request_for_a_notification_is_accepted_and_written_down() {
    let stage = Stage::new().await;
    let id = stage.placed().await;
    let body = json!({ "type": "CUSTOM", "channels": ["EMAIL"], "priority": "NORMAL",
                       "templateData": { "text": "Your invoice is ready." }, "idempotencyKey": "invoice-7" });
    let accepted = stage.post(&format!("/orders/{id}/notifications"), &body).await.data(202);
    assert_eq!((&accepted["status"], &accepted["idempotencyKey"]), (&json!("REQUESTED"), &json!("invoice-7")));
    let sql = "SELECT payload ->> 'notificationId', payload ->> 'priority' FROM outbox.events
               WHERE event_type = 'notification.send_requested'";
    let row = stage.database.client().await.query_one(sql, &[]).await.expect("one row");
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, &str>(1)),
        (accepted["notificationId"].as_str().expect("an id"), "NORMAL")
    );
}

#[tokio::test]
async fn a_notification_is_asked_for_once_for_each_key() {
    let stage = Stage::new().await;
    let (id, other) = (stage.placed().await, stage.placed().await);
    let path = format!("/orders/{id}/notifications");
    let body = json!({ "type": "CUSTOM", "templateData": { "text": "It is ready." }, "idempotencyKey": "ready-7" });
    let (first, second) = tokio::join!(stage.post(&path, &body), stage.post(&path, &body));
    let (first, second) = if first.status == 202 { (first, second) } else { (second, first) };
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(second.data(200), first.data(202));
    assert_eq!(stage.events(&id).await.iter().filter(|name| *name == "notification.send_requested").count(), 1);

    let (before, reused) = (stage.counts().await, "409 IDEMPOTENCY_KEY_REUSED");
    let changed = json!({ "type": "CUSTOM", "templateData": { "text": "It is late." }, "idempotencyKey": "ready-7" });
    assert_eq!(stage.post(&path, &changed).await.problem(), reused);
    assert_eq!(stage.post(&format!("/orders/{other}/notifications"), &body).await.problem(), reused);
    let own = format!("ord_{id}_confirmation");
    let own = json!({ "type": "CUSTOM", "templateData": {}, "idempotencyKey": own });
    assert_eq!(stage.post(&path, &own).await.problem(), reused, "the service has asked by this key itself");
    assert_eq!(stage.counts().await, before, "nothing was written");
}

#[tokio::test]
async fn a_fact_that_is_told_many_times_at_once_counts_once() {
    let stage = Stage::new().await;
    let id = stage.placed().await;
    let started = stage.post(&format!("/orders/{id}/start-payment"), &json!({ "paymentId": "pay-1" })).await;
    started.data(200);
    let path = format!("/orders/{id}/complete-payment");
    let body = bodies::paid();
    let answers = tokio::join!(
        stage.post(&path, &body),
        stage.post(&path, &body),
        stage.post(&path, &body),
        stage.post(&path, &body),
        stage.post(&path, &body),
        stage.post(&path, &body),
    );
    let answers = [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5];
    answers.iter().for_each(|answer| assert_eq!(answer.data(200)["status"], "CONFIRMED"));
    let ended = |how: &str| answers.iter().filter(|answer| answer.header("fact-outcome") == Some(how)).count();
    assert_eq!((ended("applied"), ended("known")), (1, 5), "{answers:?}");
    let told = stage.events(&id).await;
    assert_eq!(told.iter().filter(|name| *name == "order.payment_completed").count(), 1);
}

#[tokio::test]
async fn of_commands_at_once_that_exclude_each_other_one_is_done() {
    let stage = Stage::new().await;
    let path = format!("/orders/{}/cancel", stage.placed().await);
    let body = bodies::reason();
    let answers = tokio::join!(stage.post(&path, &body), stage.post(&path, &body), stage.post(&path, &body));
    let answers = [answers.0, answers.1, answers.2];
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((done, refused), (1, 2), "{answers:?}");
}

#[tokio::test]
async fn facts_are_never_refused_and_what_does_not_count_is_flagged_or_passed_over() {
    let stage = Stage::new().await;
    let id = stage.placed().await;
    let path = |what: &str| format!("/orders/{id}/{what}");
    for (payment, fact) in [("pay-a", "fail-payment"), ("pay-b", "")] {
        stage.post(&path("start-payment"), &json!({ "paymentId": payment })).await.data(200);
        if !fact.is_empty() {
            stage.post(&path(fact), &json!({ "paymentId": payment, "reason": "declined" })).await.data(200);
            stage.post(&path("retry-payment"), &json!({})).await.data(200);
        }
    }
    let hear = async |what: &str, body: Value| {
        let answer = stage.post(&path(what), &body).await;
        let outcome = answer.header("fact-outcome").unwrap_or_default().to_owned();
        (outcome, answer.data(200)["status"].clone())
    };
    let late = json!({ "paymentId": "pay-a", "reason": "declined" });
    assert_eq!(
        hear("fail-payment", late).await,
        ("known".to_owned(), json!("PENDING_PAYMENT")),
        "of the payment before"
    );
    let unknown = json!({ "paymentId": "pay-x", "amount": bodies::TOTAL });
    assert_eq!(hear("complete-payment", unknown).await, ("review".to_owned(), json!("PENDING_PAYMENT")));
    stage.post(&path("cancel"), &bodies::reason()).await.data(200);
    let taken = json!({ "paymentId": "pay-b", "amount": bodies::TOTAL });
    assert_eq!(hear("complete-payment", taken.clone()).await.0, "review", "money for a cancelled order");
    assert_eq!(hear("complete-payment", taken).await.0, "known");
    assert_eq!(hear("deliver", json!({})).await.0, "stale");
    assert_eq!(hear("report-delay", bodies::reason()).await.0, "stale");
    let order = stage.get(&format!("/orders/{id}")).await.data(200);
    let reviews: Vec<&str> =
        order["reviews"].as_array().expect("reviews").iter().filter_map(|r| r["subject"].as_str()).collect();
    assert_eq!(reviews, ["pay-x", "pay-b"], "{order}");
    assert_eq!(order["refunds"].as_array().map(Vec::len), Some(1), "it is asked back: {order}");
}
