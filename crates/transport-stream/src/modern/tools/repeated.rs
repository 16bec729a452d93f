//! Compares arguments with the headers that repeat them.
//!
//! Owns how a value is found and how the two are compared (2026-07-28, "Server Behavior for Custom
//! Headers"). Must not know where the rules about a tool come from.

use std::borrow::Cow;

use http::HeaderMap;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use standpipe_core::message::RawJson;

use super::schema::Parameter;
use crate::modern::checks::{decoded, single};
use crate::modern::unfit::{Meant, Unfit, shown};

/// Checks each annotated argument.
///
/// # Errors
/// When a header is missing, differs, or repeats what is not there.
pub(super) fn check(
    headers: &HeaderMap,
    parameters: &[Parameter],
    arguments: Option<&RawJson>,
) -> Result<(), Unfit> {
    let arguments = arguments.map_or("{}", RawJson::as_str);
    parameters.iter().try_for_each(|parameter| one(headers, parameter, arguments))
}

fn one(headers: &HeaderMap, parameter: &Parameter, arguments: &str) -> Result<(), Unfit> {
    let said = single(headers, &parameter.header, &parameter.header)?;
    let said = said.map(|said| decoded(&parameter.header, said)).transpose()?;
    let value = at(arguments, &parameter.path)
        .map_err(|Twice| Unfit::ParamRepeated { member: member(parameter) })?;
    match (said, value.filter(|value| *value != "null")) {
        (None, None) => Ok(()),
        // What is no single value cannot be repeated; the server will say what it thinks of it.
        (None, Some(value)) if value.starts_with(['{', '[']) => Ok(()),
        (None, Some(_)) => {
            Err(Unfit::ParamMissing { header: parameter.header.clone(), member: member(parameter) })
        }
        (Some(said), Some(value)) if matches(&said, value) => Ok(()),
        (Some(said), value) => Err(Unfit::HeaderDiffers {
            header: parameter.header.clone(),
            said: shown(&said),
            member: member(parameter),
            meant: value.map_or(Meant::Nothing, |value| Meant::Text(shown(&plain(value)))),
        }),
    }
}

fn member(parameter: &Parameter) -> Box<str> {
    format!("params.arguments.{}", parameter.path.join(".")).into()
}

/// A member on the way is there twice: two readers could take different ones.
struct Twice;

/// The value that a path leads to, as text. The arguments were parsed before.
fn at<'a>(arguments: &'a str, path: &[String]) -> Result<Option<&'a str>, Twice> {
    let mut value = arguments;
    for name in path {
        if !value.starts_with('{') {
            return Ok(None);
        }
        let mut reader = serde_json::Deserializer::from_str(value);
        let found = reader.deserialize_map(Member { name, found: None }).unwrap_or(Ok(None))?;
        let Some(found) = found else { return Ok(None) };
        value = found;
    }
    Ok(Some(value))
}

struct Member<'n, 'a> {
    name: &'n str,
    found: Option<&'a str>,
}

impl<'a> Visitor<'a> for Member<'_, 'a> {
    type Value = Result<Option<&'a str>, Twice>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut twice = false;
        while let Some((name, value)) = map.next_entry::<Cow<'a, str>, &'a RawValue>()? {
            if name == self.name {
                twice |= self.found.replace(value.get()).is_some();
            }
        }
        Ok(if twice { Err(Twice) } else { Ok(self.found) })
    }
}

fn matches(said: &str, value: &str) -> bool {
    match value.as_bytes().first() {
        Some(b'"') => text(value).is_some_and(|value| value == said),
        Some(b'-' | b'0'..=b'9') => same_number(said, value),
        _ => said == value,
    }
}

/// By what they are worth: `42.0` is `42`.
fn same_number(said: &str, value: &str) -> bool {
    if let (Ok(said), Ok(value)) = (said.parse::<i64>(), value.parse::<i64>()) {
        return said == value;
    }
    let is_number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|_| is_number(text));
    match (number(said), number(value)) {
        (Some(said), Some(value)) => said.total_cmp(&value).is_eq(),
        _ => false,
    }
}

fn plain(value: &str) -> String {
    text(value).unwrap_or_else(|| value.to_owned())
}

fn text(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}
