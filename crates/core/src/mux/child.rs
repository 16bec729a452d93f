//! What the child sends.
//!
//! Owns the way of each line to its receiver. Must not know how a line was read.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::calls::CallKind;
use super::{Drop, Mux, Note, Phase, Role};
use crate::connection::{Outlet, Undelivered};
use crate::fault::FaultKind;
use crate::message::{Id, Message, Notification, Outcome, Params, Rejected, Response, parse};
use crate::protocol::{LogLevel, method};

impl Mux {
    /// Takes in one line that looks like JSON.
    pub fn line(&mut self, line: &Bytes, now: Instant) {
        match parse(line) {
            Ok(Message::Response(response)) => self.answered(response, now),
            Ok(Message::Request(request)) => self.asked(request, now),
            Ok(Message::Notification(notification)) => self.told(notification, now),
            Err(rejected) => self.unreadable(&rejected, now),
        }
    }

    /// A line over the limit was skipped; `id` is the call it answers, where that could be read.
    pub fn oversized(&mut self, id: Option<&Bytes>, bytes: u64, now: Instant) {
        let id = id.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let limit = self.settings.max_message_bytes;
        self.fail_answer(id, FaultKind::AnswerTooLarge { bytes, limit }, now);
    }

    /// What the child sent is no message. When it names a call, that call is not left waiting.
    fn unreadable(&mut self, rejected: &Rejected, now: Instant) {
        self.note(Note::Noise);
        let id = rejected.id.as_ref().and_then(Id::as_number);
        self.fail_answer(id, FaultKind::MalformedAnswer(rejected.explanation().into()), now);
    }

    fn fail_answer(&mut self, id: Option<u64>, kind: FaultKind, now: Instant) {
        let Some(call) = id.and_then(|id| self.remove_call(id, now)) else {
            return;
        };
        let fault = self.fault(kind);
        if matches!(call.kind, CallKind::Handshake) {
            let why = super::HandshakeError::Invalid(fault.to_string().into());
            self.note(Note::HandshakeFailed(why));
        }
        self.fail(call, &fault);
    }

    fn answered(&mut self, response: Response, now: Instant) {
        let call = response.id.as_number().and_then(|id| self.remove_call(id, now));
        let Some(call) = call else {
            // Never asked, answered before, cancelled or given up.
            return self.note(Note::Dropped(Drop::UnknownId));
        };
        match call.kind {
            CallKind::Client(call) => {
                if let Some(uri) = &call.subscribes {
                    self.subscribed(uri, &call.session, &response.outcome);
                }
                self.deliver_answer(call, response.outcome);
            }
            CallKind::Handshake => self.handshake_answered(response.outcome, now),
            CallKind::Opening(opening) => {
                let refused = match &response.outcome {
                    Outcome::Result(_) => None,
                    Outcome::Error(error) => Some(Arc::from(error.as_str())),
                };
                let answer = Response { id: opening.request.id, outcome: response.outcome };
                let _gone = opening.reply.answer(Message::Response(answer), None);
                if let Some(why) = refused {
                    opening.session.end();
                    return self.note(Note::HandshakeFailed(super::HandshakeError::Refused(why)));
                }
                self.phase = Phase::Ready;
                self.note(Note::Ready);
            }
            CallKind::Unheeded => {}
        }
    }

    /// A notification of the child.
    fn told(&mut self, notification: Notification, now: Instant) {
        match &*notification.method {
            method::PROGRESS => self.progress(notification, now),
            method::LOG_MESSAGE => self.logged(notification),
            method::CANCELLED => self.withdrawn_by_child(notification.params.as_ref(), now),
            method::RESOURCES_UPDATED => self.updated(&notification),
            method::ELICITATION_COMPLETE => self.elicitation_complete(notification),
            name if method::is_list_changed(name) => self.list_changed(&notification),
            _ => self.uncorrelated(notification),
        }
    }

