//! The vocabulary of the MCP specification: revisions, eras, methods, headers, error codes.
//!
//! Owns names and numbers only. Must not know how a message is moved or who moves it.

mod capabilities;

use std::fmt;

pub use capabilities::ClientCapabilities;

/// A published revision of the protocol, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches.
    V2025_03_26,
    /// 2025-06-18: the version header, elicitation; no batches.
    V2025_06_18,
    /// 2025-11-25: priming events, URL elicitation, tasks (experimental).
    V2025_11_25,
    /// 2026-07-28: no handshake, no sessions.
    V2026_07_28,
}

impl ProtocolVersion {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The newest revision that opens with `initialize`.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// What a legacy HTTP request without `MCP-Protocol-Version` is taken for
    /// (2025-06-18, "Protocol Version Header").
    pub const ASSUMED: Self = Self::V2025_03_26;

    /// The revision named by `text`, if there is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// The date that names the revision on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Which of the two families the revision belongs to.
    pub fn era(self) -> Era {
        if self >= Self::V2026_07_28 { Era::Modern } else { Era::Legacy }
    }

    /// What a legacy server answers to an `initialize` that asks for `requested`: the same
    /// revision where it is a legacy one, else the newest legacy one
    /// (2025-11-25, "Version Negotiation").
    pub fn negotiate_legacy(requested: &str) -> Self {
        match Self::parse(requested) {
            Some(version) if version.era() == Era::Legacy => version,
            _ => Self::LATEST_LEGACY,
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The two families of revisions. A stdio process serves one of them once it has been opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2025-11-25 and older: opens with `initialize`.
    Legacy,
    /// 2026-07-28 and newer: every request carries its own `_meta`.
    Modern,
}

impl Era {
    /// The word used in metrics, logs and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// Method names that Standpipe acts on.
pub mod method {
    /// Opens a legacy session.
    pub const INITIALIZE: &str = "initialize";
    /// Ends the legacy handshake.
    pub const INITIALIZED: &str = "notifications/initialized";
    /// Liveness, both ways (legacy).
    pub const PING: &str = "ping";
    /// Calls a tool.
    pub const TOOLS_CALL: &str = "tools/call";
    /// Renders a prompt.
    pub const PROMPTS_GET: &str = "prompts/get";
    /// Reads a resource.
    pub const RESOURCES_READ: &str = "resources/read";
    /// Asks to be told when a resource changes (legacy).
    pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
    /// Ends a subscription (legacy).
    pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
    /// Sets the session's log level (legacy).
    pub const LOGGING_SET_LEVEL: &str = "logging/setLevel";
    /// Server to client: ask the client's model.
    pub const SAMPLING_CREATE_MESSAGE: &str = "sampling/createMessage";
    /// Server to client: ask the user.
    pub const ELICITATION_CREATE: &str = "elicitation/create";
    /// Server to client: which folders may be used.
    pub const ROOTS_LIST: &str = "roots/list";
    /// Opens a modern child; answered without a handshake.
    pub const SERVER_DISCOVER: &str = "server/discover";
    /// Opens a stream of notifications (2026-07-28).
    pub const SUBSCRIPTIONS_LISTEN: &str = "subscriptions/listen";
    /// The first message on such a stream: which of the wanted notifications will come.
    pub const SUBSCRIPTIONS_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
    /// Lists tools.
    pub const TOOLS_LIST: &str = "tools/list";
    /// Lists prompts.
    pub const PROMPTS_LIST: &str = "prompts/list";
    /// Lists resources.
    pub const RESOURCES_LIST: &str = "resources/list";
    /// Lists templates of resources.
    pub const RESOURCES_TEMPLATES_LIST: &str = "resources/templates/list";
    /// Completes an argument.
    pub const COMPLETION_COMPLETE: &str = "completion/complete";
    /// Either side gives up a request.
    pub const CANCELLED: &str = "notifications/cancelled";
    /// Either side reports progress of a request.
    pub const PROGRESS: &str = "notifications/progress";
    /// The server logs.
    pub const LOG_MESSAGE: &str = "notifications/message";
    /// A subscribed resource changed.
    pub const RESOURCES_UPDATED: &str = "notifications/resources/updated";
    /// The list of resources changed.
    pub const RESOURCES_LIST_CHANGED: &str = "notifications/resources/list_changed";
    /// The list of tools changed.
    pub const TOOLS_LIST_CHANGED: &str = "notifications/tools/list_changed";
    /// The list of prompts changed.
    pub const PROMPTS_LIST_CHANGED: &str = "notifications/prompts/list_changed";
    /// The client's roots changed.
    pub const ROOTS_LIST_CHANGED: &str = "notifications/roots/list_changed";
    /// A URL elicitation was completed out of band.
    pub const ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";

    /// All of the above, those that are seen most first.
    pub const ALL: [&str; 29] = [
        TOOLS_CALL,
        PROGRESS,
        LOG_MESSAGE,
        RESOURCES_READ,
        TOOLS_LIST,
        PROMPTS_GET,
        PING,
        CANCELLED,
        RESOURCES_UPDATED,
        COMPLETION_COMPLETE,
        ELICITATION_CREATE,
        SAMPLING_CREATE_MESSAGE,
        INITIALIZE,
        INITIALIZED,
        RESOURCES_LIST,
        PROMPTS_LIST,
        RESOURCES_TEMPLATES_LIST,
        RESOURCES_SUBSCRIBE,
        RESOURCES_UNSUBSCRIBE,
        LOGGING_SET_LEVEL,
        ROOTS_LIST,
        SERVER_DISCOVER,
        SUBSCRIPTIONS_LISTEN,
        SUBSCRIPTIONS_ACKNOWLEDGED,
        TOOLS_LIST_CHANGED,
        RESOURCES_LIST_CHANGED,
        PROMPTS_LIST_CHANGED,
        ROOTS_LIST_CHANGED,
        ELICITATION_COMPLETE,
    ];

    /// Whether a child may ask the client something while a request of this method is open
    /// (2025-11-25 server requests; 2026-07-28 "Multi Round-Trip Requests" names the same three).
    pub fn may_ask(method: &str) -> bool {
        matches!(method, TOOLS_CALL | PROMPTS_GET | RESOURCES_READ)
    }

    /// Whether the notification says that a list has to be fetched again.
    pub fn is_list_changed(method: &str) -> bool {
        matches!(method, RESOURCES_LIST_CHANGED | TOOLS_LIST_CHANGED | PROMPTS_LIST_CHANGED)
    }

    /// Whether 2026-07-28 has taken the method away: a modern client that calls it gets the answer
    /// to an unknown method.
    pub fn was_removed(method: &str) -> bool {
        matches!(
            method,
            INITIALIZE | PING | LOGGING_SET_LEVEL | RESOURCES_SUBSCRIBE | RESOURCES_UNSUBSCRIBE
        )
    }

    /// Whether 2026-07-28 wants `ttlMs` and `cacheScope` in the result ("Caching").
    pub fn is_cacheable(method: &str) -> bool {
        matches!(
            method,
            SERVER_DISCOVER
                | TOOLS_LIST
                | PROMPTS_LIST
                | RESOURCES_LIST
                | RESOURCES_TEMPLATES_LIST
                | RESOURCES_READ
        )
    }
}

/// Members of `_meta` that 2026-07-28 gives a meaning.
pub mod meta {
    /// What all of them begin with.
    pub const PREFIX: &str = "io.modelcontextprotocol/";
    /// The revision a request is written for.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// What the client of this request can be asked.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Which program the client is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// The least severe log message that this request wants.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// The listening request to which a notification belongs.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Which program the server is.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// By which a request's progress is reported.
    pub const PROGRESS_TOKEN: &str = "progressToken";
}

/// HTTP header names, in lower case as HTTP libraries want them.
pub mod header {
    /// The legacy session.
    pub const SESSION_ID: &str = "mcp-session-id";
    /// The revision a request is written for.
    pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
    /// Where a broken event stream is resumed.
    pub const LAST_EVENT_ID: &str = "last-event-id";
    /// The method of a modern request.
    pub const METHOD: &str = "mcp-method";
    /// The tool, the prompt or the resource of a modern request.
    pub const NAME: &str = "mcp-name";
    /// What headers begin with that repeat an argument of a tool (`x-mcp-header`).
    pub const PARAM_PREFIX: &str = "mcp-param-";
}

/// JSON-RPC error codes.
pub mod code {
    /// The text is not JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// The JSON is not a valid request.
    pub const INVALID_REQUEST: i32 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The parameters are wrong.
    pub const INVALID_PARAMS: i32 = -32602;
    /// Something broke inside.
    pub const INTERNAL_ERROR: i32 = -32603;
    /// The connection to the server went away before it answered (as the official SDKs use it).
    pub const CONNECTION_CLOSED: i32 = -32000;
    /// No answer in time (as the official SDKs use it).
    pub const REQUEST_TIMEOUT: i32 = -32001;
    /// The service can't take the request now; it may be tried again.
    pub const UNAVAILABLE: i32 = -32010;
    /// The session is unknown or over; the client starts again with `initialize`.
    pub const SESSION_NOT_FOUND: i32 = -32011;
    /// Refused by a check on the HTTP request (Host, Origin, content type, …).
    pub const FORBIDDEN: i32 = -32012;
    /// No such resource, up to 2025-11-25; [`INVALID_PARAMS`] since.
    pub const RESOURCE_NOT_FOUND: i32 = -32002;
    /// A header is missing, or says something else than the body (2026-07-28).
    pub const HEADER_MISMATCH: i32 = -32020;
    /// The request needs a capability that its client did not declare (2026-07-28).
    pub const MISSING_CAPABILITY: i32 = -32021;
    /// The revision is not supported (2026-07-28; with `supported` and `requested`).
    pub const UNSUPPORTED_VERSION: i32 = -32022;
    /// The user has to open a URL first (2025-11-25).
    pub const URL_ELICITATION_REQUIRED: i32 = -32042;

    /// Whether only a server of 2026-07-28 or later answers `server/discover` so.
    pub fn is_modern(code: i32) -> bool {
        matches!(code, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION)
    }
}

/// Severities of `notifications/message` (RFC 5424), least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the words are the documentation")]
pub enum LogLevel {
    Debug = 1,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    /// Every level, least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The level named by `text`, if there is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level with this number, as stored in an atomic; `None` for 0 (never set).
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| *level as u8 == number)
    }
}
