//! Incident 3: "Did order 42's shipped event go out?" Yes; then a consumer that lost it gets it again; then one that never existed.

use testkit::world::KEPT;

use crate::incidents::office::Office;

#[tokio::test(flavor = "multi_thread")]
async fn whether_an_event_went_out_is_answered_by_trace_and_a_lost_one_is_sent_again() {
    let mut office = Office::open("incident_sent", &[]).await;
    let types = ["order.created", "order.paid", "order.shipped", "order.completed"];
    let ids = office.commit("order-42", &types).await;
    office.world.writer.roll_back(&mut office.world.client, "order-44", 1).await.expect("rolled back");
    office.world.quiet().await;
    let shipped = ids[2].to_string();

    office.transcript.run(&["trace", "order-42"]).await.with_code(0);
    office.transcript.run(&["trace", &shipped]).await.with_code(0);
    let first = office.world.bed.drain(KEPT).await;
    assert!(first.iter().any(|message| message.id == shipped && message.replay.is_none()), "{first:?}");

    office.transcript.run(&["replay", "--id", &shipped, "--dry-run"]).await.with_code(0);
    assert_eq!(office.world.bed.pending().await, 0);
    let replay = ["replay", "--id", &shipped, "--yes", "--by", "ana", "--note", "lost by shipping, TICKET-18"];
    office.transcript.run(&replay).await.with_code(0);
    office.world.quiet().await;
    office.transcript.run(&["trace", &shipped]).await.with_code(0);
    let again = office.world.bed.drain(KEPT).await;
    assert!(matches!(&again[..], [one] if one.id == shipped && one.replay.is_some()), "{again:?}");

    office.transcript.run(&["trace", "order-44"]).await.with_code(1);
    office.close(1).await.must_be_told_in("3. ");
}
