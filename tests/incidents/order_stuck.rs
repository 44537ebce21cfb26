//! Incident 2: one order is stuck behind an event that can never become a message, under --on-dead-letter hold. Others are not delayed.

use testkit::patience::SOON;
use testkit::{NewEvent, eventually};

use crate::incidents::office::Office;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_stuck_behind_a_poison_event_goes_on_after_a_discard_and_others_never_wait() {
    let mut office = Office::open("incident_stuck", &["--on-dead-letter", "hold"]).await;
    let poison = NewEvent::new("order.paid", "null").dead_letter("INVALID_EVENT");
    let plain = |event_type| NewEvent::new(event_type, "{\"total\": 23.40}");
    let events = vec![plain("order.created"), poison, plain("order.shipped"), plain("order.completed")];
    let ids = office.world.commit("order-42", events).await;
    eventually(SOON, "the order waits", async || {
        office.transcript.ask_json(&["status"]).await["waits"][0]["reason"] == "after_dead_letter"
    })
    .await;
    let others = office.commit("order-43", &["order.created", "order.paid"]).await;
    office.arrive(&others).await;
    eventually(SOON, "the others are marked", async || office.world.bed.pending().await == 2).await;
    assert!(!office.world.has_arrived(ids[2]));

    office.transcript.run(&["keys", "list"]).await.with_code(0);
    office.transcript.run(&["trace", "order-42"]).await.with_code(0);
    office.transcript.run(&["dlq", "list"]).await.with_code(0);
    office.transcript.run(&["dlq", "show", "1", "--payload"]).await.with_code(0);
    let discard = ["dlq", "discard", "--id", "1", "--release-key", "--by", "ana", "--note", "no payload, TICKET-17"];
    office.transcript.run(&discard).await.with_code(0);
    office.arrive(&ids[2..]).await;
    eventually(SOON, "all are marked", async || office.world.bed.pending().await == 0).await;
    office.transcript.run(&["keys", "list"]).await.with_code(0);
    office.transcript.run(&["trace", "order-42"]).await.with_code(0);
    office.close(0).await.must_be_told_in("2. ");
}
