//! Spans that wait to be exported, and the thread that exports them.
//!
//! Owns a bounded queue and a runtime of its own. It must not know what a span is of. It exists so
//! that a slow or dead collector costs spans, which are counted, and nothing else: no request waits
//! for it, and no task of the server shares a thread with it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::tally::Tally;

/// Spans that may wait. When so many do, further ones are dropped and counted.
const QUEUE: usize = 4096;

/// Spans of one export.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);

/// Orders to export at once that may wait. Only a shutdown gives any; one more is not waited for.
const ORDERS: usize = 4;

/// After a failure, for so long nothing is sent: a collector that starts up is not flooded, and one
/// that is gone is not asked all the time.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often, at most, failures are written to the log.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// The sending end.
#[derive(Debug)]
pub(super) struct SpanQueue {
    spans: mpsc::Sender<SpanData>,
    orders: mpsc::Sender<SyncSender<()>>,
    tally: Arc<Tally>,
}

impl SpanQueue {
    /// Starts the thread. It ends with the queue.
    pub(super) fn start<E: SpanExporter + 'static>(
        mut exporter: E,
        resource: &Resource,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        exporter.set_resource(resource);
        let (spans, waiting) = mpsc::channel(QUEUE);
        let (orders, ordered) = mpsc::channel(ORDERS);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = Exporting {
            exporter,
            waiting,
            ordered,
            tally: Arc::clone(&tally),
            complained: None,
            unheard: 0,
        };
        thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || runtime.block_on(thread.run()))?;
        Ok(Self { spans, orders, tally })
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.tally.dropped(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.shutdown()
    }

    /// Exports what waits, or gives it up after `timeout`.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let (done, finished) = sync_channel(1);
        self.orders.try_send(done).map_err(|_| OTelSdkError::AlreadyShutdown)?;
        finished.recv_timeout(timeout).map_err(|_| OTelSdkError::Timeout(timeout))
    }
}

/// The thread's own side.
struct Exporting<E> {
    exporter: E,
    waiting: mpsc::Receiver<SpanData>,
    ordered: mpsc::Receiver<SyncSender<()>>,
    tally: Arc<Tally>,
    complained: Option<Instant>,
    /// Spans that were lost since.
    unheard: usize,
}

impl<E: SpanExporter> Exporting<E> {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let done = self.gather(&mut batch).await;
            let sent = self.export(&mut batch).await;
            let Some(done) = done else {
                if self.waiting.is_closed() && self.waiting.is_empty() {
                    return;
                }
                if !sent {
                    self.pause().await;
                }
                continue;
            };
            // What was there when the order came, and no more: new spans may come for ever.
            for _ in 0..QUEUE.div_ceil(BATCH) {
                while batch.len() < BATCH
                    && let Ok(span) = self.waiting.try_recv()
                {
                    batch.push(span);
                }
                if batch.is_empty() || !self.export(&mut batch).await {
                    break;
                }
            }
            let _gave_up_waiting = done.send(());
        }
    }

    /// Fills a batch; ends early for an order, which it returns. Both receives are cancel safe.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) -> Option<SyncSender<()>> {
        let mut due = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                biased;
                Some(done) = self.ordered.recv() => return Some(done),
                taken = self.waiting.recv_many(batch, room) => {
                    if taken == 0 {
                        return None;
                    }
                    due.get_or_insert_with(|| Instant::now() + LINGER);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return None,
            }
        }
        None
    }

    /// Exports the batch and empties it. Whether that went well.
    async fn export(&mut self, batch: &mut Vec<SpanData>) -> bool {
        if batch.is_empty() {
            return true;
        }
        let spans = batch.len();
        let batch = std::mem::replace(batch, Vec::with_capacity(BATCH));
        match self.exporter.export(batch).await {
            Ok(()) => {
                self.tally.exported(spans);
                true
            }
            Err(error) => {
                self.tally.dropped(spans);
                self.complain(spans, &error);
                false
            }
        }
    }

    fn complain(&mut self, spans: usize, error: &OTelSdkError) {
        self.unheard += spans;
        if self.complained.is_some_and(|at| at.elapsed() < COMPLAIN_EVERY) {
            return;
        }
        self.complained = Some(Instant::now());
        let lost = std::mem::take(&mut self.unheard);
        tracing::warn!(%error, lost, "traces could not be exported; further failures are logged once a minute");
    }

    /// Waits after a failure, unless there is an order.
    async fn pause(&mut self) {
        // Taken back into the loop by the next `gather`: looking whether one waits takes nothing.
        let until = Instant::now() + AFTER_FAILURE;
        while self.ordered.is_empty() && Instant::now() < until {
            sleep(AFTER_FAILURE / 20).await;
        }
    }
}

#[cfg(test)]
mod tests;
