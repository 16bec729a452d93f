//! Finds the arguments of a tool that are to be repeated in headers.
//!
//! Owns which annotations count (2026-07-28, "x-mcp-header"). Must not know what is sent.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The annotation.
pub(super) const KEYWORD: &str = "x-mcp-header";

/// An argument that has to be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// The header that repeats it, in lower case.
    pub(super) header: Box<str>,
    /// The members that lead to it.
    pub(super) path: Vec<String>,
}

/// The annotated arguments of a tool with this schema. None when one annotation breaks a rule: the
/// tool is invalid then, and no client is offered it.
pub(super) fn parameters(schema: &str) -> Vec<Parameter> {
    let Ok(Value::Object(schema)) = serde_json::from_str(schema) else { return Vec::new() };
    let mut found = Found::default();
    found.properties(&schema, &mut Vec::new());
    let in_all = annotations(&Value::Object(schema));
    if found.invalid || in_all != found.parameters.len() {
        return Vec::new();
    }
    found.parameters
}

#[derive(Default)]
struct Found {
    parameters: Vec<Parameter>,
    names: HashSet<String>,
    invalid: bool,
}

impl Found {
    /// Only chains of `properties` lead to an argument.
    fn properties(&mut self, schema: &Map<String, Value>, path: &mut Vec<String>) {
        let Some(Value::Object(properties)) = schema.get("properties") else { return };
        for (name, property) in properties {
            let Value::Object(property) = property else { continue };
            path.push(name.clone());
            if let Some(annotation) = property.get(KEYWORD) {
                self.annotated(annotation, property, path);
            }
            self.properties(property, path);
            path.pop();
        }
    }

    fn annotated(&mut self, annotation: &Value, property: &Map<String, Value>, path: &[String]) {
        let name = annotation.as_str().filter(|name| is_token(name)).map(str::to_ascii_lowercase);
        let Some(name) = name.filter(|_| is_primitive(property.get("type"))) else {
            self.invalid = true;
            return;
        };
        let header = format!("mcp-param-{name}").into();
        self.invalid |= !self.names.insert(name);
        self.parameters.push(Parameter { header, path: path.to_vec() });
    }
}

/// How many annotations there are in a schema, wherever they stand.
fn annotations(schema: &Value) -> usize {
    match schema {
        Value::Array(schemas) => schemas.iter().map(annotations).sum(),
        Value::Object(schema) => schema
            .iter()
            .map(|(keyword, value)| match (&**keyword, value) {
                (KEYWORD, _) => 1,
                // The names in it are the tool's own.
                (
                    "properties" | "patternProperties" | "$defs" | "definitions",
                    Value::Object(named),
                ) => named.values().map(annotations).sum(),
                // Examples, not schemas.
                ("default" | "const" | "enum" | "examples", _) => 0,
                (_, value) => annotations(value),
            })
            .sum(),
        _ => 0,
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

fn is_primitive(kind: Option<&Value>) -> bool {
    let is_one = |kind: &str| matches!(kind, "string" | "integer" | "boolean");
    match kind {
        Some(Value::String(kind)) => is_one(kind),
        // One that may be `null`, which is not repeated.
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().map(Value::as_str);
            kinds.all(|kind| kind.is_some_and(|kind| is_one(kind) || kind == "null"))
        }
        _ => false,
    }
}
