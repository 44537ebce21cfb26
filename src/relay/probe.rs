//! Probes holds: now and then sends the oldest event that waits for a held destination there,
//! alone, on its own channel.
//!
//! A task next to the workers, started by `app`. All replicas share the holds, and one of them
//! probes at a time. A probe is a batch like any other, so order and verdicts hold. The first
//! accepted message lifts the hold, and makes everything due that waited for it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::crash;
use crate::message;
use crate::net::jitter::Jitter;
use crate::outbox::broker::{Broker, Channel, ChannelUser, LinkState};
use crate::outbox::event::{Event, HoldId};
use crate::outbox::flow::Flow;
use crate::outbox::hold::{HoldKind, HoldScope};
use crate::outbox::route::RouteTable;
use crate::outbox::store::{
    Batch, ConfirmedCopy, ProbeClaim, ProbeResult, Settled, Settlement, Store, StoreError, WaitsFor,
};
use crate::relay::batch::BatchEnd;
use crate::relay::halt::Halt;
use crate::relay::work::Work;
use crate::relay::{Desk, Relay, tally};

/// Pause between looks for a due probe: short after a probe, doubling to the maximum.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(2);

/// The longest pause between two probes.
pub const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Probes until the relay drains.
pub async fn probe<S: Store, B: Broker>(relay: Arc<Relay<S, B>>) {
    let (mut jitter, mut look_pause) = (Jitter::for_work(), LOOK_EVERY);
    let (mut silence, mut to_mark) = (None, Vec::<ConfirmedCopy>::new());
    let mut seen = None;
    let heart = relay.vitals.heart("the probe".to_owned());
    while !relay.draining.is_cancelled() {
        heart.works();
        let probing = AssertUnwindSafe(probe_once(&relay, &mut seen, &mut silence, &mut to_mark)).catch_unwind();
        let probed = probing.await.unwrap_or_else(|_| {
            relay.metrics.worker_panic();
            relay.evidence.forget_in_flight();
            tracing::error!("a probe panicked; its event stays pending");
            Ok(false)
        });
        let pause = match probed {
            Ok(true) => {
                look_pause = LOOK_EVERY;
                Duration::ZERO
            }
            Ok(false) => {
                jitter.reset();
                look_pause = (look_pause * 2).min(LOOK_EVERY_MAX);
                look_pause
            }
            Err(error) => {
                failed(&relay, &error);
                LOOK_EVERY + jitter.next_pause()
            }
        };
        heart.rests();
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = relay.new_hold.notified() => look_pause = LOOK_EVERY / 2,
            () = relay.draining.cancelled() => {}
        }
    }
}

/// Counts a probe that failed and says so, once and then now and then: what is on hold stays so while it goes on.
fn failed<S: Store, B: Broker>(relay: &Relay<S, B>, error: &StoreError) {
    relay.metrics.failure("probe");
    let words = error.to_string();
    if let Some(left_out) = relay.quota.news(&format!("probe: {words}")) {
        let left_out = tally::some(left_out);
        tracing::warn!(error = words, left_out, "destinations on hold could not be tried; trying again");
    }
}

/// Since when probes on a connection have had no answer.
type Silence = Option<(u64, Instant)>;

/// Sends one probe, if one is due.
async fn probe_once<S: Store, B: Broker>(
    relay: &Arc<Relay<S, B>>,
    seen: &mut Option<u64>,
    silence: &mut Silence,
    to_mark: &mut Vec<ConfirmedCopy>,
) -> Result<bool, StoreError> {
    // An accepted probe whose batch was lost is marked before the next.
    if !to_mark.is_empty() {
        relay.store.mark_late(to_mark).await?;
        relay.land_marked(to_mark);
        to_mark.clear();
    }
    let LinkState::Up(connection) = *relay.broker.link().borrow() else { return Ok(false) };
    // The confirms that the last connection owed will never come.
    if *seen != Some(connection) {
        relay.store.probe_unconfirmed().await?;
        *seen = Some(connection);
    }
    let looked = Instant::now();
    let Some(claim) = relay.store.claim_probe(&relay.limits).await? else { return Ok(false) };
    crash::point(crash::Point::InProbe);
    let Ok(channel) = relay.broker.open(ChannelUser::Probe).await else { return Ok(false) };
    let ProbeClaim { batch, event, hold, scope, probes, kind, holds } = claim;
    let mut halt = Halt::new(relay.broker.link(), channel.generation(), relay.draining.clone());
    let mut desk = Desk::new(channel);
    let event_id = event.id;
    let (started, generation) = (Instant::now(), desk.channel.generation());
    let shared = Arc::clone(relay);
    let is_alive = move || shared.evidence.has_answered_since(generation, started);
    let routes = routes_to_try(&relay.routes, &event, relay.limits.payload_bytes, &scope);
    let is_lifted = Arc::new(AtomicBool::new(false));
    let lifted = Arc::clone(&is_lifted);
    let batch = ProbeBatch { batch, hold, scope, routes, pause: pause_after(kind, probes), is_alive, lifted };
    let work = Work::new(vec![event], holds, looked);
    let end = relay.run_batch(&mut desk, batch, work, &mut halt).await;
    // The channel ends with the probe, and what it owes is never heard of again, whether the batch was committed or lost.
    let unanswered = desk.late.abandon();
    relay.evidence.land(&unanswered);
    match end {
        BatchEnd::Settled(_) => {
            listen_for_life(relay, generation, silence, (!unanswered.is_empty()).then_some(started));
            tracing::debug!(%event_id, hold, probes, took = ?started.elapsed(), "probed");
            if is_lifted.load(Ordering::Relaxed) {
                relay.store.lift_waits(hold).await?;
            }
            Ok(true)
        }
        BatchEnd::Lost { confirmed, error } => {
            to_mark.extend(confirmed);
            Err(error)
        }
    }
}

