//! Reading typed values out of the merged layers.
//!
//! Owns the walk from keys to values: unknown keys, wrong types, references, and where each value
//! was written. It must not know what a key is for. It exists so that one run reports every
//! mistake, each with its file and line.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use figment::value::{Dict, Tag, Value};
use figment::{Figment, Source};

use super::error::{Fault, Mistake, Origin};
use super::provenance::ReadFile;
use super::quantity::{parse_duration, parse_size};
use super::source::{self, ConfigFile};
use super::{keys, locate, reference};

/// What is needed to say where a value came from, and the mistakes so far.
pub(super) struct Reader<'a> {
    pub(super) figment: &'a Figment,
    pub(super) files: &'a [ConfigFile],
    pub(super) mistakes: RefCell<Vec<Mistake>>,
    /// The files behind `${file:…}`, as they looked when they were read first.
    pub(super) referred: RefCell<Vec<ReadFile>>,
    /// Whether references are refused, and not replaced.
    pub(super) literal: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(figment: &'a Figment, files: &'a [ConfigFile]) -> Self {
        let (mistakes, referred) = (RefCell::default(), RefCell::default());
        Self { figment, files, mistakes, referred, literal: false }
    }

    pub(super) fn report(&self, path: &[&str], tag: Option<Tag>, fault: Fault) {
        let origin = self.origin(path, tag);
        let key = dotted(path);
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        self.mistakes.borrow_mut().push(Mistake { origin, key, path, fault });
    }

    /// How many mistakes were reported so far.
    pub(super) fn count(&self) -> usize {
        self.mistakes.borrow().len()
    }

    fn origin(&self, path: &[&str], tag: Option<Tag>) -> Origin {
        let Some(metadata) = tag.and_then(|tag| self.figment.get_metadata(tag)) else {
            return Origin::Default;
        };
        if let Some(Source::File(path_of_file)) = &metadata.source {
            let file = self.files.iter().find(|file| file.path == *path_of_file);
            let line = file.and_then(|file| locate::line_of(&file.text, file.format, path));
            return Origin::File { path: path_of_file.clone(), line };
        }
        match &*metadata.name {
            source::ENVIRONMENT => Origin::Variable(source::variable_name(path)),
            source::FLAGS => {
                let name = path.first().copied().unwrap_or_default();
                Origin::Flag(format!("--{}", name.replace('_', "-")))
            }
            _ => Origin::Default,
        }
    }

    /// Whether the value with this tag stands in a JSON file.
    fn in_json(&self, tag: Tag) -> bool {
        let source = self.figment.get_metadata(tag).and_then(|metadata| metadata.source.as_ref());
        let Some(Source::File(path)) = source else {
            return false;
        };
        self.files.iter().any(|file| file.path == *path && file.format == source::FileFormat::Json)
    }

    fn refers_to(&self, path: &Path) {
        let mut referred = self.referred.borrow_mut();
        if !referred.iter().any(|file| file.path() == path) {
            referred.push(ReadFile::now(path));
        }
    }

    /// Where relative paths of a value start: the folder of its file, or the current one.
    fn base(&self, tag: Tag) -> &Path {
        let source = self.figment.get_metadata(tag).and_then(|metadata| metadata.source.as_ref());
        match source {
            Some(Source::File(path)) => path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        }
    }
}

/// A text and what stood there before references were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) written: String,
}

impl Text {
    /// What is wrong with it: `fault`, which may quote it, unless it came from a reference.
    pub(super) fn fault(
        &self,
        expected: impl Into<Cow<'static, str>>,
        fault: impl Into<Fault>,
    ) -> Fault {
        if self.value == self.written {
            return fault.into();
        }
        Fault::Expanded { expected: expected.into() }
    }

    /// What is shown of it, where that is not the value itself.
    pub(super) fn hidden(&self) -> Option<String> {
        (self.value != self.written).then(|| self.written.clone())
    }
}

/// A time limit that can be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Ends(Duration),
    Endless,
}

/// A limit that can be left as it was when we were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound<T> {
    At(T),
    Inherited,
}

/// A table and the way to it.
pub(super) struct Section<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) path: Vec<&'a str>,
    pub(super) dict: &'a Dict,
}

