//! The queue before a collector that answers, fails, or never answers.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::*;

/// Nothing in here takes so long unless it hangs.
const GENEROUS: Duration = Duration::from_mins(1);

/// Tells how many spans come, and waits for leave to answer.
#[derive(Debug)]
struct Gated {
    came: Mutex<Sender<usize>>,
    leave: Mutex<Option<Receiver<bool>>>,
}

impl SpanExporter for Gated {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.came.lock().unwrap().send(batch.len()).unwrap();
        let leave = self.leave.lock().unwrap();
        let fine = leave.as_ref().is_none_or(|leave| leave.recv().unwrap_or(false));
        if fine { Ok(()) } else { Err(OTelSdkError::InternalFailure("refused".to_owned())) }
    }
}

fn queue(leave: Option<Receiver<bool>>) -> (SpanQueue, Receiver<usize>, Arc<Tally>) {
    let (came_to, came) = channel();
    let exporter = Gated { came: Mutex::new(came_to), leave: Mutex::new(leave) };
    let tally = Arc::new(Tally::default());
    let resource = Resource::builder_empty().build();
    let queue = SpanQueue::start(exporter, &resource, Arc::clone(&tally)).unwrap();
    (queue, came, tally)
}

fn span() -> SpanData {
    let (trace, id) = (TraceId::from(1_u128), SpanId::from(1_u64));
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "a span".into(),
        start_time: std::time::UNIX_EPOCH,
        end_time: std::time::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: opentelemetry::InstrumentationScope::default(),
    }
}

#[test]
fn a_shutdown_exports_what_waits_in_batches() {
    let (queue, came, tally) = queue(None);
    for _ in 0..BATCH + 7 {
        queue.on_end(span());
    }
    queue.shutdown_with_timeout(GENEROUS).unwrap();
    let sent: Vec<usize> = came.try_iter().collect();
    assert_eq!(sent.iter().sum::<usize>(), BATCH + 7);
    assert!(sent.iter().all(|batch| *batch <= BATCH), "{sent:?}");
    assert_eq!((tally.exported_spans(), tally.dropped_spans()), (BATCH as u64 + 7, 0));
}

#[test]
fn a_full_queue_drops_and_counts_and_a_shutdown_gives_up() {
    let (leave, taken) = channel();
    let (queue, came, tally) = queue(Some(taken));
    queue.on_end(span());
    let held = came.recv_timeout(GENEROUS).unwrap(); // The thread waits in the exporter now.
    assert_eq!(held, 1);
    for _ in 0..QUEUE + 5 {
        queue.on_end(span());
    }
    assert_eq!(tally.dropped_spans(), 5);
    let given_up = queue.shutdown_with_timeout(Duration::from_millis(1));
    assert!(matches!(given_up, Err(OTelSdkError::Timeout(_))), "{given_up:?}");
    drop(leave);
}

#[test]
fn what_the_collector_refuses_is_counted_as_lost() {
    let (leave, taken) = channel();
    leave.send(false).unwrap();
    let (queue, _came, tally) = queue(Some(taken));
    queue.on_end(span());
    queue.shutdown_with_timeout(GENEROUS).unwrap();
    assert_eq!((tally.exported_spans(), tally.dropped_spans()), (0, 1));
}

#[test]
fn what_is_not_sampled_is_not_queued() {
    let (queue, came, tally) = queue(None);
    let mut unsampled = span();
    let (trace, id) = (TraceId::from(1_u128), SpanId::from(1_u64));
    unsampled.span_context =
        SpanContext::new(trace, id, TraceFlags::NOT_SAMPLED, false, TraceState::NONE);
    queue.on_end(unsampled);
    queue.shutdown_with_timeout(GENEROUS).unwrap();
    assert_eq!(came.try_iter().count(), 0);
    assert_eq!((tally.exported_spans(), tally.dropped_spans()), (0, 0));
}
