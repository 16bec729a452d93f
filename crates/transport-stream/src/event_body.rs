//! An event stream as one client reads it: [`EventBody`].
//!
//! Owns the pace of one connection: the next event, silence broken by comments, the end. Must not
//! own what is sent: a body that is dropped leaves the stream as it is.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use standpipe_core::fault::FaultKind;
use standpipe_metrics::{OpenStream, Wire};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::call::{CallStream, Found};
use crate::events::{Event, KEEP_ALIVE};
use crate::headers::{EventId, StreamId};
use crate::listening::Place;
use crate::session::Record;
use crate::usage::InUse;

/// After this much silence a comment is sent.
const SILENCE: Duration = Duration::from_secs(15);

/// One client's reading of one stream.
pub(crate) struct EventBody {
    record: Arc<Record>,
    source: Source,
    ticket: u32,
    /// The event that was taken from the stream last.
    taken: u32,
    /// The event that was handed on completely last.
    given: u32,
    /// What is left of the event that was taken last.
    pieces: VecDeque<Bytes>,
    over: bool,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    shutting_down: bool,
    last_sent: Instant,
    silence: Pin<Box<Sleep>>,
    _open: OpenStream,
    _in_use: InUse,
}

enum Source {
    Call(Arc<CallStream>),
    Listener(u32),
}

impl EventBody {
    /// Reads a POST's stream from its beginning.
    pub(crate) fn begin(
        record: &Arc<Record>,
        stream: Arc<CallStream>,
        primed: bool,
        shutdown: &CancellationToken,
    ) -> Self {
        let id = primed.then_some(EventId { stream: StreamId::Call(stream.number()), event: 0 });
        let ticket = stream.attach(primed);
        Self::new(record, Source::Call(stream), ticket, 0, id, shutdown)
    }

    /// Reads a POST's stream on, after the event `seen`.
    pub(crate) fn resume(
        record: &Arc<Record>,
        stream: Arc<CallStream>,
        seen: u32,
        shutdown: &CancellationToken,
    ) -> Self {
        let ticket = stream.attach(true);
        Self::new(record, Source::Call(stream), ticket, seen, None, shutdown)
    }

    /// Reads a GET's stream.
    pub(crate) fn listen(
        record: &Arc<Record>,
        place: Place,
        primed: bool,
        shutdown: &CancellationToken,
    ) -> Self {
        let id = (primed && place.fresh)
            .then_some(EventId { stream: StreamId::Listener(place.number), event: 0 });
        let source = Source::Listener(place.number);
        Self::new(record, source, place.ticket, place.seen, id, shutdown)
    }

    fn new(
        record: &Arc<Record>,
        source: Source,
        ticket: u32,
        seen: u32,
        primed: Option<EventId>,
        shutdown: &CancellationToken,
    ) -> Self {
        record.session().stream_opened();
        Self {
            record: Arc::clone(record),
            source,
            ticket,
            taken: seen,
            given: seen,
            pieces: primed.map(Event::priming).into_iter().collect(),
            over: false,
            shutdown: Box::pin(shutdown.clone().cancelled_owned()),
            shutting_down: false,
            last_sent: Instant::now(),
            silence: Box::pin(sleep(SILENCE)),
            _open: record.metrics().open_stream(Wire::StreamLegacy),
            _in_use: record.enter(),
        }
    }

    /// The next bytes for the client; `None` at the end.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(self.give(piece)));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(found) = self.poll_found(cx) {
            return Poll::Ready(self.take(found));
        }
        if self.shutdown.as_mut().poll(cx).is_ready() {
            return Poll::Ready(self.shut_down(cx));
        }
        // The end of the session wakes whoever gets its messages; the others find out here. Calls
        // get their answers from whoever ended it.
        if matches!(self.source, Source::Listener(_)) && self.record.session().is_over() {
            self.over = true;
            return Poll::Ready(None);
        }
        self.poll_silence(cx).map(Some)
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.over && self.pieces.is_empty()
    }

    fn poll_found(&self, cx: &mut Context<'_>) -> Poll<Found> {
        match &self.source {
            Source::Call(stream) => stream.poll_event(self.ticket, self.taken, cx),
            Source::Listener(number) => {
                let mut listening = self.record.listening();
                listening.poll_event(*number, self.ticket, self.taken, cx)
            }
        }
    }

    fn take(&mut self, found: Found) -> Option<Bytes> {
        let Found::Event(next) = found else {
            self.over = true;
            return None;
        };
        self.taken = next.number;
        let pieces = next.event.pieces(next.permit).into_iter();
        self.pieces.extend(pieces.filter(|piece| !piece.is_empty()));
        self.last_sent = Instant::now();
        let first = self.pieces.pop_front()?;
        Some(self.give(first))
    }

    fn give(&mut self, piece: Bytes) -> Bytes {
        if self.pieces.is_empty() {
            self.given = self.taken;
        }
        piece
    }

    /// Everything that had come was sent; what has no answer yet is answered with an error.
    fn shut_down(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        if let (Source::Call(stream), false) = (&self.source, self.shutting_down) {
            let fault = self.record.session().gate().fault(FaultKind::Draining);
            stream.give_up(&fault);
            self.shutting_down = true;
            if let Poll::Ready(found) = self.poll_found(cx) {
                return self.take(found);
            }
        }
        self.over = true;
        None
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        std::task::ready!(self.silence.as_mut().poll(cx));
        let now = Instant::now();
        // The timer is not moved with every event, only when it has gone off.
        let due = self.last_sent + SILENCE;
        if due > now {
            self.silence.as_mut().reset(due);
            return self.poll_silence(cx);
        }
        self.last_sent = now;
        self.silence.as_mut().reset(now + SILENCE);
        Poll::Ready(KEEP_ALIVE)
    }
}

impl Drop for EventBody {
    fn drop(&mut self) {
        self.record.session().stream_closed();
        match &self.source {
            Source::Call(stream) => self.record.leave(stream, self.ticket, self.given),
            Source::Listener(number) => {
                self.record.listening().detach(*number, self.ticket);
            }
        }
    }
}
