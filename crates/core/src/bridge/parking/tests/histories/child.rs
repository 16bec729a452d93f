//! The child of the histories: it asks for the calls that it works on, and for no others.

use serde_json::Value;

use super::world::{World, json};
use crate::fault::FaultKind;

const SERVER: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"serverInfo":{"name":"s","version":"1"}}"#;

/// What the child knows of a question of its own.
pub(super) struct Asked {
    tag: String,
    pub(super) withdrawn: bool,
    pub(super) answers: usize,
}

impl World {
    pub(super) fn start(&mut self) {
        self.mux.child_started(self.now);
        let opened = self.lines();
        let id = json(&opened[0])["id"].as_u64().expect("a number of ours");
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{SERVER}}}"#));
        assert!(self.mux.is_ready());
        self.read();
    }

    pub(super) fn read(&mut self) {
        for line in self.lines() {
            let message = json(&line);
            match (message["method"].as_str(), message["id"].as_u64()) {
                (Some("tools/call"), Some(id)) => {
                    let tag = message["params"]["arguments"]["tag"].as_str().expect("a tag");
                    self.works.push((id, tag.to_owned()));
                }
                (Some("notifications/cancelled"), _) => {
                    let id = message["params"]["requestId"].as_u64();
                    self.works.retain(|(work, _)| Some(*work) != id);
                }
                (Some(_), Some(id)) => {
                    self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
                }
                (Some(_), None) => {}
                (None, id) => self.answered(id.expect("one of the child's"), &message),
            }
        }
    }

    fn answered(&mut self, id: u64, message: &Value) {
        let asked = self.asked.get_mut(&id).expect("it was asked");
        asked.answers += 1;
        assert_eq!(asked.answers, 1, "question {id} was answered again");
        if let Some(by) = message["result"]["content"]["by"].as_str() {
            assert_eq!(by, asked.tag, "somebody else has answered");
        }
    }

    pub(super) fn ask(&mut self, which: usize) {
        self.read();
        if self.works.is_empty() {
            return;
        }
        let (_, tag) = &self.works[which % self.works.len()];
        self.nonce += 1;
        let id = 1_000_000 + self.nonce as u64;
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{{"message":"{tag}","requestedSchema":{{}}}}}}"#
        );
        self.asked.insert(id, Asked { tag: tag.clone(), withdrawn: false, answers: 0 });
        self.line(&text);
    }

    pub(super) fn withdraw(&mut self, which: usize) {
        let mut open: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, asked)| asked.answers == 0 && !asked.withdrawn)
            .map(|(id, _)| *id)
            .collect();
        open.sort_unstable();
        let Some(id) = open.get(which % open.len().max(1)) else { return };
        if let Some(asked) = self.asked.get_mut(id) {
            asked.withdrawn = true;
        }
        self.line(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
    }

    pub(super) fn reply(&mut self, which: usize) {
        if self.works.is_empty() {
            return;
        }
        let (id, tag) = self.works.swap_remove(which % self.works.len());
        self.line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tag":"{tag}"}}}}"#));
    }

    pub(super) fn die(&mut self) {
        self.mux.child_ended(FaultKind::ChildGone("exit status 1".into()));
        self.works.clear();
        self.asked.clear();
        self.pump();
        self.look();
        self.start();
    }
}
