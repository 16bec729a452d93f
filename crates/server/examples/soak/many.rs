//! Many services that nobody uses yet: what they cost.
//!
//! Owns this one measurement. Must not start any of them.

use serde_json::{Map, Value, json};

use crate::census;
use crate::events::{message, send};
use crate::product::{Product, Programs};

/// How many.
const SERVICES: usize = 200;

/// Prints memory and start time.
///
/// # Errors
/// When it does not know all of them, or has started any.
pub(crate) async fn run(programs: &Programs) -> Result<(), String> {
    let entries: Map<String, Value> = (0..SERVICES)
        .map(|number| (format!("service-{number}"), json!({ "command": programs.fixture })))
        .collect();
    let configuration = json!({ "mcpServers": entries, "control": { "socket": "off" } });
    let mut product =
        Product::start(programs, |_| configuration).map_err(|error| error.to_string())?;
    let ready = send("/readyz", reqwest::Client::new().get(product.url("/readyz"))).await;
    let ready = ready.map_err(|fault| fault.seen)?;
    let ready = message("/readyz", ready).await.map_err(|fault| fault.seen)?;
    let pids = product.pids();
    let watchdog = if pids.inner == pids.outer { 0 } else { census::resident_kib(pids.outer) };
    println!(
        "{SERVICES} services configured, none started: listening after {:.1} ms, resident {} KiB \
         and {watchdog} KiB for the watchdog",
        product.start_time().as_secs_f64() * 1e3,
        census::resident_kib(pids.inner),
    );
    let known = ready["services"].as_object().map_or(0, Map::len);
    let started = census::marked(pids).len();
    let stopped = product.stop().map_err(|error| error.to_string())?;
    if known != SERVICES || started != 0 || !stopped.success() {
        return Err(format!("it knew {known}, had started {started}, and ended with {stopped}"));
    }
    Ok(())
}
