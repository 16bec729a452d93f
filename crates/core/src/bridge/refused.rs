//! What a caller learns of questions that its server asked in vain.
//!
//! Owns the words, and the rule when they are said: a call that succeeds in spite of it is left
//! alone. Must not know why a question is refused.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::modern_client::message_of;
use super::parking::required_capabilities;
use crate::message::{Outcome, RawJson, error_object, rewritten};
use crate::protocol::{ClientCapabilities, Era, code, method};

/// So many questions are named; more are only counted.
const MAX_NAMED: usize = 4;

/// The questions that were refused while a call was open, and may have been because of it.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    named: Vec<(Box<str>, &'static str)>,
    more: usize,
    /// What its client would have had to declare.
    missing: ClientCapabilities,
}

#[derive(Deserialize)]
struct ToolResult<'a> {
    #[serde(rename = "isError", default)]
    is_error: bool,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl Refused {
    /// Notes a question and why it was refused.
    pub(crate) fn note(&mut self, question: &str, why: &'static str) {
        if self.named.iter().any(|(named, _)| **named == *question) {
            return;
        }
        if self.named.len() < MAX_NAMED {
            self.named.push((question.into(), why));
        } else {
            self.more += 1;
        }
    }

    /// Notes that the caller did not declare what the question needs.
    pub(crate) fn undeclared(&mut self, question: &str, mode: Option<&str>) {
        match (question, mode) {
            (method::SAMPLING_CREATE_MESSAGE, _) => self.missing.sampling = true,
            (method::ELICITATION_CREATE, Some("url")) => self.missing.elicitation_url = true,
            (method::ELICITATION_CREATE, _) => self.missing.elicitation = true,
            (method::ROOTS_LIST, _) => self.missing.roots = true,
            _ => {}
        }
    }

    /// How the call ended, in words that tell its caller of the questions where it failed. A modern
    /// caller that did not declare what was needed is told just that (2026-07-28, "Capabilities").
    pub(crate) fn explain(&self, caller: Era, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Error(error) if caller == Era::Modern && self.missing.any() => {
                Outcome::Error(self.missing_capability(message_of(&error).as_deref()))
            }
            Outcome::Error(error) => {
                let said = message_of(&error).unwrap_or_default();
                let said = RawJson::string(&format!("{said} ({self})"));
                Outcome::Error(rewritten(error.as_str(), |_| false, &[("message", said.as_str())]))
            }
            Outcome::Result(result) => self.explain_result(caller, result),
        }
    }

    fn explain_result(&self, caller: Era, result: RawJson) -> Outcome {
        let tool = serde_json::from_str::<ToolResult<'_>>(result.as_str()).ok();
        let Some(tool) = tool.filter(|tool| tool.is_error) else {
            return Outcome::Result(result);
        };
        if caller == Era::Modern && self.missing.any() {
            return Outcome::Error(self.missing_capability(None));
        }
        let content = tool.content.map_or("[]", RawValue::get).trim_end();
        let Some(before) = content.strip_suffix(']') else {
            return Outcome::Result(result);
        };
        let comma = if before.trim_end().ends_with('[') { "" } else { "," };
        let said = RawJson::string(&self.to_string());
        let content = format!(r#"{before}{comma}{{"type":"text","text":{}}}]"#, said.as_str());
        Outcome::Result(rewritten(result.as_str(), |_| false, &[("content", &content)]))
    }

    fn missing_capability(&self, said: Option<&str>) -> RawJson {
        let said = said.map_or(String::new(), |said| format!("; the server said: {said}"));
        let text = format!("the request needs capabilities that were not declared: {self}{said}");
        error_object(code::MISSING_CAPABILITY, &text, Some(&required_capabilities(self.missing)))
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server asked its client in vain: ")?;
        for (at, (question, why)) in self.named.iter().enumerate() {
            let comma = if at > 0 { "; " } else { "" };
            write!(f, "{comma}`{question}` was refused, {why}")?;
        }
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}
