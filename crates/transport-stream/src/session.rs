//! What the transport keeps of one session.
//!
//! Owns the session's streams, those of its POSTs and those of its GETs, and their numbers. Must not
//! know how it is found.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use standpipe_core::budget::Budget;
use standpipe_core::connection::{Intake, Session};
use standpipe_metrics::{OpenSession, ServiceMetrics, Wire};
use tokio::time::Instant;

use crate::call::{CallStream, Calls, Fate};
use crate::headers::StreamId;
use crate::listening::Listening;
use crate::log::Log;
use crate::refusal::EventIdFault;
use crate::sessions::Seat;
use crate::usage::{InUse, Usage};

/// How many streams of one session are kept that nobody reads. When there are more, the oldest
/// goes; its call goes on, its answer is not kept.
const MAX_UNREAD_STREAMS: usize = 64;

/// Of how many streams that were sent completely it is remembered where they ended.
const MAX_ENDS: usize = 32;

/// One session.
#[derive(Debug)]
pub(crate) struct Record {
    session: Arc<Session>,
    metrics: Arc<ServiceMetrics>,
    usage: Arc<Usage>,
    replay: Budget,
    next_stream: AtomicU32,
    streams: Mutex<Streams>,
    listening: Mutex<Listening>,
    _open: OpenSession,
    _seat: Seat,
}

#[derive(Debug, Default)]
struct Streams {
    /// By number, which is by age.
    open: BTreeMap<u32, Arc<CallStream>>,
    /// Number and last event of streams that were sent completely.
    ends: VecDeque<(u32, u32)>,
}

/// What is found where a POST's stream is to be resumed.
#[derive(Debug)]
pub(crate) enum Resumed {
    /// The stream.
    Stream(Arc<CallStream>),
    /// The client has all of it.
    Complete,
}

impl Record {
    /// A session that has just been opened. `general` brings the messages that belong to no request.
    pub(crate) fn new(
        session: Arc<Session>,
        general: Intake,
        metrics: Arc<ServiceMetrics>,
        replay: Budget,
        seat: Seat,
    ) -> Arc<Self> {
        Arc::new(Self {
            usage: Usage::new(),
            next_stream: AtomicU32::new(0),
            streams: Mutex::default(),
            listening: Mutex::new(Listening::new(general, replay.clone())),
            _open: metrics.open_session(Wire::StreamLegacy),
            _seat: seat,
            replay,
            session,
            metrics,
        })
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn metrics(&self) -> &Arc<ServiceMetrics> {
        &self.metrics
    }

    /// Whether it is a session with this service.
    pub(crate) fn is_of(&self, service: &str) -> bool {
        &**self.session.gate().service() == service
    }

    /// Counts one more user: as long as there is one the session is not idle.
    pub(crate) fn enter(&self) -> InUse {
        self.usage.enter(&self.session)
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Makes a stream of calls that were not answered at once.
    pub(crate) fn add(&self, calls: Calls) -> Arc<CallStream> {
        let number = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let log = Log::new(StreamId::Call(number), self.replay.clone());
        let stream = Arc::new(CallStream::new(number, calls, log));
        let mut streams = self.streams();
        if streams.open.len() >= MAX_UNREAD_STREAMS {
            let unread = streams.open.values().filter(|stream| stream.is_detached());
            let unread: Vec<u32> = unread.map(|stream| stream.number()).collect();
            if unread.len() >= MAX_UNREAD_STREAMS {
                streams.open.remove(&unread[0]);
            }
        }
        streams.open.insert(number, Arc::clone(&stream));
        stream
    }

    /// The stream that has sent the event numbered `event`.
    pub(crate) fn resume(&self, number: u32, event: u32) -> Result<Resumed, EventIdFault> {
        if number >= self.next_stream.load(Ordering::Relaxed) {
            return Err(EventIdFault::Unknown);
        }
        let streams = self.streams();
        if let Some(stream) = streams.open.get(&number) {
            if event > stream.newest() {
                return Err(EventIdFault::Unknown);
            }
            return Ok(Resumed::Stream(Arc::clone(stream)));
        }
        match streams.ends.iter().find(|(ended, _)| *ended == number) {
            Some((_, last)) if event == *last => Ok(Resumed::Complete),
            _ => Err(EventIdFault::Gone),
        }
    }

    /// The reader of `stream` that holds `ticket` goes, having been given everything up to `seen`.
    pub(crate) fn leave(&self, stream: &Arc<CallStream>, ticket: u32, seen: u32) {
        if stream.detach(ticket, seen) == Fate::Keep {
            // What becomes of it is seen to with all others.
            let _later = stream.tidy(Instant::now());
            return;
        }
        let mut streams = self.streams();
        if streams.open.remove(&stream.number()).is_none() {
            return;
        }
        if streams.ends.len() >= MAX_ENDS {
            streams.ends.pop_front();
        }
        streams.ends.push_back((stream.number(), stream.newest()));
    }

    /// The GET streams.
    pub(crate) fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes care of streams that nobody reads.
    pub(crate) fn tidy(&self, now: Instant) {
        let unread: Vec<_> =
            self.streams().open.values().filter(|stream| stream.is_detached()).cloned().collect();
        for stream in unread {
            if stream.tidy(now) == Fate::Drop {
                self.streams().open.remove(&stream.number());
            }
        }
        self.listening().tidy(now);
    }

    /// Ends the session: its child is told, its streams end.
    pub(crate) fn close(&self) {
        self.session.end();
        self.listening().close();
        let unread = std::mem::take(&mut self.streams().open);
        drop(unread); // Those that are read live on with their readers until they were answered.
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.session.end();
    }
}
