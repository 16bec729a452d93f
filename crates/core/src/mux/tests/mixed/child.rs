//! The child of the mixed histories: of one era for its life, and it knows for whom it works.

use serde_json::Value;

use super::super::eras::DISCOVERED;
use super::super::harness::{Harness, SERVER, id_of, json, method_of};
use super::{Reply, Stream};

/// A call that the child has read and not answered.
pub(super) struct Working {
    id: u64,
    tag: Option<String>,
    token: Option<Value>,
    is_tool: bool,
    cancelled: bool,
}

/// A stream of notifications that a modern child was asked for.
struct Listening {
    id: u64,
    wanted: Value,
    acknowledged: bool,
}

#[derive(Default)]
pub(super) struct Child {
    pub(super) modern: bool,
    works: Vec<Working>,
    listens: Vec<Listening>,
    /// Questions of a legacy child, open: their ids, and for which call.
    asked: Vec<(u64, String)>,
    next_question: u64,
}

impl Child {
    /// Launches a child, which answers what it is asked until it serves.
    pub(super) fn start(h: &mut Harness, modern: bool) -> Self {
        h.mux.child_started(h.now);
        let mut child = Self { modern, next_question: 1_000_000, ..Self::default() };
        for _ in 0..4 {
            for line in h.sent() {
                child.open(h, &line);
            }
            if h.mux.is_ready() {
                return child;
            }
        }
        panic!("the child was not opened");
    }

    fn open(&mut self, h: &mut Harness, line: &str) {
        match (&*method_of(line), self.modern) {
            ("server/discover", true) => h.result(id_of(line), DISCOVERED),
            ("server/discover", false) => h.error(id_of(line), -32601),
            ("initialize", true) => h.error(id_of(line), -32022),
            ("initialize", false) => h.result(id_of(line), SERVER),
            _ => self.read(line),
        }
    }

    /// Takes in a line, and checks that it is for this child to read.
    pub(super) fn read(&mut self, line: &str) {
        let message = json(line);
        let (id, params) = (message["id"].as_u64(), &message["params"]);
        let version = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
        match (message["method"].as_str(), id) {
            (Some("notifications/cancelled"), _) => {
                let id = params["requestId"].as_u64();
                self.listens.retain(|listen| Some(listen.id) != id);
                if let Some(call) = self.works.iter_mut().find(|call| Some(call.id) == id) {
                    call.cancelled = true;
                }
            }
            (Some(method), Some(id)) => {
                assert_eq!(version.is_string(), self.modern, "not in its words: {line}");
                assert!(self.works.iter().all(|call| call.id != id), "used before: {line}");
                if method == "subscriptions/listen" {
                    let wanted = params["notifications"].clone();
                    return self.listens.push(Listening { id, wanted, acknowledged: false });
                }
                if !self.modern {
                    assert!(params.get("inputResponses").is_none(), "{line}");
                    assert!(params.get("requestState").is_none(), "{line}");
                }
                if let Some(answers) = params["inputResponses"].as_object() {
                    for answer in answers.values() {
                        assert_eq!(answer["tag"], params["tag"], "somebody else's answer: {line}");
                    }
                }
                self.works.push(Working {
                    id,
                    tag: params["tag"].as_str().map(str::to_owned),
                    token: params["_meta"].get("progressToken").cloned(),
                    is_tool: method == "tools/call",
                    cancelled: false,
                });
            }
            (Some(_), None) => {}
            (None, id) => {
                let id = id.expect("we wrote the id");
                let at = self.asked.iter().position(|(asked, _)| *asked == id);
                let Some(at) = at else {
                    assert!(self.modern || message["error"].is_object(), "answered again: {line}");
                    return;
                };
                let (_, tag) = self.asked.remove(at);
                if let Some(by) = message["result"]["tag"].as_str() {
                    assert_eq!(by, tag, "somebody else answered");
                }
            }
        }
    }

