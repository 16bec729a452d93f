//! Modern clients and modern children, for the tests of all four combinations.

use std::sync::Arc;

use bytes::Bytes;

use super::harness::*;
use crate::connection::{Session, SessionProfile};
use crate::message::parse;
use crate::mux::{Note, Role};
use crate::protocol::{ClientCapabilities, LogLevel, ProtocolVersion};
use crate::service::EraChoice;

/// What the fake modern child says of itself.
pub(super) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"extensions":{"x/y":{}}},"instructions":"be kind","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"2"}}}"#;

/// One modern request, and what its client reads.
pub(super) struct Asker {
    pub(super) session: Arc<Session>,
    pub(super) stream: Stream,
}

impl Asker {
    /// Answers a question, as a transport does for a call that is made again.
    pub(super) fn answer(&self, h: &mut Harness, number: u64, result: &str) -> bool {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{result}}}"#);
        let message = parse(&Bytes::from(text.clone())).expect("a good answer");
        let crate::message::Message::Response(response) = &message else { panic!("{text}") };
        let Some(asked_by) = self.session.take_question(&response.id) else { return false };
        let body = h.world.bodies.take(text.len());
        asked_by.send(&self.session, message, self.session.outlet(), body).expect("room");
        h.pump();
        true
    }

    /// The client closes its connection.
    pub(super) fn leave(&self, h: &mut Harness) {
        self.session.end();
        h.pump();
    }
}

/// What a modern request can be asked and wants to hear.
#[derive(Clone, Copy)]
pub(super) struct Wants {
    pub(super) can: ClientCapabilities,
    pub(super) level: Option<LogLevel>,
}

/// Nothing at all.
pub(super) const SILENT: Wants = Wants { can: NOTHING, level: None };
/// Any question.
pub(super) const ASKABLE: Wants = Wants { can: EVERYTHING, level: None };
/// Log messages from `info` on.
pub(super) const LOGGED: Wants = Wants { can: NOTHING, level: Some(LogLevel::Info) };

impl Harness {
    /// A shared process whose child is a modern one, ready.
    pub(super) fn modern_main() -> Self {
        let mut h = Self::with(&Arc::new(World::new()), Role::Main, |s| s.era = EraChoice::Auto);
        h.start_modern();
        h
    }

    /// Launches a child that answers `server/discover`; it acknowledges what is listened to at once.
    pub(super) fn start_modern(&mut self) {
        self.mux.child_started(self.now);
        let asked = self.sent_one();
        assert_eq!(method_of(&asked), "server/discover");
        let id = id_of(&asked);
        self.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{DISCOVERED}}}"#));
        assert!(self.mux.is_ready());
        self.mux.notes.retain(|note| !matches!(note, Note::Ready));
    }

    /// The child acknowledges the newest of our own requests for notifications; its id.
    pub(super) fn acknowledge_upstream(&mut self) -> u64 {
        let sent = self.sent();
        let ours = |line: &&String| line.contains(r#"clientInfo":{"name":"standpipe""#);
        let mut listens = sent.iter().filter(|line| method_of(line) == "subscriptions/listen");
        let line = listens.rfind(ours).expect("it was asked for notifications");
        let (id, wanted) = (id_of(line), &json(line)["params"]["notifications"]);
        self.tell(id, "subscriptions/acknowledged", &format!(r#""notifications":{wanted}"#));
        id
    }

    /// The child sends a notification on the stream of the request with this id.
    pub(super) fn tell(&mut self, id: u64, method: &str, params: &str) {
        let comma = if params.is_empty() { "" } else { "," };
        self.child(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}{comma}{params}}}}}"#
        ));
    }

    /// Sends a modern request; `members` are those of `params` besides `_meta`, each after a comma.
    pub(super) fn modern(&mut self, wants: Wants, id: &str, method: &str, members: &str) -> Asker {
        self.modern_with(wants, id, method, members, "")
    }

    /// As above, with more members of `_meta`.
    pub(super) fn modern_with(
        &mut self,
        wants: Wants,
        id: &str,
        method: &str,
        members: &str,
        meta: &str,
    ) -> Asker {
        let (outlet, stream) = self.world.stream();
        let profile = SessionProfile::new(ProtocolVersion::V2026_07_28, wants.can);
        let declared = profile.declared.as_str().to_owned();
        let session = Session::new(self.world.gate.clone(), profile, outlet.clone());
        let mut level = String::new();
        if let Some(wanted) = wants.level {
            session.set_log_level(wanted);
            level = format!(r#","io.modelcontextprotocol/logLevel":"{}""#, wanted.as_str());
        }
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{declared}{level}{meta}}}{members}}}}}"#
        );
        let body = self.world.bodies.take(text.len());
        let message = parse(&Bytes::from(text)).expect("a good message");
        self.inbox.send(&session, message, &outlet, body).expect("room");
        drop(outlet);
        self.pump();
        Asker { session, stream }
    }

    pub(super) fn modern_call(&mut self, wants: Wants, id: &str, tool: &str) -> Asker {
        self.modern(wants, id, "tools/call", &format!(r#","name":"{tool}""#))
    }

    pub(super) fn modern_listen(&mut self, id: &str, notifications: &str) -> Asker {
        let members = format!(r#","notifications":{notifications}"#);
        self.modern(SILENT, id, "subscriptions/listen", &members)
    }

    /// The child answers.
    pub(super) fn result(&mut self, id: u64, result: &str) {
        self.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    }

    /// The child answers with an error.
    pub(super) fn error(&mut self, id: u64, code: i32) {
        self.child(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"m"}}}}"#
        ));
    }

    /// The child asks something.
    pub(super) fn asks(&mut self, id: u64, method: &str, params: &str) {
        self.child(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#
        ));
    }
}
