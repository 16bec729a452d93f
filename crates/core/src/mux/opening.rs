//! Opening a child in the era it speaks (2026-07-28, "stdio: Backward Compatibility").
//!
//! Owns what a child is asked before it serves, in which order, and what its answers and its silence
//! say. A process serves one era once it has been opened. Must not know when a child is started, nor
//! what clients are told of it; see `handshake`.

use std::time::Duration;

use tokio::time::Instant;

use super::calls::{Call, CallKind, Opening};
use super::{Handshake, HandshakeError, Mux, Note, Phase, Role};
use crate::bridge::modern_client::code_of;
use crate::fault::FaultKind;
use crate::learnt::Known;
use crate::message::{Id, Message, Outcome, RawJson, Request, Response};
use crate::protocol::{Era, ProtocolVersion, code, meta, method};
use crate::service::EraChoice;

/// A child that says nothing for so long is taken for a legacy one, which waits for `initialize`. A
/// package that has to be fetched first takes most of it.
const SILENCE: Duration = Duration::from_secs(10);

/// What a shared child is told that its client can do: all of it, since any client may.
const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

/// How far the opening of a child has come.
#[derive(Debug, Default)]
pub(super) struct Stage {
    discover: Question,
    initialize: Question,
    /// When silence begins to mean something.
    silent_at: Option<Instant>,
    /// A child that was silent for too long has said after all that it is a modern one.
    late: Option<Box<Handshake>>,
    /// What was said first, in case that nothing better follows.
    refusal: Option<HandshakeError>,
    /// It was known from before that the child does not bear to be asked.
    spared: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Question {
    #[default]
    NotAsked,
    Open,
    Answered,
}

impl Stage {
    /// Whether `server/discover` is all that the child has been asked by us, and has not answered.
    pub(super) fn awaits_discover(&self) -> bool {
        self.discover == Question::Open && self.initialize == Question::NotAsked
    }
}

impl Mux {
    pub(super) fn begin_handshake(&mut self, now: Instant) {
        self.stage = Stage::default();
        let choice = self.settings.era;
        if matches!(self.role, Role::Own(_)) && choice != EraChoice::Modern {
            return self.forward_opening();
        }
        let known = self.learnt.opening(now);
        self.stage.spared = choice == EraChoice::Auto && known == Known::DiesOfProbe;
        match (choice, known) {
            (EraChoice::Legacy, _)
            | (EraChoice::Auto, Known::DiesOfProbe | Known::Era(Era::Legacy)) => self.initialize(),
            (EraChoice::Modern | EraChoice::Auto, _) => self.discover(now),
        }
    }

    fn discover(&mut self, now: Instant) {
        self.stage.discover = Question::Open;
        if self.settings.era == EraChoice::Auto && self.stage.initialize == Question::NotAsked {
            self.stage.silent_at = Some(now + SILENCE.min(self.settings.start_timeout / 2));
        }
        let call = Call::ours(CallKind::Discover);
        self.send_ours(call, method::SERVER_DISCOVER, Some(Self::own_params("")));
    }

