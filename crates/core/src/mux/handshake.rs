//! Opening a legacy child, and answering `initialize` for it.
//!
//! Owns what is declared to a child that many clients share, the result it gave, and the two
//! changes that are made to that result for each client. Must not know when a child is started.

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::calls::{Call, CallKind};
use super::{Mux, Note, Phase, Role};
use crate::message::{Id, Message, Outcome, Params, RawJson, Request};
use crate::protocol::{ProtocolVersion, method};

/// What a shared child is told that its client can do: all of it, since any client may.
const CAPABILITIES: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

/// The result of a child's `initialize`, ready to be given to any client.
#[derive(Debug, Clone)]
pub struct Handshake {
    result: RawJson,
    version: Option<ProtocolVersion>,
    version_at: Range<usize>,
    tasks_at: Option<Range<usize>>,
    list_changed: Vec<&'static str>,
    logging: bool,
}

/// Why a child's handshake failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// It answered with an error.
    #[error("the server refused `initialize`: {0}")]
    Refused(Arc<str>),
    /// It answered with something that is not an initialize result.
    #[error("the server's answer to `initialize` is not a valid result: {0}")]
    Invalid(Arc<str>),
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, rename = "protocolVersion")]
    version: &'a RawValue,
    #[serde(borrow)]
    capabilities: &'a RawValue,
}

#[derive(Deserialize, Default)]
struct Capabilities {
    logging: Option<serde::de::IgnoredAny>,
    tools: Option<Listed>,
    prompts: Option<Listed>,
    resources: Option<Listed>,
}

#[derive(Deserialize, Default)]
struct Listed {
    #[serde(rename = "listChanged", default)]
    list_changed: bool,
}

impl Handshake {
    /// Reads a child's answer to `initialize`.
    ///
    /// # Errors
    /// When it is not a result that a client could be given.
    pub fn read(result: RawJson) -> Result<Self, HandshakeError> {
        let invalid = |error: serde_json::Error| HandshakeError::Invalid(error.to_string().into());
        let text = result.as_str();
        let shape: Shape<'_> = serde_json::from_str(text).map_err(invalid)?;
        let version: String = serde_json::from_str(shape.version.get()).map_err(invalid)?;
        let capabilities: Capabilities =
            serde_json::from_str(shape.capabilities.get()).map_err(invalid)?;
        let declares = |listed: &Option<Listed>| listed.as_ref().is_some_and(|l| l.list_changed);
        let list_changed = [
            (declares(&capabilities.tools), method::TOOLS_LIST_CHANGED),
            (declares(&capabilities.prompts), method::PROMPTS_LIST_CHANGED),
            (declares(&capabilities.resources), method::RESOURCES_LIST_CHANGED),
        ];
        let at = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let version_at =
            at(shape.version.get())..at(shape.version.get()) + shape.version.get().len();
        let tasks_at = member(shape.capabilities.get(), "tasks").map(|range| {
            let offset = at(shape.capabilities.get());
            range.start + offset..range.end + offset
        });
        Ok(Self {
            version: ProtocolVersion::parse(&version),
            version_at,
            tasks_at,
            list_changed: list_changed
                .into_iter()
                .filter_map(|(is, name)| is.then_some(name))
                .collect(),
            logging: capabilities.logging.is_some(),
            result,
        })
    }

    /// The result for a client that speaks `client`: the revision is the older of the two, and
    /// `tasks` is not offered, since a shared child's tasks belong to all its clients. The rest is
    /// the child's, byte for byte.
    pub fn result_for(&self, client: ProtocolVersion) -> RawJson {
        let old = self.result.as_bytes();
        let version = self.version.map_or(client, |child| child.min(client));
        let mut edits = vec![(self.version_at.clone(), format!("\"{version}\""))];
        edits.extend(self.tasks_at.clone().map(|range| (range, String::new())));
        edits.sort_by_key(|(range, _)| range.start);
        let mut out = BytesMut::with_capacity(old.len() + 16);
        let mut from = 0;
        for (range, text) in edits {
            out.put_slice(&old[from..range.start]);
            out.put_slice(text.as_bytes());
            from = range.end;
        }
        out.put_slice(&old[from..]);
        RawJson::trusted(out.freeze())
    }

    /// The list-changed notifications that the child may send.
    pub fn list_changed(&self) -> &[&'static str] {
        &self.list_changed
    }

    /// Whether the child takes `logging/setLevel`.
    pub fn logging(&self) -> bool {
        self.logging
    }
}

/// Where a member stands in an object that has been parsed before, with the comma that goes with
/// it, so that cutting the range out leaves a valid object.
fn member(object: &str, name: &str) -> Option<Range<usize>> {
    let members: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(object).ok()?;
    let value = members.get(name)?.get();
    let value_at = value.as_ptr() as usize - object.as_ptr() as usize;
    // Backwards over white space, the colon and the name, to what stands before the member.
    let colon = object[..value_at].rfind(':')?;
    let name_end = object[..colon].rfind('"')?;
    let name_start = object[..name_end].rfind('"')?;
    let end = value_at + value.len();
    let before = object[..name_start].trim_end();
    if before.ends_with(',') {
        return Some(before.len() - 1..end);
    }
    let after = object[end..].trim_start();
    let skipped = object[end..].len() - after.len();
    if after.starts_with(',') {
        return Some(name_start..end + skipped + 1);
    }
    Some(name_start..end)
}

impl Mux {
    pub(super) fn begin_handshake(&mut self) {
        if matches!(self.role, Role::Own(_)) {
            self.forward_opening();
            return;
        }
        let capabilities = if self.settings.interactive { CAPABILITIES } else { "{}" };
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{capabilities},"clientInfo":{{"name":"standpipe","version":"{}"}}}}"#,
            ProtocolVersion::LATEST_LEGACY,
            env!("CARGO_PKG_VERSION"),
        );
        let params = Params::opaque(RawJson::trusted(Bytes::from(params)));
        let id = self.fresh_id();
        self.calls.insert(id, Call::ours(CallKind::Handshake));
        let request = Request {
            id: Id::from_number(id),
            method: method::INITIALIZE.into(),
            params: Some(params),
        };
        self.outgoing.push(Message::Request(request), None, None);
    }

    pub(super) fn handshake_answered(&mut self, outcome: Outcome, now: Instant) {
        let read = match outcome {
            Outcome::Result(result) => Handshake::read(result),
            Outcome::Error(error) => Err(HandshakeError::Refused(error.as_str().into())),
        };
        match read {
            Ok(handshake) => {
                let again = self.handshake.replace(handshake).is_some();
                self.outgoing.push(Message::notification(method::INITIALIZED, None), None, None);
                self.phase = Phase::Ready;
                self.note(Note::Ready);
                self.restore(again, now);
            }
            Err(error) => self.note(Note::HandshakeFailed(error)),
        }
    }

    /// After a restart: sets up again what the sessions had set up, and tells them to look again.
    fn restore(&mut self, again: bool, now: Instant) {
        // Sessions that another process served before are told too.
        let again = again || !self.sessions.is_empty();
        if let Role::Side(owner) = &self.role {
            let owner = Arc::clone(owner);
            if !self.attach(&owner, now) {
                return self.note(Note::Vacant);
            }
        }
        self.restore_level(now);
        self.resubscribe(now);
        if !again {
            return;
        }
        let changed = self.handshake.as_ref().map_or(&[][..], |h| &h.list_changed[..]);
        for session in self.sessions.values() {
            for name in changed {
                let _gone = session.outlet().deliver_once(Message::notification(name, None));
            }
        }
    }
}
