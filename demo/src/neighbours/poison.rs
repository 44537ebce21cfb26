//! Two messages that nobody can handle: one is no JSON, the other is about an order that is not there. The second one's order comes back,
//! as after a restore, and a person replays it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::database;
use crate::failure::{Doing, Failure};
use crate::neighbours::TICK;
use crate::neighbours::wire::{self, Message, Told};
use crate::stage::Stage;
use crate::story::http::Client;

const HIDE: &str = "WITH gone AS (DELETE FROM order_service.orders WHERE id = $1 RETURNING *) SELECT row_to_json(gone)::text FROM gone";
const RESTORE: &str =
    "INSERT INTO order_service.orders SELECT * FROM json_populate_record(NULL::order_service.orders, $1::text::json)";

/// What became of them.
pub struct Poison {
    pub dead: usize,
    pub replayed: usize,
}

impl Poison {
    pub fn is_kept(&self) -> bool {
        self.dead == 2 && self.replayed == 1
    }
}

pub async fn run(
    stage: &Stage,
    replica: SocketAddr,
    order: &str,
    told: &Told,
    patience: Duration,
) -> Result<Poison, Failure> {
    let database = database::connect(&stage.database().config).await?;
    let hidden: String = database.query_one(HIDE, &[&order]).await.doing("hiding an order")?.get(0);
    let (connection, channel) = wire::channel(stage.broker()).await?;
    let late = Uuid::new_v4().to_string();
    let about = json!({
        "id": late, "type": "notification.sent", "source": "notification-service", "dataVersion": "1.0",
        "timestamp": "2030-01-01T10:00:00.000Z", "correlationId": order,
        "data": { "notificationId": Uuid::new_v4(), "orderId": order, "type": "CUSTOM", "channels": ["EMAIL"],
                  "sentAt": "2030-01-01T10:00:00.000Z", "deliveryStatus": "DELIVERED", "messageId": "msg_late" },
    });
    let broken = Uuid::new_v4().to_string();
    for (id, amqp_id, body) in
        [(&late, None, about.to_string().into_bytes()), (&broken, Some(broken.clone()), b"{ this is no JSON".to_vec())]
    {
        let (exchange, key) = ("notification.events", "notification.sent");
        told.publish_once(&channel, &Message { exchange, key, id: id.clone(), amqp_id, body }).await?;
    }
    let mut client = Client::connect(replica).await?;
    let letters = dead_letters(&mut client, 2, patience).await?;
    database.execute(RESTORE, &[&hidden]).await.doing("restoring an order")?;
    let mut poison = Poison { dead: letters.len(), replayed: 0 };
    for letter in letters.iter().filter(|letter| letter["failureReason"] == "ORDER_UNKNOWN") {
        let path = format!("/admin/dead-letters/{}/replay", letter["id"]);
        let (_, replayed) =
            client.send("POST", &path, None, &json!({ "by": "demo", "note": "the order is back" })).await?;
        poison.replayed += usize::from(replayed["resolution"] == "REPLAYED");
    }
    drop(connection);
    Ok(poison)
}

/// Looks until there are so many, or the time is over.
async fn dead_letters(client: &mut Client, wanted: usize, patience: Duration) -> Result<Vec<Value>, Failure> {
    let end = Instant::now() + patience;
    loop {
        let (_, page) = client.send("GET", "/admin/dead-letters?limit=100", None, &json!({})).await?;
        let letters = page["deadLetters"].as_array().cloned().unwrap_or_default();
        if letters.len() >= wanted || Instant::now() > end {
            return Ok(letters);
        }
        tokio::time::sleep(TICK).await;
    }
}
