//! What a child has said of itself, and how that is told to clients of either era.
//!
//! Owns the child's answer to `initialize` or `server/discover`, and the changes that are made to it
//! for each client. Must not know how the child came to say it.

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::message::{Member, RawJson, rewritten};
use crate::protocol::{Era, ProtocolVersion, meta, method};

/// What a child has said of itself, ready to be given to any client.
#[derive(Debug, Clone)]
pub struct Handshake {
    result: RawJson,
    kind: Kind,
    capabilities: RawJson,
    server_info: Option<RawJson>,
    instructions: Option<RawJson>,
    list_changed: Vec<&'static str>,
    logging: bool,
    subscribe: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    /// By `initialize`.
    Legacy {
        version: Option<ProtocolVersion>,
        version_at: Range<usize>,
        tasks_at: Option<Range<usize>>,
    },
    /// By `server/discover`.
    Modern,
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
    /// It is a modern one, and will not say more.
    #[error("the server refused `server/discover`: {0}")]
    DiscoverRefused(Arc<str>),
    /// It answered with something that is not a discover result.
    #[error("the server's answer to `server/discover` is not a valid result: {0}")]
    DiscoverInvalid(Arc<str>),
    /// It speaks only revisions that are newer than this program.
    #[error("the server speaks none of our revisions, only {0}")]
    NoCommonVersion(Arc<str>),
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, rename = "protocolVersion")]
    version: &'a RawValue,
    #[serde(borrow)]
    capabilities: &'a RawValue,
    #[serde(borrow, rename = "serverInfo")]
    server_info: Option<&'a RawValue>,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Discovered<'a> {
    #[serde(rename = "supportedVersions")]
    versions: Vec<String>,
    #[serde(borrow)]
    capabilities: &'a RawValue,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/serverInfo")]
    server_info: Option<&'a RawValue>,
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
    #[serde(default)]
    subscribe: bool,
}

