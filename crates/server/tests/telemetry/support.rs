//! The clients and the process of the end-to-end tests, which these tests use as well.

#[path = "../e2e/support/events.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
pub(crate) mod events;
#[path = "../e2e/support/http.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
pub(crate) mod http;
#[path = "../e2e/support/process.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
pub(crate) mod process;
#[path = "../e2e/support/sse.rs"]
pub(crate) mod sse;

use std::process::Command;
use std::time::Duration;

use process::Standpipe;

/// Nothing in these tests takes this long unless it hangs.
pub(crate) const GENEROUS: Duration = Duration::from_mins(1);

/// Awaits `future`, and names what was waited for when it does not come in time.
pub(crate) async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let waited = tokio::time::timeout(GENEROUS, Box::pin(future)).await;
    waited.unwrap_or_else(|_| panic!("{what}: nothing came within {GENEROUS:?}"))
}

/// `standpipe run FLAGS` before the fixture, with these variables.
pub(crate) fn fixture_with(variables: &[(&str, &str)], flags: &[&str]) -> Standpipe {
    let mut line = Command::new(process::binary());
    line.args(["run", "--listen", "127.0.0.1:0", "--id", "tools"]).args(flags).arg("--");
    line.arg(standpipe_testkit::fixture_path()).envs(variables.iter().copied());
    Standpipe::start(&mut line)
}

/// `standpipe_trace_spans_total` of this outcome.
pub(crate) async fn counted(standpipe: &Standpipe, outcome: &str) -> u64 {
    let scrape = reqwest::get(standpipe.url("/metrics")).await.expect("the server is there");
    let text = scrape.text().await.expect("metrics are text");
    let series = format!("standpipe_trace_spans_total{{outcome=\"{outcome}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in {text}"))
}