impl<'a> Section<'a> {
    /// Reports every key that is in none of the lists.
    pub(super) fn expect_keys(&self, valid: &[&'static [&'static str]], foreign: &[&str]) {
        let valid: Vec<&'static str> = valid.iter().flat_map(|keys| keys.iter().copied()).collect();
        for (key, value) in self.dict {
            if valid.contains(&key.as_str()) || foreign.contains(&key.as_str()) {
                continue;
            }
            let foreign_file = self.path.is_empty() && self.reader.in_json(value.tag());
            if foreign_file && keys::FOREIGN_TOP.contains(&key.as_str()) {
                continue;
            }
            let mut valid = valid.clone();
            valid.sort_unstable();
            let nearest = keys::nearest(key, &valid);
            self.report(key, value.tag(), Fault::UnknownKey { nearest, valid });
        }
    }

    pub(super) fn report(&self, key: &str, tag: Tag, fault: Fault) {
        let mut path = self.path.clone();
        path.push(key);
        self.reader.report(&path, Some(tag), fault);
    }

    /// Reports a fault of the whole section, at one of its keys where there is one.
    pub(super) fn report_at(&self, key: &str, fault: Fault) {
        let mut path = self.path.clone();
        path.extend(key.split('.'));
        let own = self.dict.get(key.split('.').next().unwrap_or(key)).map(Value::tag);
        let tag = own.or_else(|| self.dict.values().next().map(Value::tag));
        self.reader.report(&path, tag, fault);
    }

    pub(super) fn section(&self, key: &'static str) -> Option<Self> {
        let value = self.dict.get(key)?;
        self.inner(key, value)
    }

    /// Every entry of a table whose keys are names.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.dict.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(super) fn inner(&self, key: &'a str, value: &'a Value) -> Option<Self> {
        let Some(dict) = value.as_dict() else {
            self.report(key, value.tag(), wrong_type("a table", value));
            return None;
        };
        let mut path = self.path.clone();
        path.push(key);
        Some(Self { reader: self.reader, path, dict })
    }

    pub(super) fn text(&self, key: &str) -> Option<Text> {
        self.read(key, |value| self.text_of(value))
    }

    pub(super) fn text_of(&self, value: &Value) -> Result<Text, Fault> {
        let written = value.as_str().ok_or_else(|| wrong_type("a string", value))?;
        if self.reader.literal {
            let value = reference::literal(written)?;
            return Ok(Text { value, written: written.to_owned() });
        }
        let base = self.reader.base(value.tag());
        let mut reading = |path: &Path| self.reader.refers_to(path);
        let value = reference::expand(written, base, &mut reading)?;
        Ok(Text { value, written: written.to_owned() })
    }

    /// A list of texts; one text alone is a list of one.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<Text>> {
        self.read(key, |value| match value {
            Value::Array(_, values) => values.iter().map(|value| self.text_of(value)).collect(),
            Value::String(..) => Ok(vec![self.text_of(value)?]),
            _ => Err(wrong_type("a list of strings", value)),
        })
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        self.read(key, |value| self.duration_of(value))
    }

    pub(super) fn duration_of(&self, value: &Value) -> Result<Duration, Fault> {
        if let Some(number) = whole(value) {
            // Read as text, it gets the message about the missing unit.
            return Ok(parse_duration(&number.to_string())?);
        }
        if value.as_str().is_none() {
            return Err(wrong_type("a duration, like \"30s\"", value));
        }
        let text = self.text_of(value)?;
        parse_duration(&text.value).map_err(|error| text.fault("a duration, like `30s`", error))
    }

    /// A duration, or `"never"`.
    pub(super) fn patience(&self, key: &str) -> Option<Patience> {
        self.read(key, |value| match value.as_str() {
            Some("never") => Ok(Patience::Endless),
            _ => self.duration_of(value).map(Patience::Ends),
        })
    }

    pub(super) fn size(&self, key: &str) -> Option<usize> {
        self.read(key, |value| self.size_of(value))
    }

    pub(super) fn size_of(&self, value: &Value) -> Result<usize, Fault> {
        if let Some(number) = whole(value) {
            return usize::try_from(number).map_err(|_| Fault::Range { max: usize::MAX });
        }
        if value.as_str().is_none() {
            return Err(wrong_type("a size, like 1048576 or \"16MiB\"", value));
        }
        let text = self.text_of(value)?;
        parse_size(&text.value).map_err(|error| text.fault("a size, like `16MiB`", error))
    }

    pub(super) fn count(&self, key: &str, max: usize) -> Option<usize> {
        self.read(key, |value| Self::count_of(value, max))
    }

    pub(super) fn count_of(value: &Value, max: usize) -> Result<usize, Fault> {
        let number = whole(value).ok_or_else(|| wrong_type("a whole number", value))?;
        let number = usize::try_from(number).ok().filter(|number| *number <= max);
        number.ok_or(Fault::Range { max })
    }

    /// A value, or `"inherited"`.
    pub(super) fn bound<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, Fault>,
    ) -> Option<Bound<T>> {
        self.read(key, |value| match value.as_str() {
            Some("inherited") => Ok(Bound::Inherited),
            _ => read(value).map(Bound::At),
        })
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.read(key, |value| value.to_bool().ok_or_else(|| wrong_type("true or false", value)))
    }

    /// One of a few words; `words` and `values` go together.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        words: &'static [&'static str],
        values: &[T],
    ) -> Option<T> {
        self.read(key, |value| {
            let text = self.text_of(value)?;
            let position = words.iter().position(|word| *word == text.value);
            position.and_then(|position| values.get(position)).copied().ok_or_else(|| {
                let found = text.value.clone();
                text.fault(
                    format!("one of {}", words.join(", ")),
                    Fault::Choice { found, valid: words },
                )
            })
        })
    }

    /// Reads the value at `key`; a fault is reported and then counts as absent.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'a Value) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.dict.get(key)?;
        match read(value) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.report(key, value.tag(), fault);
                None
            }
        }
    }
}

pub(super) fn wrong_type(expected: &'static str, found: &Value) -> Fault {
    let found = match found {
        Value::String(..) | Value::Char(..) => "a string",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "null",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    };
    Fault::Type { expected, found }
}

fn whole(value: &Value) -> Option<i128> {
    value.to_i128().or_else(|| value.to_u128().and_then(|number| i128::try_from(number).ok()))
}

/// A path with dots; names that contain dots themselves are quoted.
fn dotted(path: &[&str]) -> String {
    let quoted = |segment: &&str| {
        if segment.contains('.') { format!("\"{segment}\"") } else { (*segment).to_owned() }
    };
    path.iter().map(quoted).collect::<Vec<_>>().join(".")
}