impl Capabilities {
    fn list_changed(&self) -> Vec<&'static str> {
        let declares = |listed: &Option<Listed>| listed.as_ref().is_some_and(|l| l.list_changed);
        let lists = [
            (declares(&self.tools), method::TOOLS_LIST_CHANGED),
            (declares(&self.prompts), method::PROMPTS_LIST_CHANGED),
            (declares(&self.resources), method::RESOURCES_LIST_CHANGED),
        ];
        lists.into_iter().filter_map(|(is, name)| is.then_some(name)).collect()
    }

    fn subscribe(&self) -> bool {
        self.resources.as_ref().is_some_and(|resources| resources.subscribe)
    }
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
        let at = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let version_at =
            at(shape.version.get())..at(shape.version.get()) + shape.version.get().len();
        let tasks_at = member(shape.capabilities.get(), "tasks").map(|range| {
            let offset = at(shape.capabilities.get());
            range.start + offset..range.end + offset
        });
        Ok(Self {
            kind: Kind::Legacy { version: ProtocolVersion::parse(&version), version_at, tasks_at },
            capabilities: rewritten(shape.capabilities.get(), |name| name == "tasks", &[]),
            server_info: object(shape.server_info),
            instructions: string(shape.instructions),
            list_changed: capabilities.list_changed(),
            logging: capabilities.logging.is_some(),
            subscribe: capabilities.subscribe(),
            result,
        })
    }

    /// Reads a child's answer to `server/discover`.
    ///
    /// # Errors
    /// When it is not a result that a client could be given, or names no revision of ours.
    pub fn discovered(result: RawJson) -> Result<Self, HandshakeError> {
        let invalid =
            |error: serde_json::Error| HandshakeError::DiscoverInvalid(error.to_string().into());
        let found: Discovered<'_> = serde_json::from_str(result.as_str()).map_err(invalid)?;
        let ours = ProtocolVersion::V2026_07_28.as_str();
        if !found.versions.iter().any(|version| version == ours) {
            return Err(HandshakeError::NoCommonVersion(found.versions.join(", ").into()));
        }
        let capabilities: Capabilities =
            serde_json::from_str(found.capabilities.get()).map_err(invalid)?;
        Ok(Self {
            kind: Kind::Modern,
            capabilities: RawJson::copied(found.capabilities.get()),
            server_info: object(found.meta.and_then(|meta| meta.server_info)),
            instructions: string(found.instructions),
            list_changed: capabilities.list_changed(),
            logging: capabilities.logging.is_some(),
            subscribe: capabilities.subscribe(),
            result,
        })
    }

    /// The era that the child was opened in.
    pub fn era(&self) -> Era {
        match self.kind {
            Kind::Legacy { .. } => Era::Legacy,
            Kind::Modern => Era::Modern,
        }
    }

    /// The answer to the `initialize` of a client that speaks `client`: the revision is the older of
    /// the two, and `tasks` is not offered, since a shared child's tasks belong to all its clients.
    /// The rest is what the child said, byte for byte where it said it as an answer to `initialize`.
    pub fn result_for(&self, client: ProtocolVersion) -> RawJson {
        let Kind::Legacy { version, version_at, tasks_at } = &self.kind else {
            return self.bridged_result_for(client);
        };
        let old = self.result.as_bytes();
        let version = version.map_or(client, |child| child.min(client));
        let mut edits = vec![(version_at.clone(), format!("\"{version}\""))];
        edits.extend(tasks_at.clone().map(|range| (range, String::new())));
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

    /// As above, of what a modern child has said. Extensions are for modern clients; and log messages
    /// can always be asked for, as it is we who answer that.
    fn bridged_result_for(&self, client: ProtocolVersion) -> RawJson {
        let version = format!("\"{}\"", client.min(ProtocolVersion::LATEST_LEGACY));
        let logging: &[Member<'_>] = if self.logging { &[] } else { &[("logging", "{}")] };
        let hidden = |name: &str| matches!(name, "extensions" | "tasks");
        let capabilities = rewritten(self.capabilities.as_str(), hidden, logging);
        let nobody = r#"{"name":"unnamed","version":"0"}"#;
        let mut members: Vec<Member<'_>> = vec![
            ("protocolVersion", &version),
            ("capabilities", capabilities.as_str()),
            ("serverInfo", self.server_info.as_ref().map_or(nobody, RawJson::as_str)),
        ];
        members.extend(self.instructions.as_ref().map(|text| ("instructions", text.as_str())));
        rewritten("{}", |_| false, &members)
    }

    /// The answer to the `server/discover` of a modern client.
    pub fn discover_result(&self) -> RawJson {
        let ours = format!("[\"{}\"]", ProtocolVersion::V2026_07_28);
        let versions: Member<'_> = ("supportedVersions", &ours);
        if self.era() == Era::Modern {
            return rewritten(self.result.as_str(), |_| false, &[versions]);
        }
        let meta = self.server_info.as_ref().map(|info| {
            let info: Member<'_> = (meta::SERVER_INFO, info.as_str());
            rewritten("{}", |_| false, &[info])
        });
        let mut members: Vec<Member<'_>> = vec![
            ("resultType", "\"complete\""),
            versions,
            ("capabilities", self.capabilities.as_str()),
        ];
        members.extend(meta.as_ref().map(|meta| ("_meta", meta.as_str())));
        members.extend(self.instructions.as_ref().map(|text| ("instructions", text.as_str())));
        members.extend([("ttlMs", "0"), ("cacheScope", "\"private\"")]);
        rewritten("{}", |_| false, &members)
    }

    /// Which program the child is, as it says.
    pub fn server_info(&self) -> Option<&RawJson> {
        self.server_info.as_ref()
    }

    /// Whether the child tells of changed resources.
    pub fn subscribe(&self) -> bool {
        self.subscribe
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

fn object(raw: Option<&RawValue>) -> Option<RawJson> {
    raw.map(RawValue::get).filter(|text| text.starts_with('{')).map(RawJson::copied)
}

fn string(raw: Option<&RawValue>) -> Option<RawJson> {
    raw.map(RawValue::get).filter(|text| text.starts_with('"')).map(RawJson::copied)
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
