//! The child of the histories: it knows for whom it works, and goes on for a while with what was
//! cancelled.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use super::super::harness::{Harness, json};
use super::Reply;
use crate::mux::abandoned::ABANDONED_FOR;

/// A call that the child has read and not answered.
pub(super) struct Working {
    pub(super) id: u64,
    /// `s<session>-<request>`; none for what several sessions may share.
    pub(super) tag: Option<String>,
    pub(super) token: Option<Value>,
    pub(super) is_tool: bool,
    cancelled: Option<Instant>,
}

/// A question of the child.
pub(super) struct Asked {
    /// For whose call.
    session: String,
    withdrawn: bool,
    answers: usize,
}

#[derive(Default)]
pub(super) struct FakeChild {
    pub(super) works: Vec<Working>,
    pub(super) asked: BTreeMap<u64, Asked>,
    next_question: u64,
}

impl FakeChild {
    /// Takes in a line, and checks that it is for this child to read.
    pub(super) fn read(&mut self, line: &str, now: Instant) {
        let message = json(line);
        let id = message["id"].as_u64();
        let params = &message["params"];
        match (message["method"].as_str(), id) {
            (Some("notifications/cancelled"), _) => {
                let id = params["requestId"].as_u64();
                let call = self.works.iter_mut().find(|call| Some(call.id) == id);
                if let Some(call) = call {
                    call.cancelled = Some(now);
                }
            }
            (Some(method), Some(id)) => {
                assert!(self.works.iter().all(|call| call.id != id), "used before: {line}");
                self.works.push(Working {
                    id,
                    tag: params["tag"].as_str().map(str::to_owned),
                    token: params["_meta"].get("progressToken").cloned(),
                    is_tool: method == "tools/call",
                    cancelled: None,
                });
            }
            (Some(_), None) => {}
            (None, id) => self.answered(id.expect("we wrote the id"), &message),
        }
    }

    fn answered(&mut self, id: u64, message: &Value) {
        let Some(asked) = self.asked.get_mut(&id) else {
            return; // To some nonsense.
        };
        asked.answers += 1;
        assert_eq!(asked.answers, 1, "question {id} was answered again: {message}");
        if let Some(by) = message["result"]["by"].as_str() {
            assert_eq!(by, asked.session, "somebody else answered question {id}");
        }
    }

    /// What it forgets as time passes.
    pub(super) fn pass(&mut self, now: Instant) {
        self.works.retain(|call| call.cancelled.is_none_or(|at| at + ABANDONED_FOR > now));
    }

    pub(super) fn reply(&mut self, h: &mut Harness, call: usize, how: Reply) {
        if self.works.is_empty() {
            return;
        }
        let call = self.works.remove(call % self.works.len());
        let (id, tag) =
            (call.id, call.tag.map_or("{}".into(), |tag| format!(r#"{{"tag":"{tag}"}}"#)));
        let result = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{tag}}}"#);
        match how {
            Reply::Result => h.child(&result),
            Reply::Twice => {
                h.child(&result);
                h.child(&result);
            }
            Reply::Error => h.child(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32002,"message":"m","data":{tag}}}}}"#
            )),
            Reply::Malformed => {
                h.child(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{tag},"result":{tag}}}"#));
            }
            Reply::Oversized => {
                let id = bytes::Bytes::from(id.to_string());
                h.mux.oversized(Some(&id), 1 << 20, h.now);
            }
        }
    }

    /// Asks something because of one of the calls that it works on.
    pub(super) fn ask(&mut self, h: &mut Harness, call: usize, method: &str) {
        let tools: Vec<_> = self.works.iter().filter(|call| call.is_tool).collect();
        if tools.is_empty() {
            return;
        }
        let tag = tools[call % tools.len()].tag.clone().expect("each of them has one");
        let id = 1_000_000 + self.next_question;
        self.next_question += 1;
        let session = tag.split('-').next().unwrap_or_default().to_owned();
        self.asked.insert(id, Asked { session, withdrawn: false, answers: 0 });
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"tag":"{tag}"}}}}"#
        ));
    }

    pub(super) fn withdraw(&mut self, h: &mut Harness, which: usize) {
        let open = self.asked.iter_mut().filter(|(_, asked)| asked.answers == 0);
        let mut open: Vec<_> = open.collect();
        if open.is_empty() {
            return;
        }
        let which = which % open.len();
        let (id, asked) = &mut open[which];
        asked.withdrawn = true;
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
    }

    pub(super) fn progress(&self, h: &mut Harness, call: usize) {
        let calls =
            self.works.iter().filter_map(|call| Some((call.tag.as_ref()?, call.token.as_ref()?)));
        let calls: Vec<_> = calls.collect();
        if calls.is_empty() {
            return;
        }
        let (tag, token) = calls[call % calls.len()];
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"tag":"{tag}"}}}}"#
        ));
    }

    pub(super) fn log(&self, h: &mut Harness, call: usize) {
        let tags: Vec<_> = self.works.iter().filter_map(|call| call.tag.as_ref()).collect();
        if tags.is_empty() {
            return;
        }
        let tag = tags[call % tags.len()];
        h.child(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"error","tag":"{tag}"}}}}"#
        ));
    }

    /// Lines that are wrong in one way or another, with the number of an open call in them.
    pub(super) fn nonsense(&self, h: &mut Harness, call: usize, which: usize) {
        let id = self.works.get(call % self.works.len().max(1)).map_or(7, |call| call.id);
        let line = [
            r#"{"jsonrpc":"2.0","id":ID,"method":"x","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":"ID","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":ID000000000,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"ID"}}"#,
            r#"{"jsonrpc":"2.0","id":ID,"method":"elicitation/create","params":{"uri":1,"uri":2}}"#,
        ][which];
        h.child(&line.replace("ID", &id.to_string()));
    }

    /// Every question has had its answer.
    pub(super) fn is_answered(&self) {
        for (id, asked) in &self.asked {
            assert!(asked.withdrawn || asked.answers == 1, "question {id} was not answered");
        }
    }
}
