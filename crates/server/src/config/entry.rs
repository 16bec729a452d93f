//! One entry of `mcpServers` that comes from elsewhere than a file: as JSON, from the control plane.
//!
//! Owns the way from there to a checked service. It must not know HTTP. It exists so that such an
//! entry is read by the very rules of a file, but for references: `${env:…}` and `${file:…}` speak of
//! the machine where the file is, and whoever sends an entry is somewhere else.

use figment::Figment;
use figment::value::{Dict, Empty, Tag, Value};
use serde_json::Map;
use standpipe_core::service::{ServiceId, ServiceSpec};

use super::error::{Fault, Mistake};
use super::section::{Reader, Section};
use super::services::{self, Tuning};

/// Reads an entry, with `defaults` for what it leaves out. Returns every mistake; their keys start
/// within the entry.
pub fn read_entry(
    id: ServiceId,
    entry: &Map<String, serde_json::Value>,
    defaults: &Tuning,
) -> Result<ServiceSpec, Vec<Mistake>> {
    let figment = Figment::new();
    let reader = Reader { literal: true, ..Reader::new(&figment, &[]) };
    let dict = dict_of(entry);
    let section = Section { reader: &reader, path: Vec::new(), dict: &dict };
    let service = services::read_one(&section, id, defaults);
    if service.is_none() && reader.count() == 0 {
        section.report_at("disabled", Fault::Disabled);
    }
    let mistakes = reader.mistakes.into_inner();
    match service {
        Some(service) if mistakes.is_empty() => Ok(service.spec),
        _ => Err(mistakes),
    }
}

fn dict_of(entry: &Map<String, serde_json::Value>) -> Dict {
    entry.iter().map(|(key, value)| (key.clone(), value_of(value))).collect()
}

fn value_of(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Empty(Tag::Default, Empty::None),
        serde_json::Value::Bool(flag) => (*flag).into(),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(values) => values.iter().map(value_of).collect::<Vec<_>>().into(),
        serde_json::Value::Object(entry) => dict_of(entry).into(),
    }
}

#[cfg(test)]
mod tests;
