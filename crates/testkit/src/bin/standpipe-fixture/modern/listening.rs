//! The open `subscriptions/listen` requests of a process.
//!
//! Owns who listens to what, and the tag that every message of a subscription carries.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use standpipe_testkit::wire::{self, quote};

use crate::offer;
use crate::server::Outcome;

/// What can be listened to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic<'a> {
    /// `notifications/tools/list_changed`, or that of another list.
    List(&'a str),
    /// `notifications/resources/updated` of this URI.
    Resource(&'a str),
}

/// The open subscriptions by the raw id of their request.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    open: BTreeMap<String, Filter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    tools_list_changed: bool,
    prompts_list_changed: bool,
    resources_list_changed: bool,
    resource_subscriptions: Option<BTreeSet<String>>,
}

impl Filter {
    fn wants(&self, topic: Topic<'_>) -> bool {
        match topic {
            Topic::List("tools") => self.tools_list_changed,
            Topic::List("prompts") => self.prompts_list_changed,
            Topic::List(_) => self.resources_list_changed,
            Topic::Resource(uri) => {
                self.resource_subscriptions.as_ref().is_some_and(|uris| uris.contains(uri))
            }
        }
    }

    /// The raw filter of the acknowledgement: everything asked for is granted.
    fn granted(&self) -> String {
        let mut members: Vec<String> = [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ]
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .map(|(name, _)| format!(r#""{name}":true"#))
        .collect();
        if let Some(uris) = &self.resource_subscriptions {
            let uris: Vec<String> = uris.iter().map(|uri| quote(uri)).collect();
            members.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
        }
        format!("{{{}}}", members.join(","))
    }
}

impl Listeners {
    /// Opens a subscription and gives its acknowledgement.
    pub(crate) fn open(&mut self, id: &RawValue, params: &RawValue) -> Result<String, Outcome> {
        #[derive(Deserialize)]
        struct Params {
            notifications: Filter,
        }
        let Params { notifications } =
            serde_json::from_str(params.get()).map_err(|error| offer::invalid_params(&error))?;
        let params = format!("{},\"notifications\":{}}}", tag(id.get()), notifications.granted());
        self.open.insert(id.get().to_owned(), notifications);
        Ok(wire::notification("notifications/subscriptions/acknowledged", &params))
    }

    /// The client has cancelled this request; whether it was a subscription.
    pub(crate) fn close(&mut self, id: &str) -> bool {
        self.open.remove(id).is_some()
    }

    /// The messages that tell of `topic`: to who wants it, or to all where `forced`.
    pub(crate) fn tell(&self, topic: Topic<'_>, forced: bool) -> Vec<String> {
        let listeners = self.open.iter().filter(|(_, filter)| forced || filter.wants(topic));
        listeners
            .map(|(id, _)| match topic {
                Topic::List(which) => {
                    let method = format!("notifications/{which}/list_changed");
                    wire::notification(&method, &format!("{}}}", tag(id)))
                }
                Topic::Resource(uri) => {
                    let params = format!("{},\"uri\":{}}}", tag(id), quote(uri));
                    wire::notification("notifications/resources/updated", &params)
                }
            })
            .collect()
    }

    /// Ends every subscription with a result.
    pub(crate) fn end(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        open.keys()
            .map(|id| wire::response(id, &format!(r#"{},"resultType":"complete"}}"#, tag(id))))
            .collect()
    }

    /// Ends every subscription with a `notifications/cancelled`.
    pub(crate) fn cancel(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        open.keys()
            .map(|id| {
                let params = format!(r#"{{"requestId":{id},"reason":"the server ends it"}}"#);
                wire::notification("notifications/cancelled", &params)
            })
            .collect()
    }

    /// Every resource that is subscribed to.
    pub(crate) fn resources(&self) -> BTreeSet<String> {
        self.open
            .values()
            .filter_map(|filter| filter.resource_subscriptions.clone())
            .flatten()
            .collect()
    }
}

/// An object, left open, which holds the tag of a subscription.
fn tag(id: &str) -> String {
    format!(r#"{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#)
}
