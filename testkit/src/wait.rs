//! Waiting without guessing how long: poll a condition until a deadline. Used instead of every synchronising sleep.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// What a poll may answer: `bool` for "is it so", `Option<T>` for "give it to me".
pub trait Answer {
    type Value;
    fn value(self) -> Option<Self::Value>;
}

impl Answer for bool {
    type Value = ();
    fn value(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Value = T;
    fn value(self) -> Option<T> {
        self
    }
}

/// Polls until the answer is there, and panics naming `what` when the deadline passes. A poll that hangs counts against
/// the deadline too.
pub async fn eventually<A, P>(deadline: Duration, what: &str, mut poll: P) -> A::Value
where
    A: Answer,
    P: AsyncFnMut() -> A,
{
    let started = Instant::now();
    let end = started + deadline;
    let mut pause = Duration::from_millis(2);
    loop {
        match timeout_at(end, poll()).await {
            Ok(answer) => {
                if let Some(value) = answer.value() {
                    return value;
                }
            }
            Err(_) => panic!("not within {deadline:?} (the last look hung): {what}"),
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
