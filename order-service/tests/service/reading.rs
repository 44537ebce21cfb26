//! Lists and statistics.

use serde_json::{Value, json};

use crate::bodies;
use crate::stage::Stage;

fn numbers(page: &Value) -> Vec<&str> {
    let orders = page["orders"].as_array().expect("a list");
    orders.iter().map(|order| order["orderNumber"].as_str().expect("a number")).collect()
}

#[tokio::test]
async fn a_users_orders_come_newest_first_in_pages() {
    let stage = Stage::new().await;
    for n in 0..5 {
        let user = if n == 2 { "someone-else" } else { "user & co" };
        let body = bodies::order(|body| body["userId"] = user.into());
        stage.place(&format!("key-{n}"), &body).await.data(201);
    }
    let first = stage.get("/orders?userId=user%20%26%20co&limit=3").await.data(200);
    assert_eq!(numbers(&first), ["ORD-00000005", "ORD-00000004", "ORD-00000002"]);
    let cursor = first["next"].as_str().expect("there is more");
    let second = stage.get(&format!("/orders?userId=user+%26+co&limit=3&cursor={cursor}")).await.data(200);
    assert_eq!((numbers(&second), &second["next"]), (vec!["ORD-00000001"], &Value::Null));
    assert_eq!(numbers(&stage.get("/orders?limit=2").await.data(200)).len(), 2, "of everybody");
    assert_eq!(stage.get("/orders?userId=nobody").await.data(200), json!({ "orders": [], "next": null }));
    let order = &first["orders"][0];
    assert_eq!((&order["totalAmount"], &order["itemCount"]), (&json!(bodies::TOTAL), &json!(2)));
    assert!(order["createdAt"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{order}");
}

#[tokio::test]
async fn statistics_count_orders_by_status_and_by_currency() {
    let stage = Stage::new().await;
    let (paid, _) = (stage.placed().await, stage.placed().await);
    stage.post(&format!("/orders/{paid}/start-payment"), &json!({ "paymentId": "pay-1" })).await.data(200);
    stage.post(&format!("/orders/{paid}/complete-payment"), &bodies::paid()).await.data(200);
    let yen = bodies::order(|body| {
        (body["currency"], body["tax"]) = (json!("JPY"), json!(0));
        body["items"] = json!([{ "productId": "p", "productName": "Tea", "quantity": 2, "unitPrice": 500 }]);
    });
    stage.place("yen", &yen).await.data(201);
    let answer = stage.get("/orders/statistics").await;
    let expected = json!({
        "orders": 3,
        "byStatus": [{ "status": "CONFIRMED", "orders": 1 }, { "status": "PENDING_PAYMENT", "orders": 2 }],
        "byCurrency": [{ "currency": "JPY", "orders": 1, "totalAmount": 1000 },
                       { "currency": "USD", "orders": 2, "totalAmount": 2058.94 }],
    });
    assert_eq!(answer.data(200), expected);
}

#[tokio::test]
async fn the_service_says_that_it_is_up() {
    let stage = Stage::new().await;
    let product_cache = json!({ "hits": 0, "misses": 0, "failures": 0 });
    let nobody = json!([]);
    let expected = json!({
        "status": "UP", "consumers": nobody, "heard": nobody, "neighbours": nobody, "productCache": product_cache
    });
    assert_eq!(stage.get("/health").await.data(200), expected);
}
