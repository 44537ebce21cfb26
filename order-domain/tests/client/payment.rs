//! The Payment Service, as the README assumes it.

use order_domain::client::payment::{PaymentClient, PaymentRequest};
use serde_json::json;

use crate::server::{Reply, Server};
use crate::stage::{caller, request};

#[tokio::test]
async fn a_payment_has_its_amount_digit_by_digit() {
    let server = Server::always(Reply::ok(json!({"paymentId": "pay-1"}))).await;
    let client = PaymentClient::new(&server.url(), &caller()).expect("an address");
    let payment = PaymentRequest {
        payment_id: "pay-1".parse().expect("an id"),
        order_id: "order-1".parse().expect("an id"),
        amount: "50.00".parse().expect("an amount"),
        currency: "USD".parse().expect("a currency"),
    };
    let record = client.pay(&payment, &request()).await.expect("paid");
    assert_eq!((record.payment_id.as_str(), record.status), ("pay-1", None));
    let sent = &server.requests()[0];
    assert_eq!(sent.line(), "POST /api/v1/payments");
    assert_eq!(sent.body, r#"{"paymentId":"pay-1","orderId":"order-1","amount":50.00,"currency":"USD"}"#);
}
