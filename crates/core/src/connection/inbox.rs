//! What clients send to one instance of a service.
//!
//! Owns the bounds of the child's input queue, in messages and in bytes, and each session's fair
//! share of it: one client holds at most a quarter. Must not know what becomes of an input.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::{Outlet, Session};
use crate::budget::{Budget, Permit};
use crate::fault::{Fault, FaultKind};
use crate::message::{Message, Notification, Request, Response};
use crate::trace::Trace;

/// One session holds at most this part of a child's input queue.
const SHARE: usize = 4;

/// How much may wait for one child.
#[derive(Debug, Clone)]
pub struct InboxLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes.
    pub bytes: usize,
    /// The longest single message, in bytes of its parameters.
    pub message_bytes: usize,
}

impl InboxLimits {
    /// Messages that may wait for one child. When it is full the sender is told, and nobody waits.
    pub const MESSAGES: usize = 4096;

    /// Limits for messages of at most `message_bytes`: any session's share holds at least one.
    pub fn for_messages_of(message_bytes: usize) -> Self {
        Self { messages: Self::MESSAGES, bytes: message_bytes.saturating_mul(SHARE), message_bytes }
    }
}

/// What a client sends.
#[derive(Debug)]
pub enum Input {
    /// The `initialize` request that opens a session.
    Open {
        /// The new session.
        session: Arc<Session>,
        /// The request, as the client sent it.
        request: Request,
        /// Where its answer goes.
        reply: Outlet,
    },
    /// A request.
    Request {
        /// Who asks.
        session: Arc<Session>,
        /// The request, with the client's id.
        request: Request,
        /// The stream that belongs to this request.
        reply: Outlet,
        /// Its place in the queue.
        slot: Slot,
    },
    /// A notification.
    Notification {
        /// Who notifies.
        session: Arc<Session>,
        /// The notification.
        notification: Notification,
        /// Its place in the queue.
        slot: Slot,
    },
    /// The answer to a question of the child.
    Answer {
        /// Who answers.
        session: Arc<Session>,
        /// The answer, under the id that the question was given by us.
        response: Response,
        /// Its place in the queue.
        slot: Slot,
    },
    /// The session is over: its open calls are cancelled, its questions declined.
    Close {
        /// Which.
        session: Arc<Session>,
    },
}

impl Input {
    /// Whose it is.
    pub fn session(&self) -> &Arc<Session> {
        match self {
            Self::Open { session, .. }
            | Self::Request { session, .. }
            | Self::Notification { session, .. }
            | Self::Answer { session, .. }
            | Self::Close { session } => session,
        }
    }

    /// Answers it with a failure, where it wants an answer.
    pub fn refuse(self, fault: &Fault) {
        let (request, reply, trace) = match self {
            Self::Open { request, reply, .. } => (request, reply, Trace::default()),
            Self::Request { request, reply, slot, .. } => (request, reply, slot.trace.clone()),
            _ => return,
        };
        let answer = Message::Response(fault.answer(request.id));
        trace.answered(&answer);
        let _gone = reply.answer(answer, Some(fault.clone()));
    }
}

/// The way into one instance. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    service: Arc<str>,
    limits: InboxLimits,
    bytes: Budget,
    messages: Arc<AtomicUsize>,
    // Not bounded by itself: every input but `Open` and `Close` holds a slot, of which there are
    // `limits.messages`; `Open` and `Close` come once per session, and sessions are counted.
    sender: mpsc::UnboundedSender<Input>,
}

/// The other end of an [`Inbox`].
///
/// Dropping it answers what nobody has taken.
#[derive(Debug)]
pub struct Deliveries {
    service: Arc<str>,
    receiver: mpsc::UnboundedReceiver<Input>,
}

/// Makes the way into an instance of `service`.
pub fn inbox(service: &Arc<str>, limits: InboxLimits) -> (Inbox, Deliveries) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let shared = Shared {
        service: Arc::clone(service),
        bytes: Budget::new(limits.bytes),
        messages: Arc::new(AtomicUsize::new(0)),
        limits,
        sender,
    };
    (Inbox(Arc::new(shared)), Deliveries { service: Arc::clone(service), receiver })
}

/// A place in a child's input queue, held until the message has been written to the child.
#[derive(Debug)]
pub struct Slot {
    queue: Arc<AtomicUsize>,
    session: Arc<Session>,
    bytes: Permit,
    trace: Trace,
    _body: Option<Permit>,
}