/// The routes that a probe of `scope` tries with this event: those that the scope covers and that have not confirmed before.
fn routes_to_try(table: &RouteTable, event: &Event, payload_bytes_max: usize, scope: &HoldScope) -> Vec<Arc<str>> {
    let Ok((_, ways)) = message::draft(table, event, payload_bytes_max) else { return Vec::new() };
    let tried = ways
        .into_iter()
        .filter(|(route, destination)| scope.covers(&route.name, &route.flow(event, destination), destination))
        .filter(|(route, _)| !event.has_confirmed(&route.name));
    tried.map(|(route, _)| Arc::clone(&route.name)).collect()
}

/// Whether one of the routes that the probe tries was confirmed; another of the event's routes may have something else in its way.
fn is_accepted(tried: &[Arc<str>], settlement: &Settlement) -> bool {
    let waits = settlement.waits.iter().map(|wait| &wait.routes_confirmed);
    let mut confirmed = waits.chain(settlement.dead_letters.iter().map(|letter| &letter.routes_confirmed)).flatten();
    !tried.is_empty()
        && (!settlement.published.is_empty() || confirmed.any(|name| tried.iter().any(|route| **route == **name)))
}

/// The pause to the next probe: short at first and growing. Where messages are taken and not confirmed, each probe
/// may end up in the queue, so it gets few. A late confirm of a worker's earlier message lifts the hold sooner.
fn pause_after(kind: HoldKind, probes: u32) -> Duration {
    let (min, max) = match kind {
        HoldKind::Refused | HoldKind::Unroutable | HoldKind::Missing | HoldKind::Forbidden | HoldKind::Closed => {
            (Duration::from_millis(250), Duration::from_secs(10))
        }
        HoldKind::Unconfirmed => (Duration::from_secs(20), PAUSE_MAX),
    };
    min.saturating_mul(2u32.saturating_pow(probes.min(10))).min(max)
}

/// Where everything is on hold only probes can find out that the connection itself is silent; `unanswered` is when one was sent in vain.
fn listen_for_life<S: Store, B: Broker>(
    relay: &Relay<S, B>,
    generation: u64,
    silence: &mut Silence,
    unanswered: Option<Instant>,
) {
    let Some(sent_at) = unanswered else { return *silence = None };
    let since = silence.filter(|(of, _)| *of == generation).map_or(sent_at, |(_, since)| since);
    *silence = (!relay.evidence.has_answered_since(generation, since)).then_some((generation, since));
    if silence.is_some() && since.elapsed() >= relay.policy.confirm_timeout {
        relay.broker.end_generation(generation, "no probe was answered within the timeout, nor anything else");
    }
}

/// After a probe on a connection that answered nothing at all: it says nothing about the destination.
const PAUSE_WHEN_SILENT: Duration = Duration::from_secs(5);

/// After a probe whose event has nothing to try there any more: it waits for something else now, and another event's turn comes, or the
/// hold is dropped because none waits for it.
const PAUSE_UNTRIED: Duration = Duration::from_millis(250);

/// After a probe that found something narrower in its event's way, which waits for that now: the exchange takes messages, or the next
/// event tells, and what may leave must not wait behind hundreds that may not.
const PAUSE_LEFT: Duration = Duration::from_millis(50);

/// Whether the event waits for another hold than the probed one from now on. Each such probe leaves one event less for it, so they end.
fn has_left(scope: &HoldScope, settlement: &Settlement) -> bool {
    settlement.waits.iter().any(|wait| matches!(&wait.hold, Some(WaitsFor::New(other)) if other != scope))
}