    fn initialize(&mut self) {
        self.stage.initialize = Question::Open;
        self.stage.silent_at = None;
        let capabilities = if self.settings.interactive { CAPABILITIES } else { "{}" };
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{capabilities},"clientInfo":{}}}"#,
            ProtocolVersion::LATEST_LEGACY,
            own_info(),
        );
        let params = RawJson::trusted(params.into());
        self.send_ours(Call::ours(CallKind::Handshake), method::INITIALIZE, Some(params));
    }

    /// The parameters of a modern request of our own, with `more` members beside `_meta`.
    pub(super) fn own_params(more: &str) -> RawJson {
        let text = format!(
            r#"{{"_meta":{{"{}":"{}","{}":{{}},"{}":{}}}{more}}}"#,
            meta::PROTOCOL_VERSION,
            ProtocolVersion::V2026_07_28,
            meta::CLIENT_CAPABILITIES,
            meta::CLIENT_INFO,
            own_info(),
        );
        RawJson::trusted(text.into())
    }

    /// When silence begins to mean something.
    pub(super) fn silent_at(&self) -> Option<Instant> {
        self.stage.silent_at
    }

    /// The child has said nothing for long: it may be one that waits for `initialize`.
    pub(super) fn sweep_opening(&mut self, now: Instant) {
        if self.stage.silent_at.is_some_and(|at| at <= now) {
            self.initialize();
        }
    }

    pub(super) fn discovered(&mut self, outcome: Outcome, now: Instant) {
        self.stage.discover = Question::Answered;
        let refusal = match outcome {
            Outcome::Result(result) => match Handshake::discovered(result) {
                Ok(handshake) => return self.turned_out_modern(handshake, now),
                Err(error) => error,
            },
            Outcome::Error(error) => {
                let is_modern = is_modern(&error);
                let refusal = HandshakeError::DiscoverRefused(error.as_str().into());
                if is_modern {
                    // It speaks of revisions that came later: `initialize` would only confuse it.
                    return self.note(Note::HandshakeFailed(refusal));
                }
                refusal
            }
        };
        match self.stage.initialize {
            _ if self.settings.era == EraChoice::Modern => {
                self.note(Note::HandshakeFailed(refusal));
            }
            Question::NotAsked => {
                self.stage.refusal = Some(refusal);
                self.initialize();
            }
            Question::Open => self.stage.refusal = Some(refusal),
            Question::Answered => {
                let refusal = self.stage.refusal.take().unwrap_or(refusal);
                self.note(Note::HandshakeFailed(refusal));
            }
        }
    }

    fn turned_out_modern(&mut self, handshake: Handshake, now: Instant) {
        if self.stage.initialize == Question::Open {
            // Whether that opens it as a legacy one, its answer will tell.
            self.stage.late = Some(Box::new(handshake));
            return;
        }
        self.opened_as(handshake, now);
    }

    pub(super) fn handshake_answered(&mut self, outcome: Outcome, now: Instant) {
        self.stage.initialize = Question::Answered;
        let (error, is_modern) = match outcome {
            Outcome::Result(result) => match Handshake::read(result) {
                Ok(handshake) => {
                    let initialized = Message::notification(method::INITIALIZED, None);
                    self.outgoing.push(initialized, None, None);
                    return self.opened_as(handshake, now);
                }
                Err(error) => (error, false),
            },
            Outcome::Error(error) => {
                (HandshakeError::Refused(error.as_str().into()), is_modern(&error))
            }
        };
        if let Some(handshake) = self.stage.late.take() {
            return self.opened_as(*handshake, now);
        }
        match self.stage.discover {
            Question::Open if is_modern => self.stage.refusal = Some(error),
            Question::NotAsked if self.settings.era == EraChoice::Auto => {
                // What was known of it is wrong by now.
                self.learnt.forget_era();
                self.stage.refusal = Some(error);
                self.discover(now);
            }
            _ => self.note(Note::HandshakeFailed(error)),
        }
    }

    fn opened_as(&mut self, handshake: Handshake, now: Instant) {
        self.stage = Stage::default();
        self.learnt.answered_as(handshake.era(), now);
        self.learnt.tools_changed();
        let again = self.handshake.replace(handshake).is_some();
        self.phase = Phase::Ready;
        self.note(Note::Ready);
        if let Some(opening) = self.opening.take() {
            self.answer_opening(opening);
        }
        self.restore(again, now);
    }

    /// A child has ended, be it in the middle of this.
    pub(super) fn end_opening(&mut self, why: &FaultKind) {
        let stage = std::mem::take(&mut self.stage);
        if self.phase != Phase::Handshake || !matches!(why, FaultKind::ChildGone(_)) {
            return;
        }
        if stage.awaits_discover() {
            self.learnt.died_of_probe();
        } else if stage.spared {
            self.learnt.forget_era(); // It did not die of being asked.
        }
    }

    /// After a restart: sets up again what the sessions had set up, and tells them to look again.
    fn restore(&mut self, again: bool, now: Instant) {
        // Sessions that another process served before are told too.
        let again = again || !self.sessions.is_empty();
        if let Role::Side(owner) = &self.role {
            let owner = std::sync::Arc::clone(owner);
            if !self.attach(&owner, now) {
                return self.note(Note::Vacant);
            }
        }
        self.restore_level(now);
        self.resubscribe(now);
        self.resume_listens(now);
        if !again {
            return;
        }
        let changed = self.handshake.as_ref().map_or(&[][..], Handshake::list_changed);
        for session in self.sessions.values().filter(|session| session.era() == Era::Legacy) {
            for name in changed {
                let _gone = session.outlet().deliver_once(Message::notification(name, None));
            }
        }
    }

    /// A client's `initialize`, for a process of its own.
    pub(super) fn open_own(&mut self, opening: Opening, now: Instant) {
        let is_opening =
            |call: &Call| matches!(call.kind, CallKind::Opening(_) | CallKind::SecondTry(..));
        // A child that is opened as a modern one serves before its client has come.
        let served = self.phase == Phase::Ready
            && (self.child_era() == Era::Legacy || !self.sessions.is_empty());
        if self.opening.is_some() || served || self.calls.values().any(is_opening) {
            return self.refuse_second(&opening.reply, opening.request.id);
        }
        // Attached at once, so that the session's end is heard even before the child runs.
        if !self.attach(&opening.session, now) {
            self.note(Note::Vacant);
            return opening.fail(&self.fault(FaultKind::SessionOver));
        }
        if self.phase == Phase::Ready {
            return self.answer_opening(opening);
        }
        self.opening = Some(opening);
        if self.phase == Phase::Handshake && self.settings.era != EraChoice::Modern {
            self.forward_opening();
        }
    }

    /// A process of a session's own is opened with that client's own words.
    fn forward_opening(&mut self) {
        let Some(opening) = self.opening.take() else {
            return;
        };
        let id = self.fresh_id();
        let forwarded = Request {
            id: Id::from_number(id),
            method: method::INITIALIZE.into(),
            params: opening.request.params.clone(),
        };
        self.calls.insert(id, Call::ours(CallKind::Opening(opening)));
        self.outgoing.push(Message::Request(forwarded), None, None);
    }

    /// The child has answered a client's own `initialize`.
    pub(super) fn opening_answered(&mut self, opening: Opening, outcome: Outcome) {
        if let Outcome::Error(error) = outcome {
            if self.settings.era == EraChoice::Legacy {
                return self.opening_refused(opening, Outcome::Error(error));
            }
            // A modern child knows no `initialize`, and says so in whatever words. Also where it is
            // thought to die of being asked: something else may have killed the one that did, and the
            // refusal is kept for its client.
            self.stage.discover = Question::Open;
            let call = Call::ours(CallKind::SecondTry(opening, Outcome::Error(error)));
            self.send_ours(call, method::SERVER_DISCOVER, Some(Self::own_params("")));
            return;
        }
        // Not learnt: that it takes `initialize` does not say that it takes nothing newer.
        self.learnt.tools_changed();
        self.handshake = None;
        let answer = Response { id: opening.request.id, outcome };
        self.answer_client(&opening.reply, answer);
        self.phase = Phase::Ready;
        self.note(Note::Ready);
    }

    /// The child has answered what it was asked after it had refused `initialize` as `refusal` says.
    pub(super) fn second_try_answered(
        &mut self,
        opening: Opening,
        refusal: Outcome,
        outcome: Outcome,
        now: Instant,
    ) {
        self.stage.discover = Question::Answered;
        let handshake = match outcome {
            Outcome::Result(result) => Handshake::discovered(result).ok(),
            Outcome::Error(_) => None,
        };
        let Some(handshake) = handshake else {
            return self.opening_refused(opening, refusal);
        };
        self.opening = Some(opening);
        self.opened_as(handshake, now);
        self.refresh_upstream(now);
    }

    fn opening_refused(&mut self, opening: Opening, refusal: Outcome) {
        let why = match &refusal {
            Outcome::Error(error) => error.as_str().into(),
            Outcome::Result(result) => result.as_str().into(),
        };
        self.answer_client(&opening.reply, Response { id: opening.request.id, outcome: refusal });
        opening.session.end();
        self.note(Note::HandshakeFailed(HandshakeError::Refused(why)));
    }

    /// Answers `initialize` of what a modern child has said of itself.
    fn answer_opening(&mut self, opening: Opening) {
        let Some(handshake) = &self.handshake else { return };
        let result = handshake.result_for(opening.session.profile().version);
        self.answer_client(&opening.reply, Response::result(opening.request.id, result));
    }
}

fn own_info() -> String {
    format!(r#"{{"name":"standpipe","version":"{}"}}"#, env!("CARGO_PKG_VERSION"))
}

fn is_modern(error: &RawJson) -> bool {
    code_of(error).and_then(|code| i32::try_from(code).ok()).is_some_and(code::is_modern)
}
