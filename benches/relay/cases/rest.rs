//! What the relay costs when nothing happens: memory, CPU of relay and database, connections. And the size of its binary.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cases::latency::Wake;
use crate::failure::{Doing, Failure};
use crate::figures::Figure;
use crate::process;
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};

/// Until what a start leaves behind is over: idle connections are closed after 20 seconds.
const SETTLE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);
const MIB: f64 = 1024.0 * 1024.0;

pub async fn rest(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let poll = at_rest(settings, Wake::Poll).await?;
    let listen = at_rest(settings, Wake::Listen).await?;
    let share = |cpu: f64| vec![cpu * 100.0];
    let figure = |name, unit, values| Figure::new("rest", name, unit, values);
    Ok(vec![
        figure("memory at rest", "MiB", vec![poll.memory]).at_most(15.0),
        figure("CPU at rest, relay and database", "% of a core", share(poll.relay + poll.database)).at_most(0.3),
        figure("CPU at rest, the relay's part", "% of a core", share(poll.relay)),
        figure("CPU at rest with LISTEN, relay and database", "% of a core", share(listen.relay + listen.database))
            .at_most(0.1),
        figure("CPU at rest with LISTEN, the relay's part", "% of a core", share(listen.relay)),
        figure("connections to the database at rest", "connections", poll.connections).at_most(1.0),
    ])
}

/// What was used at rest: seconds of CPU a second, MiB, connections at each look.
struct Rest {
    relay: f64,
    database: f64,
    memory: f64,
    connections: Vec<f64>,
}

async fn at_rest(settings: &Settings, wake: Wake) -> Result<Rest, Failure> {
    let mut stage = Stage::open(settings, ORDERS).await?;
    stage.start(wake.flags()).await?;
    tokio::time::sleep(SETTLE).await;
    let relay = stage.relays[0].pid;
    let (started, relay_cpu) = (Instant::now(), process::cpu_time(relay)?);
    let time = Duration::from_secs(u64::from(settings.size(20, 120)));
    let (mut first, mut last, mut counts) = (HashMap::new(), HashMap::new(), Vec::new());
    while started.elapsed() < time {
        let backends = stage.database.backends().await?;
        counts.push(backends.len() as f64);
        for backend in backends {
            // One that has ended meanwhile tells nothing.
            let Ok(cpu) = process::cpu_time(backend) else { continue };
            // What a new one has used was used within this time.
            first.entry(backend).or_insert(if counts.len() == 1 { cpu } else { Duration::ZERO });
            last.insert(backend, cpu);
        }
        stage.check()?;
        tokio::time::sleep(LOOK).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let relay_cpu = (process::cpu_time(relay)? - relay_cpu).as_secs_f64();
    let database_cpu: f64 = last.iter().map(|(pid, cpu)| (*cpu - first[pid]).as_secs_f64()).sum();
    let memory = process::memory_now(relay)?;
    stage.close(None).await?;
    Ok(Rest { relay: relay_cpu / seconds, database: database_cpu / seconds, memory, connections: counts })
}

/// The binary as `cargo build --release` leaves it.
pub async fn binary(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let size = tokio::fs::metadata(&settings.relay).await.doing("measuring the binary")?.len();
    Ok(vec![Figure::new("binary", "the release binary", "MiB", vec![size as f64 / MIB]).at_most(12.0)])
}
