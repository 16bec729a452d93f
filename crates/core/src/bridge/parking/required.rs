//! Errors of older children that a modern client gets in other words.
//!
//! Owns the reading of "URL elicitation required" (2025-11-25), a code that 2026-07-28 must not see,
//! and how a capability is named that a request needs (2026-07-28, −32021).

use bytes::{BufMut as _, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Kind;
use super::questions::put_request;
use crate::message::RawJson;
use crate::protocol::{ClientCapabilities, code};

/// URLs that the user has to open before the call can be made again. More are not passed on.
const MAX_URLS: usize = 64;

/// The URLs of an error −32042.
#[derive(Debug)]
pub struct UrlElicitations(Vec<RawJson>);

#[derive(Deserialize)]
struct Failed<'a> {
    code: i32,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    elicitations: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Elicitation {
    #[serde(rename = "url")]
    _url: String,
    #[serde(rename = "message")]
    _message: String,
}

impl UrlElicitations {
    /// Reads an error of a child; `None` when it is another one. An error of this kind that names no
    /// URL is read as one without URLs.
    pub fn read(error: &RawJson) -> Option<Self> {
        let failed: Failed<'_> = serde_json::from_str(error.as_str()).ok()?;
        if failed.code != code::URL_ELICITATION_REQUIRED {
            return None;
        }
        let data = failed.data.and_then(|data| serde_json::from_str::<Data<'_>>(data.get()).ok());
        let all = data.map(|data| data.elicitations).unwrap_or_default();
        let whole = |raw: &&&RawValue| serde_json::from_str::<Elicitation>(raw.get()).is_ok();
        let urls = all.iter().filter(whole).take(MAX_URLS);
        Some(Self(urls.map(|raw| RawJson::copied(raw.get())).collect()))
    }

    /// Whether it names no URL.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The result that puts them to the client. Without a state: nothing is parked, and the client's
    /// next request is a call of its own. The keys are none that an elicitation of that call has, so
    /// that consent to a URL does not answer a form.
    pub fn input_required(&self) -> RawJson {
        let mut out = BytesMut::new();
        out.put_slice(b"{\"resultType\":\"input_required\",\"inputRequests\":{");
        for (at, params) in self.0.iter().enumerate() {
            if at > 0 {
                out.put_u8(b',');
            }
            put_request(&mut out, &format!("url-{}", at + 1), Kind::Elicitation, Some(params));
        }
        out.put_slice(b"}}");
        RawJson::trusted(out.freeze())
    }
}

/// `data` of an error −32021 that names these capabilities.
pub fn required_capabilities(needed: ClientCapabilities) -> RawJson {
    let elicitation = match (needed.elicitation, needed.elicitation_url) {
        (false, false) => None,
        (true, false) => Some("\"elicitation\":{\"form\":{}}"),
        (false, true) => Some("\"elicitation\":{\"url\":{}}"),
        (true, true) => Some("\"elicitation\":{\"form\":{},\"url\":{}}"),
    };
    let sampling = needed.sampling.then_some("\"sampling\":{}");
    let roots = needed.roots.then_some("\"roots\":{}");
    let members: Vec<&str> = [elicitation, sampling, roots].into_iter().flatten().collect();
    let text = format!("{{\"requiredCapabilities\":{{{}}}}}", members.join(","));
    RawJson::trusted(text.into())
}
