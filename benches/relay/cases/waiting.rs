//! What must not matter: how many keys wait, and for what. The latency of others beside 100,000 waiting keys of each reason against none.

use std::time::Duration;

use crate::cases::latency::{Wake, steady};
use crate::failure::{Doing, Failure};
use crate::figures::{Figure, quantile};
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};

const RATE: u32 = 200;

/// Each with what its waits say beside key, lane, event and seq; `until` is past the end of the case and within what a relay asks for.
const REASONS: [(&str, &str); 5] = [
    ("retry", "1, clock_timestamp() + interval '5 minutes', NULL, NULL"),
    ("held", "0, 'infinity', (SELECT id FROM outbox.holds LIMIT 1), NULL"),
    ("no_route", "0, 'infinity', NULL, 'order.odd'"),
    ("unconfirmed", "0, clock_timestamp() + interval '5 minutes', NULL, NULL"),
    ("after_dead_letter", "0, 'infinity', NULL, NULL"),
];

/// p99 of a steady load; the catch-all route would take what waits for a route, so the relay has a routes file of one type.
pub async fn waiting(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let keys = settings.size(100_000, 100_000);
    let alone = p99(settings, None).await?;
    let mut figures = vec![Figure::new("waiting", "nothing waits, p99", "ms", vec![alone])];
    for (reason, columns) in REASONS {
        let beside = p99(settings, Some((reason, columns, keys))).await?;
        let name = format!("beside {keys} keys that wait ({reason}) against none, p99");
        figures.push(Figure::ratio("waiting", name, &[beside], &[alone]).at_most(2.0));
    }
    Ok(figures)
}

async fn p99(settings: &Settings, waits: Option<(&str, &str, u32)>) -> Result<f64, Failure> {
    let mut stage = Stage::open(settings, ORDERS).await?;
    if let Some((reason, columns, keys)) = waits {
        let sql = format!(
            r#"INSERT INTO outbox.holds (scope, route, kind, reason, next_probe_at)
               VALUES ('route', 'elsewhere', 'operator', 'the bench holds it', 'infinity');
               INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
               SELECT 'order', 'waiting-' || n, 'order.odd', '{{}}' FROM generate_series(1, {keys}) n;
               INSERT INTO outbox.waits (key, lane, event_id, seq, reason, attempts, until, hold_id, no_route_type)
               SELECT aggregate_id, lane, id, seq, '{reason}', {columns} FROM outbox.events"#
        );
        stage.database.run(&sql).await?;
        stage.database.run("VACUUM ANALYZE outbox.events, outbox.waits").await?;
    }
    let routes = routes_file(&stage.broker.exchange)?;
    stage.start(&["--wake", "listen", "--routes", &routes]).await?;
    let seconds = Duration::from_secs(u64::from(settings.size(8, 60)));
    let lags = steady(&mut stage, RATE, seconds, Wake::Listen, |n| n % 1_000).await?;
    let tail = quantile(&lags.milliseconds, 0.99);
    stage.abandon().await?;
    Ok(tail)
}

fn routes_file(exchange: &str) -> Result<String, Failure> {
    let path = std::env::temp_dir().join(format!("outbox-bench-{}.toml", std::process::id()));
    let text = format!(
        "[[route]]\nname = \"created\"\nevent_type = \"order.created\"\nexchange = \"{exchange}\"\nrouting_key = \"{{event_type}}\"\n"
    );
    std::fs::write(&path, text).doing("writing a routes file")?;
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::new("the temporary folder's path is not UTF-8"))
}