    pub(super) fn reply(&mut self, h: &mut Harness, call: usize, how: Reply) {
        if self.works.is_empty() {
            return;
        }
        let call = self.works.remove(call % self.works.len());
        let tag = call.tag.as_ref().map_or(String::new(), |tag| format!(r#","tag":"{tag}""#));
        match how {
            Reply::Input { questions } if self.modern && call.is_tool => {
                let asked: Vec<String> = (0..questions)
                    .map(|n| {
                        format!(r#""q{n}":{{"method":"elicitation/create","params":{{"n":{n}{tag}}}}}"#)
                    })
                    .collect();
                h.result(
                    call.id,
                    &format!(
                        r#"{{"resultType":"input_required","requestState":"s","inputRequests":{{{}}}{tag}}}"#,
                        asked.join(",")
                    ),
                );
            }
            Reply::Error => h.child(&format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32002,"message":"m","data":{{"x":1{tag}}}}}}}"#,
                call.id
            )),
            Reply::ToolError => {
                h.result(call.id, &format!(r#"{{"isError":true,"content":[]{tag}}}"#));
            }
            Reply::Result | Reply::Twice | Reply::Input { .. } => {
                let result = format!(r#"{{"content":[]{tag}}}"#);
                h.result(call.id, &result);
                if matches!(how, Reply::Twice) {
                    h.result(call.id, &result);
                }
            }
        }
    }

    fn tagged(&self, call: usize, which: impl Fn(&Working) -> bool) -> Option<&Working> {
        let open: Vec<_> =
            self.works.iter().filter(|call| call.tag.is_some() && which(call)).collect();
        (!open.is_empty()).then(|| open[call % open.len()])
    }

    pub(super) fn ask(&mut self, h: &mut Harness, call: usize) {
        // What was cancelled is not asked about: `histories` has children that do that.
        let found = self.tagged(call, |call| call.is_tool && !call.cancelled);
        let Some(tag) = found.and_then(|call| call.tag.clone()).filter(|_| !self.modern) else {
            return;
        };
        let id = self.next_question;
        self.next_question += 1;
        self.asked.push((id, tag.clone()));
        h.asks(id, "elicitation/create", &format!(r#"{{"tag":"{tag}"}}"#));
    }

    pub(super) fn withdraw(&mut self, h: &mut Harness, which: usize) {
        if self.asked.is_empty() {
            return;
        }
        let (id, _) = self.asked.remove(which % self.asked.len());
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
        // A refusal that was on its way is for nobody then.
        self.asked.retain(|(asked, _)| *asked != id);
    }

    pub(super) fn progress(&self, h: &mut Harness, call: usize) {
        let Some(call) = self.tagged(call, |call| call.token.is_some()) else { return };
        let (token, tag) = (call.token.as_ref(), call.tag.as_ref());
        let (Some(token), Some(tag)) = (token, tag) else { return };
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"tag":"{tag}"}}}}"#
        ));
    }

    /// Logs without saying for whom: a legacy child for anybody, a modern one for those who asked.
    pub(super) fn log(&self, h: &mut Harness, call: usize, asked: impl Fn(&str) -> bool) {
        let wants = |call: &Working| {
            !call.cancelled && (!self.modern || call.tag.as_deref().is_some_and(&asked))
        };
        let Some(tag) = self.tagged(call, wants).and_then(|call| call.tag.as_ref()) else {
            return;
        };
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"error","tag":"{tag}"}}}}"#
        ));
    }

    pub(super) fn tools_changed(&self, h: &mut Harness) {
        if !self.modern {
            return h.child(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
        }
        for listen in &self.listens {
            if listen.acknowledged && listen.wanted["toolsListChanged"] == true {
                h.tell(listen.id, "tools/list_changed", "");
            }
        }
    }

    pub(super) fn updated(&self, h: &mut Harness, uri: usize) {
        if !self.modern {
            return h.child(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"u:{uri}"}}}}"#
            ));
        }
        let uri = format!("u:{uri}");
        for listen in &self.listens {
            let uris = listen.wanted["resourceSubscriptions"].as_array();
            let wants = uris.is_some_and(|uris| uris.iter().any(|wanted| *wanted == *uri));
            if listen.acknowledged && wants {
                h.tell(listen.id, "resources/updated", &format!(r#""uri":"{uri}""#));
            }
        }
    }

    pub(super) fn stream(&mut self, h: &mut Harness, which: usize, how: Stream) {
        if self.listens.is_empty() {
            return;
        }
        let at = which % self.listens.len();
        let listen = &mut self.listens[at];
        let id = listen.id;
        match how {
            Stream::Acknowledge if listen.acknowledged => {}
            Stream::Acknowledge => {
                listen.acknowledged = true;
                let wanted = listen.wanted.to_string();
                h.tell(id, "subscriptions/acknowledged", &format!(r#""notifications":{wanted}"#));
            }
            Stream::End => {
                self.listens.remove(at);
                h.result(
                    id,
                    &format!(
                        r#"{{"resultType":"complete","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#
                    ),
                );
            }
            Stream::TearDown => {
                self.listens.remove(at);
                h.child(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
                ));
            }
        }
    }

    /// Nobody is left whose question waits, nor a stream that only a client can have wanted.
    pub(super) fn is_done(&self) {
        assert!(self.asked.is_empty(), "questions without an answer: {:?}", self.asked);
        let kinds = |listen: &Listening| listen.wanted.get("resourceSubscriptions").is_some();
        assert!(!self.listens.iter().any(kinds), "a stream for nobody");
    }
}
