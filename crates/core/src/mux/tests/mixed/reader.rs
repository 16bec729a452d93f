//! What the clients of the mixed histories read, message by message.

use super::super::eras::Asker;
use super::super::harness::*;

/// A call of a client of either era, or a stream of a modern one.
pub(super) struct Sent {
    pub(super) kind: Kind,
    pub(super) id: usize,
    /// What the tags of its client begin with.
    pub(super) owner: String,
    pub(super) tag: Option<String>,
    pub(super) token: bool,
    /// Open questions, by their numbers.
    pub(super) questions: Vec<u64>,
    pub(super) finals: usize,
    /// Its client does not want it any more.
    pub(super) left: bool,
}

pub(super) enum Kind {
    /// Of the session with this number.
    Legacy {
        session: usize,
        stream: Stream,
    },
    Modern {
        asker: Asker,
        can: bool,
        level: bool,
    },
    Listen {
        asker: Asker,
        acknowledged: Option<serde_json::Value>,
        tools: bool,
        uri: Option<usize>,
    },
}

impl Sent {
    /// Reads everything that is there.
    pub(super) fn look(&mut self) {
        let all = match &mut self.kind {
            Kind::Legacy { stream, .. } => stream.all(),
            Kind::Modern { asker, .. } | Kind::Listen { asker, .. } => asker.stream.all(),
        };
        for text in all {
            // A session that is over is told of its questions after its answers.
            let late = matches!(self.kind, Kind::Legacy { .. })
                && method_of(&text) == "notifications/cancelled";
            assert!(late || self.finals == 0, "{:?} got after its answer: {text}", self.tag);
            assert!(!self.left || !text.contains("\"result\""), "{:?} has gone: {text}", self.tag);
            let message = json(&text);
            if message.get("method").is_none() {
                self.finals += 1;
                assert_eq!(message["id"], self.id, "{text}");
                self.is_own(&text);
                continue;
            }
            self.got(&text, &message);
        }
    }

    fn is_own(&self, text: &str) {
        for tag in tags(text) {
            assert_eq!(Some(tag), self.tag.as_deref(), "{text}");
        }
    }

    fn got(&mut self, text: &str, message: &serde_json::Value) {
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let params = &message["params"];
        self.is_own_session(text);
        match (&*method, &mut self.kind) {
            ("notifications/progress", Kind::Legacy { .. } | Kind::Modern { .. }) => {
                assert!(self.token && params["progressToken"] == "p", "{text}");
                self.is_own(text);
            }
            ("notifications/message", Kind::Modern { level, .. }) => assert!(*level, "{text}"),
            ("notifications/message", Kind::Legacy { .. }) => {}
            ("elicitation/create", Kind::Modern { can, .. }) => {
                assert!(*can, "{text}");
                self.questions.push(id_of(text));
                self.is_own(text);
            }
            ("elicitation/create", Kind::Legacy { .. }) => self.questions.push(id_of(text)),
            ("notifications/cancelled", Kind::Legacy { .. } | Kind::Modern { .. }) => {
                let number = params["requestId"].as_u64();
                self.questions.retain(|question| Some(*question) != number);
            }
            (method, Kind::Listen { acknowledged, tools, uri, .. }) => {
                let mark = &params["_meta"]["io.modelcontextprotocol/subscriptionId"];
                assert_eq!(*mark, self.id, "{text}");
                match method {
                    "notifications/subscriptions/acknowledged" => {
                        assert!(acknowledged.is_none(), "promised twice: {text}");
                        *acknowledged = Some(params["notifications"].clone());
                    }
                    "notifications/tools/list_changed" => {
                        assert!(*tools && acknowledged.is_some(), "{text}");
                    }
                    "notifications/resources/updated" => {
                        assert!(acknowledged.is_some(), "{text}");
                        let wanted = uri.map(|uri| format!("u:{uri}"));
                        assert_eq!(params["uri"].as_str(), wanted.as_deref(), "{text}");
                    }
                    _ => panic!("a listener got {text}"),
                }
            }
            _ => panic!("{:?} got {text}", self.tag),
        }
    }

    /// A question, or a log message, may be of another call of the same session.
    fn is_own_session(&self, text: &str) {
        for tag in tags(text) {
            assert_eq!(tag.split('-').next(), Some(&*self.owner), "{text}");
        }
    }
}

/// All tags in a message.
pub(super) fn tags(text: &str) -> Vec<&str> {
    let parts = text.split("\"tag\":\"").skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}
