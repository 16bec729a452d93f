//! On which line of a file a key stands.
//!
//! Owns the search for it. It must not know what keys mean. It exists because values lose their
//! place when layers are merged; a mistake is rare, so the file is read again for it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::FileFormat;

/// The line (from 1) of the key at `path`, or of its nearest ancestor that can be found.
pub(super) fn line_of(text: &str, format: FileFormat, path: &[&str]) -> Option<usize> {
    let offset = match format {
        FileFormat::Toml => toml_offset(text, path),
        FileFormat::Json => json_offset(text, path),
    }?;
    Some(1 + text.get(..offset)?.matches('\n').count())
}

fn toml_offset(text: &str, path: &[&str]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table: &DeTable<'_> = document.get_ref();
    let mut found = None;
    for segment in path {
        let Some((key, value)) = entry(table, segment) else {
            break;
        };
        found = Some(key.span().start);
        let DeValue::Table(inner) = value.get_ref() else {
            break;
        };
        table = inner;
    }
    found
}

type Entry<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

fn entry<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<Entry<'a, 'i>> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

/// Walks valid JSON and keeps the offset of the deepest key on `path`.
fn json_offset(text: &str, path: &[&str]) -> Option<usize> {
    let bytes = text.as_bytes();
    // The keys from the root to the current object; arrays count as an unnamed key.
    let mut stack: Vec<Option<String>> = Vec::new();
    let mut pending: Option<(String, usize)> = None;
    let mut expects_key = false;
    let mut best = None;
    let mut best_depth = 0;
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'"' => {
                let end = string_end(bytes, index)?;
                if expects_key {
                    let key: String = serde_json::from_str(&text[index..end]).ok()?;
                    let depth = stack.len();
                    let matches = depth >= 1
                        && depth <= path.len()
                        && key == path[depth - 1]
                        && stack[1..]
                            .iter()
                            .zip(path)
                            .all(|(one, two)| one.as_deref() == Some(two));
                    if matches && depth > best_depth {
                        (best, best_depth) = (Some(index), depth);
                    }
                    pending = Some((key, index));
                    expects_key = false;
                }
                index = end;
                continue;
            }
            b'{' => {
                stack.push(pending.take().map(|(key, _)| key));
                expects_key = true;
            }
            b'[' => {
                stack.push(None);
                pending = None;
                expects_key = false;
            }
            b'}' | b']' => {
                stack.pop();
                expects_key = false;
            }
            // Inside an array a string after the comma is taken for a key that matches no path,
            // because the unnamed array lies on the way to it.
            b',' => expects_key = true,
            _ => {}
        }
        index += 1;
    }
    best
}

/// The offset just behind the string that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut index = start + 1;
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'\\' => index += 2,
            b'"' => return Some(index + 1),
            _ => index += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_lines() {
        let text = "listen = \"x\"\n\n[mcpServers.a]\ncommand = \"c\"\n[mcpServers.\"b.c\"]\n\
                    args = [\n 1 ]\nenv = { A = \"1\", B = \"2\" }\n";
        let line = |path: &[&str]| line_of(text, FileFormat::Toml, path);
        assert_eq!(line(&["listen"]), Some(1));
        assert_eq!(line(&["mcpServers", "a", "command"]), Some(4));
        assert_eq!(line(&["mcpServers", "b.c", "args"]), Some(6));
        assert_eq!(line(&["mcpServers", "b.c", "env", "B"]), Some(8));
        assert_eq!(line(&["mcpServers", "a", "missing"]), Some(3));
        assert_eq!(line(&["nothing"]), None);
    }

    #[test]
    fn json_lines() {
        let text = "{\n \"x\": [\"mcpServers\", {\"a\": 1}],\n \"mcpServers\": {\n  \"a\": {\n\
                    \"args\": [\"command\",\n \"command\"],\n  \"command\": \"c\"},\n\
                    \"b\": {\"env\": {\"\\u0041\": \"1\"}}\n }\n}";
        let line = |path: &[&str]| line_of(text, FileFormat::Json, path);
        assert_eq!(line(&["mcpServers"]), Some(3));
        assert_eq!(line(&["mcpServers", "a", "command"]), Some(7));
        assert_eq!(line(&["mcpServers", "a", "args"]), Some(5));
        assert_eq!(line(&["mcpServers", "b", "env", "A"]), Some(8));
        assert_eq!(line(&["mcpServers", "b", "missing"]), Some(8));
        assert_eq!(line(&["nothing"]), None);
    }
}
