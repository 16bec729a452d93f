//! Members of `_meta` that are looked at only now and then.
//!
//! Owns reading and writing them in the raw text. Must not know what they mean. It exists beside the
//! members that are noted when parameters are taken in, so that those who never ask pay nothing.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use super::Params;
use super::members::{each_member, folded};
use super::raw::{RawJson, put_string};

impl Params {
    /// The text `_meta.<name>`, decoded; `None` where it is not there or is no string.
    pub fn meta_text(&self, name: &str) -> Option<String> {
        let text = self.raw().as_str();
        let meta = member(text, "_meta")?;
        let inner = text.get(meta).filter(|inner| inner.starts_with('{'))?;
        let value = member(inner, name)?;
        serde_json::from_str(inner.get(value)?).ok()
    }

    /// The same parameters with these texts in `_meta`, which is added where there is none. Every
    /// other byte stays. A member that stands there already, in whatever case, is replaced: two that
    /// differ only in case are one to some readers.
    #[must_use]
    pub fn with_meta_texts(&self, texts: &[(&str, &str)]) -> Self {
        let old = self.raw().as_str();
        let mut out = BytesMut::with_capacity(old.len() + added_length(texts));
        let meta = member(old, "_meta");
        match meta.filter(|meta| old[meta.clone()].starts_with('{')) {
            Some(meta) => {
                out.put_slice(&old.as_bytes()[..meta.start]);
                put_meta(&mut out, &old[meta.clone()], texts);
                out.put_slice(&old.as_bytes()[meta.end..]);
            }
            None => put_without_meta(&mut out, old, texts),
        }
        Self::opaque(RawJson::trusted(out.freeze()))
    }
}

/// Where the value of a member stands. Objects that are read here were accepted before, so a name
/// that cannot be decoded only means that it is not this one.
pub(super) fn member(object: &str, name: &str) -> Option<Range<usize>> {
    let mut found = None;
    let read = each_member(object, |key, value| {
        if key == name {
            found = Some(value);
        }
        Ok(())
    });
    read.ok().and(found)
}

/// Parameters whose `_meta` is missing, or `null`.
fn put_without_meta(out: &mut BytesMut, old: &str, texts: &[(&str, &str)]) {
    if let Some(null) = member(old, "_meta") {
        out.put_slice(&old.as_bytes()[..null.start]);
        put_meta(out, "{}", texts);
        out.put_slice(&old.as_bytes()[null.end..]);
        return;
    }
    let rest = old.strip_prefix('{').unwrap_or(old);
    out.put_slice(b"{\"_meta\":");
    put_meta(out, "{}", texts);
    if !is_end(rest) {
        out.put_u8(b',');
    }
    out.put_slice(rest.as_bytes());
}

/// Writes the object `meta` with these texts.
fn put_meta(out: &mut BytesMut, meta: &str, texts: &[(&str, &str)]) {
    let mut replaced: Vec<(Range<usize>, &str)> = Vec::with_capacity(texts.len());
    let mut missing: Vec<bool> = vec![true; texts.len()];
    let _accepted_before = each_member(meta, |key, value| {
        let key = folded(key);
        if let Some(at) = texts.iter().position(|(name, _)| *name == key) {
            missing[at] = false;
            replaced.push((value, texts[at].1));
        }
        Ok(())
    });
    let rest = meta.strip_prefix('{').unwrap_or(meta);
    out.put_u8(b'{');
    let mut first = true;
    for ((name, text), _) in texts.iter().zip(missing).filter(|(_, missing)| *missing) {
        if !std::mem::take(&mut first) {
            out.put_u8(b',');
        }
        put_string(out, name);
        out.put_u8(b':');
        put_string(out, text);
    }
    if !first && !is_end(rest) {
        out.put_u8(b',');
    }
    let mut from = 1;
    for (value, text) in replaced {
        out.put_slice(&meta.as_bytes()[from..value.start]);
        put_string(out, text);
        from = value.end;
    }
    out.put_slice(&meta.as_bytes()[from..]);
}

/// Whether an object has no (more) members.
fn is_end(rest: &str) -> bool {
    rest.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('}')
}

fn added_length(texts: &[(&str, &str)]) -> usize {
    const PUNCTUATION: usize = 8;
    let texts = texts.iter().map(|(name, text)| name.len() + text.len() + PUNCTUATION);
    "\"_meta\":{},".len() + texts.sum::<usize>()
}
