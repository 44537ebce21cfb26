//! What a worker waits for between two looks: a reason to look again, the link, or the end of a
//! pause. Meanwhile it takes late confirms.

use crate::outbox::broker::{Broker, Channel, LinkState};
use crate::outbox::hints::Cause;
use crate::outbox::store::{Store, StoreError};
use crate::relay::tally;
use crate::relay::worker::{Turn, Worker};
use std::sync::Arc;
use std::time::Duration;

impl<S: Store, B: Broker> Worker<S, B> {
    /// Waits for a reason to look again; meanwhile takes late answers as they come.
    pub(super) async fn rest(&mut self) {
        let relay = Arc::clone(&self.relay);
        let mut link = relay.broker.link();
        link.mark_unchanged();
        let timeout = relay.policy.confirm_timeout;
        let overdue_at = self.desk.as_ref().and_then(|desk| desk.late.next_overdue(timeout));
        let owes = self.desk.as_ref().is_some_and(|desk| !desk.late.is_empty());
        let answers = async {
            match &mut self.desk {
                Some(desk) if owes => desk.channel.progress().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        let overdue = async {
            match overdue_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let called = async {
            match &mut self.turn {
                Turn::Wake(wake) => {
                    let cause = wake.next(self.last_look).await;
                    relay.metrics.wakeup(cause.as_str());
                    cause != Cause::Poll
                }
                Turn::Called(call) => {
                    call.notified().await;
                    true
                }
            }
        };
        self.heart.rests();
        let (answers, hinted) = tokio::select! {
            biased;
            answers = answers => (answers, false),
            () = overdue => (Vec::new(), false),
            hinted = called => (Vec::new(), hinted),
            _ = link.changed() => (Vec::new(), false),
            () = relay.draining.cancelled() => (Vec::new(), false),
        };
        self.hinted = hinted;
        self.heart.works();
        if let Some(desk) = &mut self.desk {
            relay.take_late(desk, answers).await;
        }
    }

    /// Waits until the link changes; a link that is up without a usable channel is tried again after a pause.
    pub(super) async fn wait_for_link(&mut self) {
        let mut link = self.relay.broker.link();
        link.mark_unchanged();
        let is_up = matches!(*link.borrow(), LinkState::Up(_));
        let pause = if is_up { self.jitter.next_pause() } else { Duration::from_secs(1) };
        let draining = self.relay.draining.clone();
        let late = async {
            match &mut self.desk {
                Some(desk) if !desk.late.is_empty() => desk.channel.progress().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        self.heart.rests();
        let answers = tokio::select! {
            biased;
            _ = link.changed() => Vec::new(),
            answers = late => answers,
            () = tokio::time::sleep(pause) => Vec::new(),
            () = draining.cancelled() => Vec::new(),
        };
        self.heart.works();
        let relay = Arc::clone(&self.relay);
        if let Some(desk) = &mut self.desk {
            relay.take_late(desk, answers).await;
        }
    }

    /// Says what is wrong with the database once and then now and then, and sleeps.
    pub(super) async fn failed(&mut self, error: &StoreError) {
        let relay = Arc::clone(&self.relay);
        relay.metrics.failure(match error {
            StoreError::Unreachable(_) | StoreError::ReadOnly(_) | StoreError::Failed { .. } => "database",
            StoreError::Schema(_) => "schema",
            StoreError::MarksRefused { .. } => "marks_refused",
        });
        relay.vitals.saw_database(error.is_answer(), Some(error.kind()));
        let words = error.to_string();
        if let Some(left_out) = relay.quota.news(&words) {
            let (unmarked, left_out) = (self.to_mark.len(), tally::some(left_out));
            tracing::warn!(error = words, unmarked, left_out, "cannot use the database; trying again");
            self.said = true;
        }
        let pause = self.jitter.next_pause();
        self.heart.rests();
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = relay.draining.cancelled() => {}
        }
    }

    pub(super) fn recovered(&mut self) {
        if std::mem::take(&mut self.said) {
            self.relay.quota.forget();
            tracing::info!("the database works again");
        }
        self.jitter.reset();
    }
}