impl Slot {
    /// The trace of the message.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.queue.fetch_sub(1, Ordering::Relaxed);
        self.session.queued_messages.fetch_sub(1, Ordering::Relaxed);
        self.session.queued_bytes.fetch_sub(self.bytes.bytes(), Ordering::Relaxed);
    }
}

impl Inbox {
    /// Sends any message of `session` on. For a request, `reply` is its stream; for other messages
    /// it is not used. `body` is the caller's permit for the bytes, kept until they are written.
    ///
    /// # Errors
    /// When the queue, or this session's share of it, is full; when the message is too long; when
    /// the instance is gone. Nothing was sent then.
    pub fn send(
        &self,
        session: &Arc<Session>,
        message: Message,
        reply: &Outlet,
        body: Option<Permit>,
    ) -> Result<(), Fault> {
        let trace = Trace::claim(&message);
        let slot = self.slot(session, message.weight(), trace, body)?;
        let session = Arc::clone(session);
        let input = match message {
            Message::Request(request) => {
                Input::Request { session, request, reply: reply.clone(), slot }
            }
            Message::Notification(notification) => {
                Input::Notification { session, notification, slot }
            }
            Message::Response(response) => Input::Answer { session, response, slot },
        };
        self.push(input)
    }

    /// Sends an `initialize` that opens `session`.
    ///
    /// # Errors
    /// When the instance is gone.
    pub fn open(
        &self,
        session: &Arc<Session>,
        request: Request,
        reply: &Outlet,
    ) -> Result<(), Fault> {
        let session = Arc::clone(session);
        self.push(Input::Open { session, request, reply: reply.clone() })
    }

    /// Passes an input on that is already under way, such as one that another instance should serve.
    /// When the instance is gone, who waits for an answer is told so.
    pub fn forward(&self, input: Input) {
        if let Err(mpsc::error::SendError(input)) = self.0.sender.send(input) {
            input.refuse(&self.fault(FaultKind::Draining));
        }
    }

    fn push(&self, input: Input) -> Result<(), Fault> {
        self.0.sender.send(input).map_err(|_| self.fault(FaultKind::Draining))
    }

    /// Says that `session` is over. An instance that is gone needs no telling.
    pub(super) fn close(&self, session: &Arc<Session>) {
        let _gone = self.0.sender.send(Input::Close { session: Arc::clone(session) });
    }

    /// Whether both lead to the same instance.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault::new(&self.0.service, kind)
    }

    fn slot(
        &self,
        session: &Arc<Session>,
        weight: usize,
        trace: Trace,
        body: Option<Permit>,
    ) -> Result<Slot, Fault> {
        let limits = &self.0.limits;
        // The weight counts an envelope that the limit on a line does not.
        if weight > limits.message_bytes.saturating_add(2048) {
            return Err(self.fault(FaultKind::RequestTooLarge { limit: limits.message_bytes }));
        }
        let overloaded = || self.fault(FaultKind::Overloaded);
        let bytes = self.0.bytes.take(weight).ok_or_else(overloaded)?;
        let queued = self.0.messages.fetch_add(1, Ordering::Relaxed);
        let mine = session.queued_messages.fetch_add(1, Ordering::Relaxed);
        let my_bytes = session.queued_bytes.fetch_add(weight, Ordering::Relaxed);
        let slot = Slot {
            queue: Arc::clone(&self.0.messages),
            session: Arc::clone(session),
            bytes,
            trace,
            _body: body,
        };
        let share_full = mine >= limits.messages / SHARE
            || (mine > 0 && my_bytes + weight > limits.bytes / SHARE);
        if queued >= limits.messages || share_full {
            return Err(overloaded()); // The slot gives everything back.
        }
        Ok(slot)
    }
}

impl Deliveries {
    /// The next input; `None` when nobody can send any more.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        self.receiver.poll_recv(cx)
    }

    /// The next input; `None` when nobody can send any more. Cancel safe.
    pub async fn next(&mut self) -> Option<Input> {
        self.receiver.recv().await
    }

    /// The next input if one is there already.
    pub fn try_next(&mut self) -> Option<Input> {
        self.receiver.try_recv().ok()
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        // From here on senders are told that the instance is gone; what came before is told here.
        self.receiver.close();
        let gone = Fault::new(&self.service, FaultKind::Draining);
        while let Some(input) = self.try_next() {
            input.refuse(&gone);
        }
    }
}
