//! A legacy client in front of a modern child (2025-11-25 and older before 2026-07-28).
//!
//! Owns what is added to a request, how a result that asks for input is read, and how the call is
//! made again with the answers. Must not know how the client is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connection::SessionProfile;
use crate::message::{Id, Member, Params, RawJson, member_of, rewritten};
use crate::protocol::{LogLevel, ProtocolVersion, meta, method};

/// The most questions in one result that are put to a client.
const MAX_REQUESTS: usize = 64;

/// What a modern child must not hear of from a client that cannot be asked, or not be asked here.
const ASKING: [&str; 3] = ["sampling", "elicitation", "roots"];

/// What a client declared, in the words of 2026-07-28: `tasks` has become an extension of another
/// shape. Without what can be asked where the service asks nobody.
pub(crate) fn declared(profile: &SessionProfile, interactive: bool) -> RawJson {
    let hidden = |name: &str| name == "tasks" || (!interactive && ASKING.contains(&name));
    rewritten(profile.declared.as_str(), hidden, &[])
}

/// What a modern client declared, where the service asks nobody.
pub(crate) fn silenced(profile: &SessionProfile) -> RawJson {
    rewritten(profile.declared.as_str(), |name| ASKING.contains(&name), &[])
}

/// The parameters of a legacy client's request as a modern child wants them: with everything in
/// `_meta` that the client said once and for all.
pub(crate) fn forwarded(
    params: Option<&Params>,
    profile: &SessionProfile,
    interactive: bool,
    level: LogLevel,
    token: Option<&Id>,
) -> Params {
    let version = format!("\"{}\"", ProtocolVersion::V2026_07_28);
    let level = format!("\"{}\"", level.as_str());
    let declared = declared(profile, interactive);
    let mut put: Vec<Member<'_>> = vec![
        (meta::PROTOCOL_VERSION, &version),
        (meta::CLIENT_CAPABILITIES, declared.as_str()),
        (meta::LOG_LEVEL, &level),
    ];
    put.extend(profile.client_info.as_ref().map(|info| (meta::CLIENT_INFO, info.as_str())));
    put.extend(token.map(|token| (meta::PROGRESS_TOKEN, token.as_str())));
    match params {
        Some(params) => params.with_meta(|_| false, &put),
        None => Params::opaque(RawJson::empty_object()).with_meta(|_| false, &put),
    }
}

/// Whether a legacy client reaches nothing in a modern child by this method: tasks have another
/// shape there.
pub(crate) fn is_unknown(method: &str) -> bool {
    method.starts_with("tasks/")
        || matches!(method, method::SERVER_DISCOVER | method::SUBSCRIPTIONS_LISTEN)
}

/// A result that asks for more before the call can go on (2026-07-28, "Multi Round-Trip Requests").
#[derive(Debug)]
pub(crate) struct InputRequired {
    /// What is asked, by the child's own keys.
    pub(crate) requests: Vec<InputRequest>,
    /// What the child wants to get back, raw.
    pub(crate) state: Option<RawJson>,
}

/// One question in such a result.
#[derive(Debug)]
pub(crate) struct InputRequest {
    pub(crate) key: String,
    pub(crate) method: String,
    pub(crate) params: Option<RawJson>,
}

/// The result is one that asks for more, but not as the specification has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server asked for input in a form that cannot be read")]
pub(crate) struct Unreadable;

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "resultType", borrow)]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "inputRequests", borrow, default)]
    requests: Option<BTreeMap<String, Asked<'a>>>,
    #[serde(rename = "requestState", borrow)]
    state: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

impl InputRequired {
    /// Reads a result; `None` when it is a complete one.
    pub(crate) fn read(result: &RawJson) -> Option<Result<Self, Unreadable>> {
        // Nearly all results are complete, and many are long.
        memmem::find(result.as_bytes(), b"input_required")?;
        let kind: Kind<'_> = serde_json::from_str(result.as_str()).ok()?;
        if kind.kind.as_deref() != Some("input_required") {
            return None;
        }
        Some(Self::read_shape(result))
    }

    fn read_shape(result: &RawJson) -> Result<Self, Unreadable> {
        let shape: Shape<'_> = serde_json::from_str(result.as_str()).map_err(|_| Unreadable)?;
        let asked = shape.requests.unwrap_or_default();
        if asked.len() > MAX_REQUESTS || (asked.is_empty() && shape.state.is_none()) {
            return Err(Unreadable);
        }
        let is_object = |raw: &&RawValue| raw.get().starts_with('{');
        if !asked.values().all(|asked| asked.params.as_ref().is_none_or(is_object)) {
            return Err(Unreadable);
        }
        let requests = asked.into_iter().map(|(key, asked)| InputRequest {
            key,
            method: asked.method.into_owned(),
            params: asked.params.map(|params| RawJson::copied(params.get())),
        });
        let state = shape.state.map(|state| RawJson::copied(state.get()));
        Ok(Self { requests: requests.collect(), state })
    }
}

/// The parameters of a question as a legacy client wants them. A page to be visited has an id there
/// (2025-11-25, "URL Mode Elicitation Requests"), which 2026-07-28 has no more: it gets `id`.
pub(crate) fn asked(method: &str, params: Option<RawJson>, id: &str) -> Option<Params> {
    let params = params?;
    let mode = member_of(params.as_str(), "mode");
    let mode = mode.and_then(|mode| serde_json::from_str::<String>(mode).ok());
    let is_page = method == method::ELICITATION_CREATE && mode.as_deref() == Some("url");
    let params = Params::opaque(params);
    if !is_page || member_of(params.raw().as_str(), "elicitationId").is_some() {
        return Some(params);
    }
    let id = RawJson::string(id);
    Some(params.with_members(&[], &[("elicitationId", id.as_str())]))
}

/// The parameters of the same call, made again with the answers to what was asked.
pub(crate) fn called_again(
    params: &Params,
    answers: &[(String, RawJson)],
    state: Option<&RawJson>,
) -> Params {
    let answers: Vec<Member<'_>> =
        answers.iter().map(|(key, answer)| (&**key, answer.as_str())).collect();
    let responses = rewritten("{}", |_| false, &answers);
    let mut put: Vec<Member<'_>> = Vec::with_capacity(2);
    if !answers.is_empty() {
        put.push(("inputResponses", responses.as_str()));
    }
    put.extend(state.map(|state| ("requestState", state.as_str())));
    params.with_members(&["inputResponses", "requestState"], &put)
}
