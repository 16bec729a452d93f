//! A modern client in front of a legacy child (2026-07-28 before 2025-11-25).
//!
//! Owns what is taken out of a request, what is added to an answer, and which errors have another
//! number. Must not know which call a message belongs to.

use memchr::memmem;
use serde::Deserialize;

use crate::message::{Id, Outcome, Params, RawJson, error_object, rewritten};
use crate::protocol::{code, meta, method};

/// How long an answer of a child that says nothing about it may be kept, in milliseconds: not at all.
const TTL: &str = "0";

/// What only modern servers know how to read in parameters.
const MODERN_PARAMS: [&str; 2] = ["requestState", "inputResponses"];

/// The parameters as a legacy child can read them: `_meta` without what it cannot know, with the
/// progress token replaced where there is one.
pub(crate) fn forwarded(params: &Params, token: Option<&Id>) -> Params {
    let put = token.map(|token| (meta::PROGRESS_TOKEN, token.as_str()));
    let stripped = params.with_meta(|name| name.starts_with(meta::PREFIX), put.as_slice());
    if params.input_responses().is_none() && params.request_state().is_none() {
        return stripped;
    }
    stripped.with_members(&MODERN_PARAMS, &[])
}

/// Whether a method is one that a modern client must not reach in a legacy child: it has been removed,
/// or is about tasks, which belong to the whole process there and have another shape here.
pub(crate) fn is_unknown(method: &str) -> bool {
    method::was_removed(method) || method.starts_with("tasks/")
}

/// An answer of a legacy child for a modern client. `server_info` names the child.
pub(crate) fn answered(method: &str, outcome: Outcome, server_info: Option<&RawJson>) -> Outcome {
    match outcome {
        Outcome::Result(result) => Outcome::Result(decorated(method, &result, server_info)),
        Outcome::Error(error) => Outcome::Error(renumbered(error)),
    }
}

/// A result with the members that 2026-07-28 requires. Those that are there already stay.
fn decorated(method: &str, result: &RawJson, server_info: Option<&RawJson>) -> RawJson {
    let text = result.as_str();
    let Some(rest) = text.strip_prefix('{') else {
        return result.clone(); // Not a result at all; the client will say so.
    };
    let has = |name: &str| memmem::find(text.as_bytes(), name.as_bytes()).is_some();
    let cacheable = method::is_cacheable(method);
    let meta = server_info.map(|info| format!("{{\"{}\":{}}}", meta::SERVER_INFO, info.as_str()));
    let clash =
        has("\"_meta\"") || has("\"resultType\"") || has("\"ttlMs\"") || has("\"cacheScope\"");
    if clash {
        return redecorated(text, cacheable, server_info);
    }
    let mut out = String::with_capacity(text.len() + 128);
    out.push_str("{\"resultType\":\"complete\"");
    if cacheable {
        out.push_str(",\"ttlMs\":");
        out.push_str(TTL);
        out.push_str(",\"cacheScope\":\"private\"");
    }
    if let Some(meta) = meta {
        out.push_str(",\"_meta\":");
        out.push_str(&meta);
    }
    if !rest.trim_start().starts_with('}') {
        out.push(',');
    }
    out.push_str(rest);
    RawJson::trusted(out.into())
}

/// The few members that are looked at, whatever else a result has.
#[derive(Deserialize)]
struct Decoration<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a serde_json::value::RawValue>,
    #[serde(rename = "resultType")]
    kind: Option<serde::de::IgnoredAny>,
    #[serde(rename = "ttlMs")]
    ttl: Option<serde::de::IgnoredAny>,
    #[serde(rename = "cacheScope")]
    scope: Option<serde::de::IgnoredAny>,
}

/// As above, for a result that has one of the members, or a payload that speaks of them.
fn redecorated(text: &str, cacheable: bool, server_info: Option<&RawJson>) -> RawJson {
    let found: Option<Decoration<'_>> = serde_json::from_str(text).ok();
    let old_meta = found.as_ref().and_then(|found| found.meta).map_or("{}", |meta| meta.get());
    let old_meta = if old_meta.starts_with('{') { old_meta } else { "{}" };
    let info = server_info.map(|info| (meta::SERVER_INFO, info.as_str()));
    let meta = rewritten(old_meta, |_| false, info.as_slice());
    let mut put = vec![("_meta", meta.as_str())];
    let is_there = |what: fn(&Decoration<'_>) -> bool| found.as_ref().is_some_and(what);
    if !is_there(|found| found.kind.is_some()) {
        put.push(("resultType", "\"complete\""));
    }
    if cacheable && !is_there(|found| found.ttl.is_some()) {
        put.push(("ttlMs", TTL));
    }
    if cacheable && !is_there(|found| found.scope.is_some()) {
        put.push(("cacheScope", "\"private\""));
    }
    rewritten(text, |_| false, &put)
}

#[derive(Deserialize)]
struct Failed<'a> {
    code: serde_json::Number,
    #[serde(borrow)]
    message: Option<&'a serde_json::value::RawValue>,
}

/// The code of an error object, if it is one.
pub(crate) fn code_of(error: &RawJson) -> Option<i64> {
    serde_json::from_str::<Failed<'_>>(error.as_str()).ok()?.code.as_i64()
}

/// The message of an error object.
pub(crate) fn message_of(error: &RawJson) -> Option<String> {
    let failed: Failed<'_> = serde_json::from_str(error.as_str()).ok()?;
    serde_json::from_str(failed.message?.get()).ok()
}

/// "Resource not found" has the number of "invalid params" since 2026-07-28.
fn renumbered(error: RawJson) -> RawJson {
    if code_of(&error) != Some(i64::from(code::RESOURCE_NOT_FOUND)) {
        return error;
    }
    let code = code::INVALID_PARAMS.to_string();
    rewritten(error.as_str(), |_| false, &[("code", &code)])
}

/// The answer to a method that there is not.
pub(crate) fn method_not_found(method: &str) -> RawJson {
    let method: String = method.chars().take(200).collect();
    error_object(code::METHOD_NOT_FOUND, &format!("there is no method `{method}`"), None)
}
