//! Writing an object again with some members left out and others put in.
//!
//! Owns the one way in which that is done: values are copied as they stand, names are written anew.
//! Must not know what a member means. It exists because messages that cross from one era to the
//! other change in a few known members and must not change in any other.

use bytes::{BufMut, BytesMut};

use super::Params;
use super::members::{each_member, folded};
use super::meta::member;
use super::raw::{RawJson, put_string};

/// A member to be put in: its name, and its value as JSON text.
pub(crate) type Member<'a> = (&'a str, &'a str);

/// The value of a member of an object that was accepted before.
pub(crate) fn member_of<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    object.get(member(object, name)?)
}

/// `object`, which was accepted before, without the members for whose (decoded) names `drop` holds,
/// and with those of `put`, which replace members of the same name. Members of `put` come last.
pub(crate) fn rewritten(object: &str, drop: impl Fn(&str) -> bool, put: &[Member<'_>]) -> RawJson {
    let room: usize = put.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let mut out = BytesMut::with_capacity(object.len() + room);
    out.put_u8(b'{');
    let mut first = true;
    let _accepted_before = each_member(object, |name, value| {
        let replaced = || put.iter().any(|(new, _)| *new == name || folded(new) == folded(name));
        if drop(name) || replaced() {
            return Ok(());
        }
        put_member(&mut out, &mut first, name, &object[value]);
        Ok(())
    });
    for (name, value) in put {
        put_member(&mut out, &mut first, name, value);
    }
    out.put_u8(b'}');
    RawJson::trusted(out.freeze())
}

fn put_member(out: &mut BytesMut, first: &mut bool, name: &str, value: &str) {
    if !std::mem::take(first) {
        out.put_u8(b',');
    }
    put_string(out, name);
    out.put_u8(b':');
    out.put_slice(value.as_bytes());
}

impl Params {
    /// The same parameters with `_meta` written again as [`rewritten`] does; all else stays byte for
    /// byte. Where there is no `_meta` it is added, unless nothing is to be put in.
    #[must_use]
    pub(crate) fn with_meta(&self, drop: impl Fn(&str) -> bool, put: &[Member<'_>]) -> Self {
        let old = self.raw().as_str();
        let Some(at) = self.meta_at() else {
            if put.is_empty() {
                return self.clone();
            }
            let meta = rewritten("{}", drop, put);
            let rest = old.strip_prefix('{').unwrap_or(old);
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            return Self::joined(&["{\"_meta\":", meta.as_str(), comma, rest]);
        };
        let inner = &old[at.clone()];
        let inner = if inner.starts_with('{') { inner } else { "{}" };
        let meta = rewritten(inner, drop, put);
        Self::joined(&[&old[..at.start], meta.as_str(), &old[at.end..]])
    }

    /// The same parameters without these members, and with others put in.
    #[must_use]
    pub(crate) fn with_members(&self, drop: &[&str], put: &[Member<'_>]) -> Self {
        Self::opaque(rewritten(self.raw().as_str(), |name| drop.contains(&name), put))
    }

    /// The same parameters, looked into again: what was rewritten has lost what was found in it.
    #[must_use]
    pub(crate) fn inspected(self) -> Self {
        Self::inspect(self.raw()).unwrap_or(self)
    }

    fn joined(parts: &[&str]) -> Self {
        let mut out = BytesMut::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            out.put_slice(part.as_bytes());
        }
        Self::opaque(RawJson::trusted(out.freeze()))
    }
}
