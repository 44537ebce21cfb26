//! The very first events of a fresh outbox, written after the relay has been idle for a while: the floors, which follow the sequence of
//! `seq`, must not have passed a seq that nobody has used yet.

use std::time::Duration;

use testkit::{Relay, Shop, eventually};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_first_events_ever_leave_in_order() {
    let mut shop = Shop::open("first events").await;
    let mut relay = Relay::start(&shop.bed, &[]).await;
    let client = shop.bed.client().await;
    let first = "SELECT min(floor) FROM outbox.lanes";
    let floors_moved = async || client.query_one(first, &[]).await.expect("the floors are read").get::<_, i64>(0) > 0;
    eventually(SOON, "the floors have caught up with an empty table", floors_moved).await;
    shop.order(3, 5).await;
    shop.delivered(SOON).await;
    shop.verdict().await.assert_clean(0);
    assert!(relay.metric("outbox_late_rows_total").await < 0.5, "nothing was found below a floor");
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

/// After `TRUNCATE .. RESTART IDENTITY` the floors are above every new seq; the sweep finds what is below and brings them down.
#[tokio::test]
async fn the_first_events_after_a_restart_of_the_sequence_are_found() {
    let mut shop = Shop::open("restarted sequence").await;
    let mut relay = Relay::start(&shop.bed, &[]).await;
    shop.order(10, 5).await;
    shop.delivered(SOON).await;
    let client = shop.bed.client().await;
    let above = "SELECT bool_and(floor > 1) FROM outbox.lanes";
    let floors_moved = async || client.query_one(above, &[]).await.expect("the floors are read").get::<_, bool>(0);
    eventually(SOON, "the floors have caught up", floors_moved).await;
    client.batch_execute("TRUNCATE outbox.events RESTART IDENTITY").await.expect("the outbox is emptied");
    shop.order(3, 2).await;
    shop.delivered(SOON).await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}
