//! What is looked at while the soak goes on, and when it has come to rest.
//!
//! Owns the samples, the search for orphans, and the waiting for rest. Must not disturb anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::census::{self, Pids, Scrape};
use crate::chaos::{GUEST, look};
use crate::clients::World;
use crate::events;
use crate::verdict::{Breach, Fault};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);

/// The processes of a server that died are to be gone by then. It takes milliseconds.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// How long everything may take to come to rest: sessions that were left behind end after 10 s,
/// side processes that nobody uses after a minute.
const REST_WITHIN: Duration = Duration::from_mins(2);

/// What is held at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    pub(crate) sessions: u64,
    pub(crate) streams: u64,
    pub(crate) in_flight: u64,
    pub(crate) processes: u64,
    pub(crate) resident_kib: u64,
}

/// Looks again and again, for as long as it is not dropped. Memory is entered in `samples` as
/// minutes and KiB.
pub(crate) async fn watch(
    world: Arc<World>,
    pids: Pids,
    samples: Arc<std::sync::Mutex<Vec<(f64, f64)>>>,
) {
    let began = Instant::now();
    let mut suspects: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        sleep(EVERY).await;
        #[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
        let sample =
            (began.elapsed().as_secs_f64() / 60.0, census::resident_kib(pids.inner) as f64);
        samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(sample);
        let leaderless = census::leaderless(pids, &look(pids).await);
        suspects.retain(|marker, _| leaderless.contains_key(marker));
        for (marker, left) in leaderless {
            let since = suspects.entry(marker.clone()).or_insert_with(Instant::now);
            if since.elapsed() > GONE_WITHIN {
                world.ledger.breach(
                    Breach::Lost,
                    &format!("orphans of {marker}: {left:?} live on without their server"),
                );
                // Told once.
                *since = Instant::now() + Duration::from_hours(24);
            }
        }
    }
}

/// Reads `/metrics`.
pub(crate) async fn scrape(http: &reqwest::Client, base: &str) -> Result<Scrape, Fault> {
    let response = events::send("/metrics", http.get(format!("{base}/metrics"))).await?;
    let text = response.text().await;
    text.map(Scrape::new).map_err(|error| Fault::new(Breach::Lost, error.to_string()))
}

/// Waits until nothing is left of what clients did, every service has the processes that it has at
/// rest, and no more is held than `before`, where that is given.
///
/// # Errors
/// What there was too much of, when it did not come to rest.
pub(crate) async fn rest(
    world: &World,
    http: &reqwest::Client,
    pids: Pids,
    before: Option<Held>,
) -> Result<Held, String> {
    let began = Instant::now();
    let deadline = began + REST_WITHIN;
    let mut last = "nothing".to_owned();
    loop {
        let scrape = scrape(http, &world.base).await.map_err(|fault| fault.seen)?;
        let held = held(&scrape, pids.inner);
        let restless = restless(world, &scrape, &held, pids).await;
        let too_much = before.is_some_and(|before| {
            held.descriptors > before.descriptors || held.threads > before.threads
        });
        if restless.is_empty() && !too_much {
            let after = began.elapsed().as_secs_f64();
            println!("at rest after {after:.1} s; last to come to rest: {last}");
            return Ok(held);
        }
        last = if restless.is_empty() { format!("{held:?}") } else { restless.join(", ") };
        if Instant::now() > deadline {
            return Err(format!("{restless:?}; held {held:?}, at the start {before:?}"));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn held(scrape: &Scrape, inner: i32) -> Held {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "gauges of things that are counted"
    )]
    let sum = |family| scrape.sum(family).max(0.0) as u64;
    Held {
        descriptors: census::descriptors(inner),
        threads: census::threads(inner),
        sessions: sum("standpipe_sessions"),
        streams: sum("standpipe_open_streams"),
        in_flight: sum("standpipe_requests_in_flight"),
        processes: sum("standpipe_processes"),
        resident_kib: census::resident_kib(inner),
    }
}

/// What is not at rest.
async fn restless(world: &World, scrape: &Scrape, held: &Held, pids: Pids) -> Vec<String> {
    let mut restless = Vec::new();
    for (what, count) in [
        ("sessions", held.sessions),
        ("open streams", held.streams),
        ("requests in flight", held.in_flight),
        // Ours, over which this is asked, is one.
        ("connections", connections(scrape).saturating_sub(1)),
    ] {
        if count > 0 {
            restless.push(format!("{count} {what}"));
        }
    }
    let marked = look(pids).await;
    for target in world.targets.iter() {
        let told = scrape.of_service("standpipe_processes", &target.name);
        let servers = marked.iter().filter(|marked| {
            marked.service() == target.name && marked.process.parent == pids.inner
        });
        let found = servers.count() as u64;
        #[expect(clippy::cast_precision_loss, reason = "a handful of processes")]
        let as_told = (found as f64 - told).abs() < 0.5;
        if found != target.processes_at_rest() || !as_told {
            restless.push(format!("{}: {found} processes, told {told}", target.name));
        }
    }
    if scrape.of_service("standpipe_service_phase", GUEST) > 0.0 {
        restless.push(format!("{GUEST} is still there"));
    }
    let leaderless = census::leaderless(pids, &marked);
    if !leaderless.is_empty() {
        restless.push(format!("without their server: {leaderless:?}"));
    }
    restless
}

fn connections(scrape: &Scrape) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a gauge of things that are counted"
    )]
    let count = scrape.sum("standpipe_http_connections").max(0.0) as u64;
    count
}
