//! What each path is.
//!
//! Owns the table of paths, as one match: it is asked for every request, and never changes. It must
//! not know whether there is such a service.

/// Which paths are served at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// Those of services and those for operators.
    All,
    /// Those of services.
    Services,
    /// Those for operators.
    Ops,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    Service(Name<'a>, Wanted),
    Ops(Ops),
}

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// The only one.
    Only,
    /// The one of this name, percent-encoded as it stands in the path.
    Given(&'a str),
}

/// What is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Streamable HTTP.
    Stream,
    /// The event stream of HTTP+SSE.
    Events,
    /// The other half of HTTP+SSE.
    Message,
}

/// What operators and their tools ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ops {
    Metrics,
    Alive,
    Ready,
}

/// What is at `path`, if anything is.
pub(super) fn of(path: &str, served: Served) -> Option<Endpoint<'_>> {
    let found = any(path)?;
    let is_ops = matches!(found, Endpoint::Ops(_));
    let is_served = match served {
        Served::All => true,
        Served::Services => !is_ops,
        Served::Ops => is_ops,
    };
    is_served.then_some(found)
}

fn any(path: &str) -> Option<Endpoint<'_>> {
    Some(match path {
        "/mcp" => Endpoint::Service(Name::Only, Wanted::Stream),
        "/sse" => Endpoint::Service(Name::Only, Wanted::Events),
        "/message" => Endpoint::Service(Name::Only, Wanted::Message),
        "/metrics" => Endpoint::Ops(Ops::Metrics),
        "/healthz" => Endpoint::Ops(Ops::Alive),
        "/readyz" => Endpoint::Ops(Ops::Ready),
        _ => {
            let (name, wanted) = if let Some(rest) = path.strip_prefix("/servers/") {
                let (name, what) = rest.split_once('/')?;
                (name, wanted(what).or((what == "mcp").then_some(Wanted::Stream))?)
            } else if let Some(rest) = path.strip_prefix("/mcp/sse/proxy/") {
                let (name, what) = rest.split_once('/')?;
                (name, wanted(what)?)
            } else {
                let name = path.strip_prefix("/mcp/stream/proxy/")?;
                (name, Wanted::Stream)
            };
            if name.contains('/') {
                return None;
            }
            Endpoint::Service(Name::Given(name), wanted)
        }
    })
}

/// The two halves of HTTP+SSE.
fn wanted(what: &str) -> Option<Wanted> {
    match what {
        "sse" => Some(Wanted::Events),
        "message" => Some(Wanted::Message),
        _ => None,
    }
}
