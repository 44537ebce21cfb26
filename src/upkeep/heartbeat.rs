//! Tells the database what this process is and how its broker is, for `status`, `trace` and `check`: one row of `outbox.relays`.
//!
//! Started by `app` beside the upkeep. Writes every 10 s, and sooner when the broker's state changes, at most once a second. A process whose
//! loops are stuck says nothing, as if it were frozen. No relay decides anything by these rows. A relay that stops takes its row away.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deadline::deadline;
use crate::ops::quota::Quota;
use crate::ops::status::Sources;
use crate::outbox::broker::LinkState;
use crate::outbox::link_report::LinkReport;
use crate::outbox::store::StoreError;
use crate::postgres::call;
use crate::postgres::store::PgStore;

/// How often at rest.
const EVERY: Duration = Duration::from_secs(10);
/// How soon after the last one where something changed.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// How often rows of killed relays are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// How long the end may take: another relay forgets the row in an hour.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a relay says of itself.
pub struct Heartbeat {
    /// The database.
    pub store: PgStore,
    /// The broker's state, and what was published.
    pub sources: Sources,
    /// Limits log lines, shared with the workers.
    pub quota: Quota,
    /// This process.
    pub id: Uuid,
    /// Where it runs.
    pub host: String,
    /// The names of its routes.
    pub routes: Vec<String>,
    /// When it started.
    pub started: Instant,
}

/// The state of the broker, as `outbox.relays` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BrokerNow {
    state: &'static str,
    since: Option<OffsetDateTime>,
    error: Option<&'static str>,
}

impl BrokerNow {
    fn of(link: LinkState, report: &LinkReport) -> Self {
        let (state, error) = match link {
            LinkState::Down => ("down", report.last_error),
            // The last error stays in the report after the connection is back.
            LinkState::Up(_) => ("up", None),
            LinkState::Blocked(_) => ("blocked", None),
        };
        Self { state, since: report.since, error }
    }
}

/// Writes heartbeats until `stop` is cancelled.
pub async fn run(heartbeat: Heartbeat, stop: CancellationToken) {
    let (mut link, mut report) = (heartbeat.sources.link.clone(), heartbeat.sources.report.clone());
    let mut forget_at = Instant::now();
    // The first one has something to tell: the broker is there or not after a moment.
    let connected = async { link.wait_for(|state| *state != LinkState::Down).await.map(|_| ()) };
    tokio::select! {
        () = stop.cancelled() => return,
        _ = connected => {}
        () = tokio::time::sleep(PAUSE_MIN) => {}
    }
    loop {
        let told = heartbeat.broker();
        let forgets = forget_at <= Instant::now();
        let beat = tokio::select! {
            () = stop.cancelled() => break,
            beat = heartbeat.beat(told, forgets) => beat,
        };
        match beat {
            Ok(()) if forgets => forget_at = Instant::now() + FORGET_EVERY,
            Ok(()) => {}
            Err(error) => heartbeat.failed(&error),
        }
        let next = Instant::now() + EVERY;
        let news = async {
            tokio::time::sleep(PAUSE_MIN).await;
            heartbeat.news(told, &mut link, &mut report).await;
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(next) => {}
            () = news => {}
        }
    }
    match deadline(LEAVE_TIMEOUT, "taking the heartbeat away", heartbeat.drop_relays(Some(heartbeat.id))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the heartbeat's row stays for an hour"),
        Err(error) => tracing::debug!(%error, "the heartbeat's row stays for an hour"),
    }
}

impl Heartbeat {
    fn broker(&self) -> BrokerNow {
        BrokerNow::of(*self.sources.link.borrow(), &self.sources.report.borrow())
    }

    /// Returns when the broker's state is no longer what was told.
    async fn news(
        &self,
        told: BrokerNow,
        link: &mut watch::Receiver<LinkState>,
        report: &mut watch::Receiver<LinkReport>,
    ) {
        while self.broker() == told {
            let (link, report) = (link.changed(), report.changed());
            // An error means that the supervisor has ended: nothing changes any more.
            let is_over = tokio::select! { changed = link => changed.is_err(), changed = report => changed.is_err() };
            if is_over {
                return std::future::pending().await;
            }
        }
    }

    async fn beat(&self, broker: BrokerNow, forgets: bool) -> Result<(), StoreError> {
        if self.sources.vitals.pulse.stuck(Instant::now()).is_some() {
            return Ok(());
        }
        if forgets {
            self.drop_relays(None).await?;
        }
        let published = self.sources.vitals.published_so_far();
        let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
        let up_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let events = i64::try_from(published.events).unwrap_or(i64::MAX);
        let (since_ms, confirmed_ms) = (broker.since.map(age_ms), published.last_at.map(age_ms));
        let params: [call::Param<'_>; 11] = [
            (&self.id, Type::UUID),
            (&self.host, Type::TEXT),
            (&pid, Type::INT4),
            (&env!("CARGO_PKG_VERSION"), Type::TEXT),
            (&up_ms, Type::INT8),
            (&broker.state, Type::TEXT),
            (&since_ms, Type::INT8),
            (&broker.error, Type::TEXT),
            (&confirmed_ms, Type::INT8),
            (&events, Type::INT8),
            (&self.routes, Type::TEXT_ARRAY),
        ];
        self.write("writing the heartbeat", &self.store.queries().put_relay, &params).await
    }

    async fn drop_relays(&self, id: Option<Uuid>) -> Result<(), StoreError> {
        self.write("forgetting relays", &self.store.queries().drop_relays, &[(&id, Type::UUID)]).await
    }

    async fn write(&self, action: &'static str, sql: &str, params: &[call::Param<'_>]) -> Result<(), StoreError> {
        let _turn = self.store.database().turn().await;
        let batch = self.store.begin_upkeep().await?;
        call::execute(batch.client(), action, sql, params).await?;
        batch.commit().await
    }

    /// The workers and the upkeep log what is wrong with the database; only what is refused while they work is news.
    fn failed(&self, error: &StoreError) {
        let words = error.to_string();
        if error.is_answer()
            && self.sources.vitals.database().error.is_none()
            && let Some(left_out) = self.quota.news(&words)
        {
            let left_out = (left_out > 0).then_some(left_out);
            tracing::warn!(
                error = words,
                left_out,
                "the heartbeat cannot be written; `status` does not see this relay"
            );
        }
    }
}

fn age_ms(at: OffsetDateTime) -> i64 {
    i64::try_from((OffsetDateTime::now_utc() - at).whole_milliseconds()).unwrap_or(i64::MAX).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_only_while_there_is_no_connection() {
        let mut report = LinkReport::default();
        report.failed("db:5672: connection refused");
        let down = BrokerNow::of(LinkState::Down, &report);
        assert_eq!((down.state, down.error), ("down", Some("refused")));
        report.connected("db:5672".into());
        assert_eq!(
            BrokerNow::of(LinkState::Up(2), &report),
            BrokerNow { state: "up", since: report.since, error: None }
        );
        assert_eq!(BrokerNow::of(LinkState::Blocked(2), &report).state, "blocked");
    }
}
