//! Which notifications a listening request wants (2026-07-28, "Subscriptions").
//!
//! Owns how the wish is read, cut down to what a child can do, acknowledged and matched. Must not
//! know who listens.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::message::{Id, Message, Notification, Params, RawJson, rewritten};
use crate::protocol::{meta, method};

/// The most resources that one listening request may name.
pub(crate) const MAX_URIS: usize = 1024;

/// A wish, or what of it was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub(crate) struct Filter {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uris: BTreeSet<String>,
    /// Whether resources were named at all; an empty list of them is one too.
    pub(crate) names_uris: bool,
}

/// Why a wish is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("`params.notifications` must be an object that says what to listen to")]
    Missing,
    #[error(
        "`params.notifications` must hold booleans (`toolsListChanged`, `promptsListChanged`, \
         `resourcesListChanged`) and an array of strings (`resourceSubscriptions`)"
    )]
    Shape,
    #[error("`params.notifications.resourceSubscriptions` may name at most {MAX_URIS} resources")]
    TooMany,
}

#[derive(Deserialize)]
struct Listening {
    notifications: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    #[serde(default)]
    tools_list_changed: Option<bool>,
    #[serde(default)]
    prompts_list_changed: Option<bool>,
    #[serde(default)]
    resources_list_changed: Option<bool>,
    #[serde(default)]
    resource_subscriptions: Option<Vec<String>>,
}

impl Filter {
    /// Reads the parameters of a listening request, or of its acknowledgement.
    pub(crate) fn read(params: Option<&Params>) -> Result<Self, FilterError> {
        let text = params.ok_or(FilterError::Missing)?.raw().as_str();
        let listening: Listening = serde_json::from_str(text).map_err(|_| FilterError::Shape)?;
        let wish = listening.notifications.filter(serde_json::Value::is_object);
        let wish: Wish = serde_json::from_value(wish.ok_or(FilterError::Missing)?)
            .map_err(|_| FilterError::Shape)?;
        let names_uris = wish.resource_subscriptions.is_some();
        let uris = wish.resource_subscriptions.unwrap_or_default();
        if uris.len() > MAX_URIS {
            return Err(FilterError::TooMany);
        }
        Ok(Self {
            tools: wish.tools_list_changed.unwrap_or_default(),
            prompts: wish.prompts_list_changed.unwrap_or_default(),
            resources: wish.resources_list_changed.unwrap_or_default(),
            uris: uris.into_iter().collect(),
            names_uris,
        })
    }

    /// Whether it wants to be told of a changed list.
    pub(crate) fn wants_list(&self, notification: &str) -> bool {
        match notification {
            method::TOOLS_LIST_CHANGED => self.tools,
            method::PROMPTS_LIST_CHANGED => self.prompts,
            method::RESOURCES_LIST_CHANGED => self.resources,
            _ => false,
        }
    }

    /// The lists of whose changes it wants to be told.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &'static str> {
        let lists = [
            (self.tools, method::TOOLS_LIST_CHANGED),
            (self.prompts, method::PROMPTS_LIST_CHANGED),
            (self.resources, method::RESOURCES_LIST_CHANGED),
        ];
        lists.into_iter().filter_map(|(wanted, name)| wanted.then_some(name))
    }

    /// As the member `notifications` of a request or an acknowledgement.
    pub(crate) fn written(&self) -> RawJson {
        let mut members = Vec::with_capacity(4);
        for (wanted, name) in [
            (self.tools, "toolsListChanged"),
            (self.prompts, "promptsListChanged"),
            (self.resources, "resourcesListChanged"),
        ] {
            if wanted {
                members.push(format!("\"{name}\":true"));
            }
        }
        if self.names_uris {
            let uris: Vec<_> = self.uris.iter().map(|uri| RawJson::string(uri)).collect();
            let uris: Vec<_> = uris.iter().map(RawJson::as_str).collect();
            members.push(format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
        }
        RawJson::trusted(format!("{{{}}}", members.join(",")).into())
    }

    /// The first message on the stream of the listening request with this id.
    pub(crate) fn acknowledgement(&self, id: &Id) -> Message {
        let params = format!("{{\"notifications\":{}}}", self.written().as_str());
        let params = Params::opaque(RawJson::trusted(params.into()));
        let acknowledged = method::SUBSCRIPTIONS_ACKNOWLEDGED.into();
        tagged(&Notification { method: acknowledged, params: Some(params) }, id)
    }
}

/// Whether a resource is part of another that is watched (2025-11-25, "Subscriptions": an update may
/// be about a part of what was subscribed to).
pub(crate) fn is_part_of(uri: &str, watched: &str) -> bool {
    uri.strip_prefix(watched).is_some_and(|rest| {
        rest.is_empty() || watched.ends_with('/') || rest.starts_with(['/', '?', '#'])
    })
}

/// The notification as it goes onto the stream of the listening request with this id.
pub(crate) fn tagged(notification: &Notification, id: &Id) -> Message {
    let empty;
    let params = if let Some(params) = &notification.params {
        params
    } else {
        empty = Params::opaque(RawJson::empty_object());
        &empty
    };
    let params = params.with_meta(|_| false, &[(meta::SUBSCRIPTION_ID, id.as_str())]);
    Message::Notification(Notification {
        method: notification.method.clone(),
        params: Some(params),
    })
}

/// The notification without the mark of the stream that it came on.
pub(crate) fn untagged(notification: &Notification) -> Notification {
    let params = notification.params.as_ref().and_then(|params| {
        let meta = params.meta()?;
        let meta = rewritten(meta.as_str(), |name| name == meta::SUBSCRIPTION_ID, &[]);
        Some(if meta.as_str() == "{}" {
            params.with_members(&["_meta"], &[])
        } else {
            params.with_meta(|name| name == meta::SUBSCRIPTION_ID, &[])
        })
    });
    // Whose it is goes by its URI, which is looked for again.
    let params = params.map(Params::inspected).or_else(|| notification.params.clone());
    let params = params.filter(|params| params.raw().as_str() != "{}");
    Notification { method: notification.method.clone(), params }
}

/// The answer that ends the stream of the listening request with this id in good order.
pub(crate) fn ended(id: &Id) -> RawJson {
    let text = format!(
        "{{\"resultType\":\"complete\",\"_meta\":{{\"{}\":{}}}}}",
        meta::SUBSCRIPTION_ID,
        id.as_str()
    );
    RawJson::trusted(text.into())
}