/// Adds the probe's result to what its batch settles.
struct ProbeBatch<T, F> {
    batch: T,
    hold: HoldId,
    /// What the hold covers.
    scope: HoldScope,
    /// The event's routes that it tries.
    routes: Vec<Arc<str>>,
    pause: Duration,
    /// Whether the connection answered anything since the probe was sent.
    is_alive: F,
    /// Set where the batch lifts the hold.
    lifted: Arc<AtomicBool>,
}

impl<T: Batch, F: Fn() -> bool + Send + Sync + 'static> Batch for ProbeBatch<T, F> {
    async fn confirmed_flows(&self, flows: &[Flow]) -> Result<Vec<Flow>, StoreError> {
        self.batch.confirmed_flows(flows).await
    }

    async fn settle(self, settlement: &Settlement) -> Result<Settled, StoreError> {
        let mut settlement = settlement.clone();
        let is_accepted = is_accepted(&self.routes, &settlement);
        self.lifted.store(is_accepted, Ordering::Relaxed);
        settlement.probe = Some(if is_accepted {
            ProbeResult::Accepted(self.hold)
        } else if self.routes.is_empty() {
            ProbeResult::Refused(self.hold, PAUSE_UNTRIED)
        } else if has_left(&self.scope, &settlement) {
            ProbeResult::Refused(self.hold, PAUSE_LEFT)
        } else if (self.is_alive)() {
            ProbeResult::Refused(self.hold, self.pause)
        } else {
            ProbeResult::Refused(self.hold, self.pause.min(PAUSE_WHEN_SILENT))
        });
        self.batch.settle(&settlement).await
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::outbox::event::{WaitReason, Waited};
    use crate::outbox::fixtures;
    use crate::outbox::route::Route;
    use crate::outbox::store::{NewWait, Until};
    use crate::outbox::template::Template;

    /// Routes of one type to one exchange.
    fn routes(names: &[&str]) -> RouteTable {
        let single = RouteTable::single("order.events", "order-service");
        let any = Route::clone(single.all().next().expect("it has one"));
        let route = |name: &&str| Route {
            name: (*name).into(),
            event_type: Some("order.created".into()),
            routing_key: Template::parse(name).expect("valid"),
            ..any.clone()
        };
        RouteTable::new(names.iter().map(route).collect(), "0123")
    }

    fn confirmed(names: &[&str]) -> Event {
        let routes_confirmed = names.iter().map(ToString::to_string).collect();
        let waited = Waited { reason: WaitReason::Held, attempts: 0, routes_confirmed };
        Event { waited: Some(waited), ..fixtures::event("order-1", 1) }
    }

    fn tried(event: &Event) -> Vec<Arc<str>> {
        routes_to_try(&routes(&["one", "two"]), event, 1_000, &HoldScope::Exchange("order.events".into()))
    }

    fn waits_with(names: &[&str]) -> Settlement {
        let event = confirmed(names);
        let wait = NewWait {
            key: event.key().to_owned(),
            lane: event.lane,
            event_id: event.id,
            seq: event.seq,
            reason: WaitReason::Held,
            attempts: 0,
            until: Until::Lifted,
            hold: None,
            error: None,
            routes_confirmed: names.iter().map(ToString::to_string).collect(),
            no_route_type: None,
        };
        Settlement { waits: vec![wait], ..Settlement::default() }
    }

    #[test]
    fn a_probe_tries_the_routes_that_have_not_confirmed_and_that_the_event_is_for() {
        assert_eq!(tried(&fixtures::event("order-1", 1)), ["one".into(), "two".into()]);
        assert_eq!(tried(&confirmed(&["one"])), ["two".into()]);
        assert!(tried(&confirmed(&["one", "two"])).is_empty());
        let replayed = Event { only_routes: Some(vec!["two".into()]), ..fixtures::event("order-1", 1) };
        assert_eq!(tried(&replayed), ["two".into()]);
    }

    #[test]
    fn what_an_earlier_batch_confirmed_does_not_lift_a_hold() {
        assert!(!is_accepted(&tried(&confirmed(&["one"])), &waits_with(&["one"])));
        assert!(is_accepted(&tried(&confirmed(&["one"])), &waits_with(&["one", "two"])));
        assert!(is_accepted(&tried(&confirmed(&[])), &waits_with(&["one"])));
    }

    #[test]
    fn an_event_with_nothing_to_try_says_nothing_of_the_hold() {
        let published = Settlement { published: vec![Uuid::new_v4()], ..Settlement::default() };
        assert!(!is_accepted(&tried(&confirmed(&["one", "two"])), &published));
        assert!(is_accepted(&tried(&confirmed(&["one"])), &published));
    }
}
