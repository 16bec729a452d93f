//! What the origin's callers send.
//!
//! Owns its field names and the configuration inside a string. It must not describe services.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::control::error::ControlError;

/// The body of `/mcp/{sse,stream}/add`. The origin reads the names with underscores there, and the
/// other ones everywhere else; here both are read everywhere.
#[derive(Debug, Deserialize)]
pub(super) struct Add {
    #[serde(rename = "mcpJsonConfig", alias = "mcp_json_config")]
    pub(super) config: String,
    #[serde(rename = "mcpType", alias = "mcp_type")]
    pub(super) lifecycle: Option<McpType>,
}

/// The body of `/mcp/{sse,stream}/check_status`.
#[derive(Debug, Deserialize)]
pub(super) struct CheckStatus {
    #[serde(rename = "mcpId", alias = "mcp_id")]
    pub(super) id: String,
    /// Left out, the service has to be known.
    #[serde(rename = "mcpJsonConfig", alias = "mcp_json_config")]
    pub(super) config: Option<String>,
    #[serde(rename = "mcpType", alias = "mcp_type")]
    pub(super) lifecycle: Option<McpType>,
}

/// Whether a service is kept running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum McpType {
    /// It is.
    #[serde(alias = "persistent")]
    Persistent,
    /// It ends when it is unused.
    #[default]
    #[serde(alias = "oneShot")]
    OneShot,
}

/// The one entry in a configuration: `{"mcpServers": {"any": {…}}}`, or the entry itself.
pub(super) fn entry(text: &str, mcp_type: McpType) -> Result<Map<String, Value>, ControlError> {
    let Value::Object(mut config) = serde_json::from_str(text).map_err(ControlError::InnerJson)?
    else {
        return Err(ControlError::OneServer);
    };
    let mut entry = match config.remove("mcpServers") {
        Some(Value::Object(servers)) if servers.len() == 1 => match servers.into_iter().next() {
            Some((_, Value::Object(entry))) => entry,
            _ => return Err(ControlError::OneServer),
        },
        Some(_) => return Err(ControlError::OneServer),
        None => config,
    };
    let lifecycle = match mcp_type {
        McpType::Persistent => "persistent",
        McpType::OneShot => "one_shot",
    };
    entry.insert("lifecycle".to_owned(), lifecycle.into());
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_entry_is_found() {
        let inner = entry(r#"{"mcpServers":{"x":{"command":"c"}}}"#, McpType::Persistent).unwrap();
        assert_eq!(inner["command"], "c");
        assert_eq!(inner["lifecycle"], "persistent");
        let alone = entry(r#"{"command":"c"}"#, McpType::OneShot).unwrap();
        assert_eq!(alone["lifecycle"], "one_shot");
        for text in [
            "",
            "[]",
            "{",
            r#"{"mcpServers":{}}"#,
            r#"{"mcpServers":{"a":{},"b":{}}}"#,
            r#"{"mcpServers":[]}"#,
            r#"{"mcpServers":{"a":1}}"#,
        ] {
            assert!(entry(text, McpType::OneShot).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_the_origins() {
        let check: CheckStatus =
            serde_json::from_str(r#"{"mcpId":"a","mcpJsonConfig":"{}","mcpType":"Persistent"}"#)
                .unwrap();
        assert_eq!(check.id, "a");
        assert_eq!(check.lifecycle, Some(McpType::Persistent));
        let add: Add =
            serde_json::from_str(r#"{"mcp_json_config":"{}","mcp_type":"OneShot"}"#).unwrap();
        assert_eq!(add.lifecycle, Some(McpType::OneShot));
        assert!(serde_json::from_str::<Add>(r#"{"mcpType":"OneShot"}"#).is_err());
    }
}
