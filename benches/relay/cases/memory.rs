//! The most memory that the relay ever takes while it drains: many small rows, and large ones. They are consumed as they come, so that
//! the broker does not have to keep them.

use crate::database::Rows;
use crate::failure::Failure;
use crate::figures::Figure;
use crate::process;
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};
use crate::watcher::Watcher;

pub async fn memory(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let small = Rows::new(settings.size(80_000, 1_000_000), 20_000);
    let large = Rows { count: settings.size(600, 10_000), aggregates: 500, payload_bytes: 1 << 20 };
    Ok(vec![
        Figure::new(
            "memory",
            format!("draining {} rows of 1 KB", small.count),
            "MiB",
            vec![peak(settings, small).await?],
        )
        .at_most(40.0),
        Figure::new(
            "memory",
            format!("draining {} rows of 1 MB", large.count),
            "MiB",
            vec![peak(settings, large).await?],
        )
        .at_most(96.0),
    ])
}

async fn peak(settings: &Settings, rows: Rows) -> Result<f64, Failure> {
    let mut stage = Stage::open(settings, ORDERS).await?;
    let watcher = Watcher::start(&stage.broker, false).await?;
    stage.start(&[]).await?;
    stage.commit(rows).await?;
    stage.until_done().await?;
    let peak = process::memory_peak(stage.relays[0].pid)?;
    stage.close(Some(watcher)).await?;
    Ok(peak)
}
