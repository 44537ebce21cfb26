//! From commit to delivery: writers commit single rows at a steady rate, a consumer notes when each arrives. Both clocks are this
//! process's: from the moment the commit's answer is here to the moment the message is here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::failure::{Doing, Failure, within};
use crate::figures::{Figure, quantile};
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};
use crate::watcher::Watcher;

const WRITERS: u32 = 4;
const COMMIT: Duration = Duration::from_secs(30);
const INSERT: &str = r#"INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
VALUES ('order', $1, 'order.created', ('{"note":"' || repeat('x', 1000) || '"}')::json) RETURNING id"#;

/// What wakes the relay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    Poll,
    Listen,
    /// `POST /wake` after each commit, on a connection that stays open.
    Poke,
}

impl Wake {
    fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Listen => "listen",
            Self::Poke => "poke",
        }
    }

    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Listen => &["--wake", "listen"],
            Self::Poll | Self::Poke => &[],
        }
    }
}

pub async fn latency(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let seconds = settings.size(8, 60);
    let mut figures = Vec::new();
    for wake in [Wake::Poll, Wake::Listen, Wake::Poke] {
        for (rate, gaps) in [(10, Gaps::Even), (100, Gaps::Random), (200, Gaps::Even), (2_000, Gaps::Even)] {
            let mut stage = Stage::open(settings, ORDERS).await?;
            if wake != Wake::Listen {
                // The trigger is for LISTEN alone; the others shall not pay for it.
                stage.database.run(include_str!("../../../sql/optional/notify.down.sql")).await?;
            }
            stage.start(wake.flags()).await?;
            let time = Duration::from_secs(u64::from(seconds));
            let lags = load(&mut stage, (rate, gaps), time, wake, |n| n % 1_000).await?;
            stage.close(Some(lags.watcher)).await?;
            figures.extend(quantiles(wake, rate, &lags.milliseconds));
        }
    }
    Ok(figures)
}

fn quantiles(wake: Wake, rate: u32, lags: &[f64]) -> [Figure; 2] {
    let figure = |name: &str, share: f64| {
        let value = quantile(lags, share);
        Figure::new("latency", format!("{}, {rate} rows/s, {name}", wake.name()), "ms", vec![value])
    };
    let (median, tail) = (figure("p50", 0.5), figure("p99", 0.99));
    match (rate, wake) {
        // The one rate with random gaps.
        (100, Wake::Poll) => [median, tail.at_most(30.0)],
        (100, Wake::Listen) => [median.at_most(3.0), tail.at_most(5.0)],
        (200, Wake::Poll) => [median.at_most(25.0), tail.at_most(50.0)],
        (200, Wake::Listen | Wake::Poke) => [median.at_most(3.0), tail.at_most(8.0)],
        (_, Wake::Poll | Wake::Listen | Wake::Poke) => [median, tail],
    }
}

/// The time from one row to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    Even,
    /// As where many do not know of each other: the longer, the rarer.
    Random,
}

/// What a steady load came to.
pub struct Lags {
    pub milliseconds: Vec<f64>,
    pub watcher: Watcher,
}

/// Commits rows at `rate` for as long as said; `key` numbers the aggregate of each row. The relay is up.
pub async fn steady(
    stage: &mut Stage<'_>,
    rate: u32,
    time: Duration,
    wake: Wake,
    key: fn(u32) -> u32,
) -> Result<Lags, Failure> {
    load(stage, (rate, Gaps::Even), time, wake, key).await
}

async fn load(
    stage: &mut Stage<'_>,
    (rate, gaps): (u32, Gaps),
    time: Duration,
    wake: Wake,
    key: fn(u32) -> u32,
) -> Result<Lags, Failure> {
    let watcher = Watcher::start(&stage.broker, true).await?;
    let poke = (wake == Wake::Poke).then(|| stage.relays[0].admin);
    let mut writers = tokio::task::JoinSet::new();
    let writers_count = WRITERS.min(rate);
    for writer in 0..writers_count {
        let client = stage.database.another().await?;
        let pace = Pace { every: Duration::from_secs(1) * writers_count / rate, gaps, time };
        let keys = move |n: u32| format!("steady-{}", key(n * writers_count + writer));
        writers.spawn(write(client, pace, keys, poke));
    }
    let mut committed: HashMap<Uuid, Instant> = HashMap::new();
    while let Some(written) = writers.join_next().await {
        committed.extend(written.doing("joining a writer")??);
    }
    stage.note(committed.len() as u64);
    watcher.reach(stage.committed()).await?;
    stage.check()?;
    let arrivals = watcher.arrivals().await;
    let lag = |(id, at): (&Uuid, &Instant)| {
        let arrived = arrivals.get(id).ok_or_else(|| Failure::new(format!("{id} was committed and did not arrive")))?;
        Ok(arrived.saturating_duration_since(*at).as_secs_f64() * 1e3)
    };
    Ok(Lags { milliseconds: committed.iter().map(lag).collect::<Result<_, Failure>>()?, watcher })
}

#[derive(Clone, Copy)]
struct Pace {
    every: Duration,
    gaps: Gaps,
    time: Duration,
}

/// One writer: a row at every beat; when each commit's answer came.
async fn write(
    client: Client,
    pace: Pace,
    key: impl Fn(u32) -> String,
    poke: Option<SocketAddr>,
) -> Result<Vec<(Uuid, Instant)>, Failure> {
    let mut poker = poke.map(|admin| Poker { admin, socket: None });
    let mut beat = tokio::time::interval(pace.every);
    // A late commit must not thin the load out.
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (started, mut committed, mut number) = (Instant::now(), Vec::new(), 0);
    while started.elapsed() < pace.time {
        match pace.gaps {
            Gaps::Even => drop(beat.tick().await),
            // With exponential gaps the arrivals of all writers together are random too.
            Gaps::Random => tokio::time::sleep(pace.every.mul_f64(-(1.0 - fastrand::f64()).ln())).await,
        }
        let key = key(number);
        number += 1;
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&key, Type::TEXT)];
        let row = within(COMMIT, "committing a row", client.query_typed_one(INSERT, &params)).await?;
        committed.push((row.try_get(0).doing("reading an id")?, Instant::now()));
        if let Some(poker) = &mut poker {
            within(COMMIT, "poking the relay", poker.poke()).await?;
        }
    }
    Ok(committed)
}

/// Pokes on a connection that is kept; the admin port closes each after a while, as any server may.
struct Poker {
    admin: SocketAddr,
    socket: Option<TcpStream>,
}

impl Poker {
    async fn poke(&mut self) -> std::io::Result<()> {
        if let Some(socket) = &mut self.socket
            && call_wake(socket).await.is_ok()
        {
            return Ok(());
        }
        let mut socket = TcpStream::connect(self.admin).await?;
        call_wake(&mut socket).await?;
        self.socket = Some(socket);
        Ok(())
    }
}

async fn call_wake(socket: &mut TcpStream) -> std::io::Result<()> {
    socket.write_all(b"POST /wake HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await?;
    let (mut answer, mut bytes) = (Vec::new(), [0; 1_024]);
    // The answer has no body that matters, and its head ends with an empty line.
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut bytes).await? {
            0 => return Err(std::io::Error::other("the admin port closed the connection")),
            count => answer.extend_from_slice(&bytes[..count]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 2") { Ok(()) } else { Err(std::io::Error::other("the relay refused a poke")) }
}