    /// Goes by its token, which is the number we gave the call.
    fn progress(&mut self, notification: Notification, now: Instant) {
        let params = notification.params.as_ref();
        let id = params.and_then(Params::progress_token).and_then(|t| t.as_str().parse().ok());
        let call = id.and_then(|id| self.client_call(id));
        let Some((call, token)) = call.and_then(|call| Some((call, call.token.as_ref()?))) else {
            return self.note(Note::Dropped(Drop::UnownedProgress));
        };
        let params = params.map(|params| params.with_progress_token(token));
        let outlet = call.reply.clone();
        let message = Notification { method: notification.method, params };
        self.extend(id.unwrap_or_default(), now);
        self.deliver(&outlet, Message::Notification(message));
    }

    /// Log messages carry no link to a call. One goes to the only open call, else to the only
    /// session; where there are several of both it is nobody's, and never broadcast.
    fn logged(&mut self, notification: Notification) {
        let only_call = if self.client_calls == 1 {
            self.calls.values().find_map(|call| match &call.kind {
                CallKind::Client(call) => Some((Arc::clone(&call.session), call.reply.clone())),
                _ => None,
            })
        } else {
            None
        };
        let only_session = || {
            let mut sessions = self.sessions.values();
            match (sessions.next(), sessions.next()) {
                (Some(session), None) => Some((Arc::clone(session), session.outlet().clone())),
                _ => None,
            }
        };
        let Some((session, outlet)) = only_call.or_else(only_session) else {
            return self.note(Note::Dropped(Drop::UnownedLog));
        };
        let level = notification.params.as_ref().and_then(Params::level);
        let level = level.as_deref().and_then(LogLevel::parse);
        if matches!(self.role, Role::Main) && !self.wants(&session, level) {
            return; // Another session asked for more than this one.
        }
        self.deliver(&outlet, Message::Notification(notification));
    }

    fn wants(&self, session: &crate::connection::Session, level: Option<LogLevel>) -> bool {
        let Some(level) = level else { return true };
        match (session.log_level(), self.level_sent) {
            (Some(wanted), _) => level >= wanted,
            // It never asked. Before anybody did, the child decides; after that, the usual level.
            (None, Some(_)) => level >= LogLevel::Info,
            (None, None) => true,
        }
    }

    fn updated(&mut self, notification: &Notification) {
        let uri = notification.params.as_ref().and_then(Params::uri);
        let receivers = match (&self.role, uri) {
            (Role::Own(session), _) => vec![Arc::clone(session)],
            (_, Some(uri)) => self.subscribers_of(&uri),
            (_, None) => Vec::new(),
        };
        if receivers.is_empty() {
            return self.note(Note::Dropped(Drop::NotForwarded));
        }
        for session in receivers {
            self.deliver(session.outlet(), Message::Notification(notification.clone()));
        }
    }

    fn list_changed(&mut self, notification: &Notification) {
        let sessions: Vec<_> = self.sessions.values().cloned().collect();
        for session in sessions {
            let sent = session.outlet().deliver_once(Message::Notification(notification.clone()));
            self.count(sent);
        }
    }

    fn elicitation_complete(&mut self, notification: Notification) {
        let id = notification.params.as_ref().and_then(Params::elicitation_id);
        let found = self.elicitations.iter().position(|e| Some(&e.id) == id.as_ref());
        let Some(elicitation) = found.and_then(|at| self.elicitations.remove(at)) else {
            return self.note(Note::Dropped(Drop::NotForwarded));
        };
        self.deliver(elicitation.session.outlet(), Message::Notification(notification));
    }

    /// A notification nobody knows. With one session there is no doubt whose it is.
    fn uncorrelated(&mut self, notification: Notification) {
        let mut sessions = self.sessions.values();
        let (Some(session), None) = (sessions.next(), sessions.next()) else {
            return self.note(Note::Dropped(Drop::NotForwarded));
        };
        let outlet = session.outlet().clone();
        self.deliver(&outlet, Message::Notification(notification));
    }

    fn deliver(&mut self, outlet: &Outlet, message: Message) {
        let sent = outlet.deliver(message);
        self.count(sent);
    }

    fn count(&mut self, sent: Result<(), Undelivered>) {
        match sent {
            Ok(()) => {}
            Err(Undelivered::Closed) => self.note(Note::Dropped(Drop::NoReceiver)),
            Err(Undelivered::Lagged | Undelivered::Exhausted) => {
                self.note(Note::Dropped(Drop::SlowClient));
            }
        }
    }
}
