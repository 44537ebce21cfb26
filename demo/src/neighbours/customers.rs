//! The customers of the loop: they order and pay, each at another replica than the one before, and then look at their orders.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::failure::Failure;
use crate::neighbours::TICK;
use crate::stage::Stage;
use crate::story::http::Client;
use crate::story::lives::order;

/// What the orders show at the end.
pub struct Shown {
    pub orders: usize,
    /// With every item CONFIRMED and the confirmation SENT.
    pub complete: usize,
    /// Whether a text message failed and e-mail took over.
    pub email_took_over: bool,
}

impl Shown {
    pub fn is_kept(&self) -> bool {
        self.orders > 0 && self.complete == self.orders && self.email_took_over
    }
}

/// Orders and pays; answers with the orders' ids.
pub async fn run(replicas: &[SocketAddr], orders: u32) -> Result<Vec<String>, Failure> {
    let mut clients = Vec::new();
    for address in replicas {
        clients.push(Client::connect(*address).await?);
    }
    let (mut ids, count) = (Vec::new(), clients.len());
    for number in 0..orders {
        let at = number as usize % count;
        let key = Uuid::new_v4().to_string();
        let (_, placed) = clients[at].send("POST", "/orders", Some(&key), &order(number)).await?;
        let id = placed["id"].as_str().ok_or_else(|| Failure::new("an order without an id"))?.to_owned();
        let payment = json!({ "paymentId": format!("pay-loop-{number}"), "amount": placed["totalAmount"] });
        let client = &mut clients[(at + 1) % count];
        client.send("POST", &format!("/orders/{id}/start-payment"), None, &payment).await?;
        client.send("POST", &format!("/orders/{id}/complete-payment"), None, &payment).await?;
        ids.push(id);
    }
    Ok(ids)
}

/// Asks for a text message and nothing else; answers with the notification's id.
pub async fn text(replica: SocketAddr, order: &str) -> Result<String, Failure> {
    let note = json!({ "type": "CUSTOM", "channels": ["SMS"], "templateData": { "text": "Your parcel is packed." } });
    let mut client = Client::connect(replica).await?;
    let (_, asked) = client.send("POST", &format!("/orders/{order}/notifications"), None, &note).await?;
    Ok(asked["notificationId"].as_str().unwrap_or_default().to_owned())
}

/// Looks until every order shows what it has to, or the time is over.
pub async fn until_shown(
    stage: &mut Stage,
    replicas: &[SocketAddr],
    orders: &[String],
    texted: &str,
    patience: Duration,
) -> Result<Shown, Failure> {
    let (mut client, end) = (Client::connect(replicas[replicas.len() - 1]).await?, Instant::now() + patience);
    loop {
        stage.check()?;
        let mut shown = Shown { orders: orders.len(), complete: 0, email_took_over: false };
        for id in orders {
            let (_, order) = client.send("GET", &format!("/orders/{id}"), None, &json!({})).await?;
            shown.complete += usize::from(is_complete(&order));
            shown.email_took_over |= took_over(&order, texted);
        }
        if shown.is_kept() || Instant::now() > end {
            return Ok(shown);
        }
        tokio::time::sleep(TICK).await;
    }
}

fn is_complete(order: &Value) -> bool {
    let items = order["items"].as_array().cloned().unwrap_or_default();
    !items.is_empty()
        && items.iter().all(|item| item["allocation"]["status"] == "CONFIRMED")
        && order["notificationStatus"]["ORDER_CONFIRMATION"] == "SENT"
}

/// The text message has failed, and a notification that is its other channel was sent.
fn took_over(order: &Value, texted: &str) -> bool {
    let all = order["notifications"].as_array().cloned().unwrap_or_default();
    all.iter().any(|one| one["notificationId"] == texted && one["status"] == "FAILED")
        && all
            .iter()
            .any(|one| one["isFallback"] == true && one["status"] == "SENT" && one["channels"][0]["channel"] == "EMAIL")
}
