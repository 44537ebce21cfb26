//! The opt-in trigger that wakes relays: created, dropped and left alone, as often as one likes.

use std::time::Duration;

use futures_util::future::poll_fn;
use testkit::TestBed;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::migrate::command::{migrate, migrated};

/// How often one statement that inserts two events notifies, and one that marks them.
async fn notifications(bed: &TestBed) -> usize {
    let (client, mut connection) =
        tokio_postgres::connect(&bed.database_url(), NoTls).await.expect("the database is there");
    let (heard, mut hearing) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(note) = message {
                heard.send(note.channel().to_owned()).ok();
            }
        }
    });
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
                  VALUES ('Order', 'order-1', 'order.created', '{}'), ('Order', 'order-1', 'order.paid', '{}')";
    let mark = "UPDATE outbox.events SET published_at = now() WHERE published_at IS NULL";
    for sql in ["LISTEN outbox_events; LISTEN the_end", insert, mark, "NOTIFY the_end"] {
        client.batch_execute(sql).await.expect("the statement runs");
    }
    let mut count = 0;
    loop {
        let channel = timeout(Duration::from_secs(20), hearing.recv()).await.expect("a notification in time");
        match channel.expect("the connection lives").as_str() {
            "the_end" => return count,
            _ => count += 1,
        }
    }
}

#[tokio::test]
async fn without_being_asked_for_there_is_no_trigger() {
    let bed = TestBed::new("no trigger").await;
    migrated(&bed, &[]).await;
    assert_eq!(notifications(&bed).await, 0);
}

#[tokio::test]
async fn it_comes_and_goes_as_often_as_asked_and_stays_where_nothing_is_said() {
    let bed = TestBed::new("trigger").await;
    migrated(&bed, &["--with-notify"]).await;
    assert_eq!(notifications(&bed).await, 1, "the INSERT, and not the mark");
    for (flags, expected) in [
        (&["--with-notify"][..], 1),
        (&[][..], 1),
        (&["--without-notify"][..], 0),
        (&["--without-notify"][..], 0),
        (&[][..], 0),
        (&["--with-notify"][..], 1),
    ] {
        migrated(&bed, flags).await;
        assert_eq!(notifications(&bed).await, expected, "after {flags:?}");
    }
}

#[tokio::test]
async fn with_and_without_together_is_a_usage_error() {
    let bed = TestBed::new("both ways").await;
    assert_eq!(migrate(&bed, &["--with-notify", "--without-notify"]).await.code, Some(64));
}
