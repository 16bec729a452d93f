//! Messages in which nothing is out of the ordinary, read in one go.
//!
//! Owns the short way that nearly every message takes: the envelope, `params` and `_meta` are found
//! while the text is checked, and nothing is written down but where they stand. Must not refuse
//! anything: what is doubtful in any way (an escaped name, a spelling that another reader could take
//! for ours, a second member of a name, bad syntax) is left to `envelope`, which decides and says
//! why. What is taken here is taken there, for the same message.

use std::ops::Range;

use bytes::Bytes;

use super::envelope::{ENVELOPE, MAX_ID_BYTES};
use super::params::is_token;
use super::scan::Scanner;
use super::spans::{ACTED_ON, META, META_ACTED_ON, PROGRESS_TOKEN, Span, Spans};
use super::{Id, Message, MethodName, Notification, Outcome, Params, RawJson, Request, Response};

/// The most members of one `_meta` whose names are compared with each other here.
const MAX_META_MEMBERS: usize = 16;

/// What was found in an envelope.
#[derive(Default)]
struct Found {
    version: Option<Range<usize>>,
    id: Option<Range<usize>>,
    method: Option<Range<usize>>,
    params: Option<(Range<usize>, Spans)>,
    result: Option<Range<usize>>,
    error: Option<Range<usize>>,
}

/// Reads a message; `None` where that is not for here.
pub(super) fn read(text: &Bytes) -> Option<Message> {
    // Places are noted in half a word.
    u32::try_from(text.len()).ok()?;
    let mut scanner = Scanner::new(text);
    let mut found = Found::default();
    scanner.object(|scanner, name| match name {
        b"jsonrpc" => once(&mut found.version, scanner.value()?),
        b"id" => once(&mut found.id, scanner.value()?),
        b"method" => once(&mut found.method, scanner.value()?),
        b"params" => once(&mut found.params, params(scanner)?),
        b"result" => once(&mut found.result, scanner.value()?),
        b"error" => once(&mut found.error, scanner.value()?),
        _ => {
            is_other(name, &ENVELOPE)?;
            scanner.value().map(drop)
        }
    })?;
    if !scanner.is_at_end() || (scanner.may_be_wide() && std::str::from_utf8(text).is_err()) {
        return None;
    }
    let is_broken = scanner.broken;
    found.message(text, |at| {
        if is_broken {
            RawJson::checked(text, at.start, at.end)
        } else {
            RawJson::unbroken(text.slice(at))
        }
    })
}

impl Found {
    fn message(self, text: &[u8], raw: impl Fn(Range<usize>) -> RawJson) -> Option<Message> {
        if text.get(self.version?)? != b"\"2.0\"" {
            return None;
        }
        let id = match self.id {
            Some(at) => Some(id(text.get(at)?)?),
            None => None,
        };
        match (self.method, self.result, self.error) {
            (Some(at), None, None) => {
                let method = method(text.get(at)?)?;
                let params = self.params.map(|(at, spans)| Params::found(raw(at), spans));
                Some(match id {
                    Some(id) => Message::Request(Request { id, method, params }),
                    None => Message::Notification(Notification { method, params }),
                })
            }
            (None, Some(at), None) => {
                let outcome = Outcome::Result(raw(at));
                Some(Message::Response(Response { id: id?, outcome }))
            }
            (None, None, Some(at)) if text.get(at.start) == Some(&b'{') => {
                let outcome = Outcome::Error(raw(at));
                Some(Message::Response(Response { id: id?, outcome }))
            }
            _ => None,
        }
    }
}

fn id(text: &[u8]) -> Option<Id> {
    let is_one = is_token(text) && text.len() <= MAX_ID_BYTES;
    is_one.then(|| std::str::from_utf8(text).ok().map(Id::copied))?
}

fn method(text: &[u8]) -> Option<MethodName> {
    let name = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if name.contains(&b'\\') {
        return None;
    }
    Some(MethodName::from(std::str::from_utf8(name).ok()?))
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// Whether the name is none of these to any reader.
fn is_other(name: &[u8], names: &[&str]) -> Option<()> {
    let is_any = || names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
    (name.is_ascii() && !is_any()).then_some(())
}

/// `params`, and where its members stand in it; what else than an object is not for here, even where
/// nobody would look at it.
fn params(scanner: &mut Scanner<'_>) -> Option<(Range<usize>, Spans)> {
    scanner.peek()?;
    let start = scanner.position();
    let mut spans = Spans::default();
    let mut seen = [false; ACTED_ON.len()];
    scanner.object(|scanner, name| {
        let Some(index) = Spans::acted_on(name) else {
            is_other(name, &ACTED_ON)?;
            let value = scanner.value()?;
            if name == b"mode" {
                spans.mode = Span::within(&value, start);
            }
            return Some(());
        };
        if std::mem::replace(&mut seen[index], true) {
            return None;
        }
        let value =
            if index == META { meta(scanner, &mut spans, start)? } else { scanner.value()? };
        spans.note(index, Span::within(&value, start));
        Some(())
    })?;
    Some((start..scanner.position(), spans))
}

/// `_meta`, no two members of which may have one name to any reader.
fn meta(scanner: &mut Scanner<'_>, spans: &mut Spans, start: usize) -> Option<Range<usize>> {
    scanner.peek()?;
    let from = scanner.position();
    let mut names: [&[u8]; MAX_META_MEMBERS] = [&[]; MAX_META_MEMBERS];
    let mut count = 0;
    scanner.object(|scanner, name| {
        let known = Spans::acted_on_in_meta(name);
        if known.is_none() {
            is_other(name, &META_ACTED_ON)?;
        }
        if names[..count].iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return None;
        }
        *names.get_mut(count)? = name;
        count += 1;
        let value = scanner.value()?;
        let Some(index) = known else { return Some(()) };
        if index == PROGRESS_TOKEN && !is_token(scanner.text(&value)) {
            return None;
        }
        spans.note_in_meta(index, Span::within(&value, start));
        Some(())
    })?;
    Some(from..scanner.position())
}
