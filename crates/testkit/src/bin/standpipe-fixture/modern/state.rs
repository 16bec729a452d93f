//! The server's own `requestState`: what earlier rounds of questions brought, sealed.
//!
//! Owns its form. It is JSON, so that a proxy which does not pass it on byte for byte is found out,
//! with a checksum under a key of its own; that keeps tests honest and is no cryptography.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use standpipe_testkit::wire::quote;

/// Part of every checksum, so that a client would have to know it to make one.
const KEY: &str = "only this server knows it";

/// What identifies a request among others: its method, and the parameters that matter.
///
/// Parameters are compared as values, since a client may write them down anew when it retries.
pub(super) fn subject(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        let value = serde_json::from_str::<Value>(part);
        value.map_or_else(|_| (*part).to_owned(), |value| value.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

/// A state which keeps these answers for a retry of the same request.
pub(super) fn seal(answers: &BTreeMap<String, Box<RawValue>>, subject: u64, nonce: u64) -> String {
    let mut members = String::new();
    for (key, raw) in answers {
        let comma = if members.is_empty() { "" } else { "," };
        write!(members, "{comma}{}:{}", quote(key), raw.get()).expect("a string takes any text");
    }
    let body = format!(r#"{{"nonce":{nonce},"subject":{subject},"answers":{{{members}}}}}"#);
    format!("{body}.{:016x}", checksum(&body))
}

/// The answers in a state, if it is one that was made for this request.
pub(super) fn open(
    state: &str,
    subject: u64,
) -> Result<BTreeMap<String, Box<RawValue>>, &'static str> {
    #[derive(Deserialize)]
    struct Body {
        subject: u64,
        answers: BTreeMap<String, Box<RawValue>>,
    }
    let forged = "the requestState is not one of this server";
    let (body, sum) = state.rsplit_once('.').ok_or(forged)?;
    if sum != format!("{:016x}", checksum(body)) {
        return Err(forged);
    }
    let body: Body = serde_json::from_str(body).map_err(|_| forged)?;
    if body.subject != subject {
        return Err("the requestState belongs to another request");
    }
    Ok(body.answers)
}

fn checksum(body: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (KEY, body).hash(&mut hasher);
    hasher.finish()
}
