//! The description of the API, and whether answers keep to it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::household::Reply;

/// The description, and which of its calls and answers have been seen.
pub(crate) struct Document {
    value: Value,
    seen: BTreeSet<(String, String)>,
}

impl Document {
    pub(crate) fn new(value: Value) -> Self {
        Self { value, seen: BTreeSet::new() }
    }

    /// Checks that an answer to this call is described as it is. A call is written `GET /path/{id}`.
    pub(crate) fn check(&mut self, call: &str, reply: &Reply) {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let operation = &self.value["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{call} is not described");
        let status = reply.status.to_string();
        let described = &operation["responses"][&status];
        assert!(described.is_object(), "{call}: {status} is not described: {reply:?}");
        self.seen.insert((call.to_owned(), status.clone()));
        let essence = reply.content_type().split(';').next().expect("a text has a beginning");
        let Some(contents) = described["content"].as_object() else {
            assert!(reply.text.is_empty(), "{call}: {status} has no content: {reply:?}");
            return;
        };
        let content = contents.get(essence);
        let content = content.unwrap_or_else(|| panic!("{call}: {essence:?} is not described"));
        if essence.ends_with("json") {
            self.validate(call, &content["schema"], &reply.json());
        }
        if let Some(headers) = described["headers"].as_object() {
            for name in headers.keys() {
                assert!(!reply.header(name).is_empty(), "{call}: {status} lacks {name}");
            }
        }
    }

    /// Every call and status that is described, and was not seen.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        for (path, item) in self.value["paths"].as_object().expect("there are paths") {
            for (method, operation) in item.as_object().expect("a path is an object") {
                let call = format!("{} {path}", method.to_uppercase());
                for status in operation["responses"].as_object().expect("there are answers").keys()
                {
                    if !self.seen.contains(&(call.clone(), status.clone())) {
                        unseen.push(format!("{call} {status}"));
                    }
                }
            }
        }
        unseen.sort();
        unseen
    }

    pub(crate) fn validate(&self, what: &str, schema: &Value, instance: &Value) {
        let mut schema = schema.clone();
        schema["components"] = self.value["components"].clone();
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        let validator = jsonschema::validator_for(&schema).expect("it is a schema");
        let errors: Vec<String> =
            validator.iter_errors(instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{what}: {errors:?} in {instance}");
    }

    pub(crate) fn schema(&self, name: &str) -> &Value {
        &self.value["components"]["schemas"][name]
    }
}
