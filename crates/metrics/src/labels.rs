//! The values that labels can take.
//!
//! Owns the closed sets. It must not know how series are stored. It exists so that no label value
//! is ever made from a string that came from outside: the number of series is known beforehand.

/// Declares a label's values: an enum, all of its members, and their words.
macro_rules! label {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $member:ident => $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $member,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];

            /// The word that stands in the label.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => $word,)+
                }
            }
        }

        impl Label for $name {
            const VALUES: &'static [Self] = Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// A closed set of label values; lets numbers of any label share one table type.
pub(crate) trait Label: Copy + 'static {
    const VALUES: &'static [Self];
    fn word(self) -> &'static str;
    fn index(self) -> usize;
}

label! {
    /// How a request ended (`outcome`).
    Outcome {
        /// The child answered with a result.
        Ok => "ok",
        /// The child answered with a JSON-RPC error.
        Error => "error",
        /// The caller's fault: bad parameters, unknown session, too large.
        Rejected => "rejected",
        /// The caller withdrew it or went away.
        Cancelled => "cancelled",
        /// No answer in time.
        Timeout => "timeout",
        /// The child died before it answered.
        Died => "died",
        /// The service was starting, cooling down, full or in a crash loop.
        Unavailable => "unavailable",
        /// Standpipe's own fault.
        Internal => "internal",
    }
}

label! {
    /// Over which transport, in which era a request came (`transport`, `era`).
    Wire {
        /// Streamable HTTP, 2025-03-26 to 2025-11-25.
        StreamLegacy => "streamable_http/legacy",
        /// Streamable HTTP, 2026-07-28 and newer.
        StreamModern => "streamable_http/modern",
        /// HTTP+SSE, 2024-11-05.
        Sse => "sse/legacy",
    }
}

label! {
    /// Over which transport, whatever the era (`transport`).
    Transport {
        /// Streamable HTTP.
        Stream => "streamable_http",
        /// HTTP+SSE.
        Sse => "sse",
    }
}

impl Wire {
    /// The value of the label `transport`.
    pub const fn transport(self) -> &'static str {
        self.over().as_str()
    }

    pub(crate) const fn over(self) -> Transport {
        match self {
            Self::StreamLegacy | Self::StreamModern => Transport::Stream,
            Self::Sse => Transport::Sse,
        }
    }

    /// The value of the label `era`.
    pub const fn era(self) -> &'static str {
        match self {
            Self::StreamLegacy | Self::Sse => "legacy",
            Self::StreamModern => "modern",
        }
    }
}

label! {
    /// How a process start ended (`outcome`).
    StartOutcome {
        /// The handshake completed.
        Ready => "ready",
        /// The command could not be launched.
        LaunchFailed => "launch_failed",
        /// The process died before the handshake completed.
        Died => "died",
        /// The handshake took longer than `start_timeout`.
        Timeout => "timeout",
        /// The handshake failed: a refusal, or nothing that could be understood.
        HandshakeFailed => "handshake_failed",
        /// Stopped while starting.
        Cancelled => "cancelled",
    }
}

label! {
    /// Why a process ended (`reason`).
    ExitReason {
        /// It was told to: a stop, a restart, a removal, a shutdown.
        Stopped => "stopped",
        /// It was told to, because nobody used it.
        Idle => "idle",
        /// By itself, with status 0.
        Success => "success",
        /// By itself, with another status.
        Failure => "failure",
        /// By a signal that was not ours.
        Signal => "signal",
        /// It was ended because it exceeded a limit.
        Limit => "limit",
        /// We ended it because it did not answer.
        Unresponsive => "unresponsive",
    }
}

label! {
    /// Where a service is in its life (`phase`); one of them is 1, the others are 0.
    Phase {
        /// No process, and none wanted yet.
        Idle => "idle",
        /// A process is being started.
        Starting => "starting",
        /// A process serves.
        Ready => "ready",
        /// Open calls may end, new ones are refused.
        Draining => "draining",
        /// Ended for good.
        Stopped => "stopped",
        /// Waiting before the next start.
        Backoff => "backoff",
        /// Given up until somebody intervenes.
        CrashLoop => "crash_loop",
    }
}

label! {
    /// Why a message was dropped (`reason`).
    Dropped {
        /// A child's answer to an id that nobody waits for.
        UnknownId => "unknown_id",
        /// A child's answer that came after its call was cancelled or timed out.
        Late => "late",
        /// A log message that could not be attributed to one caller.
        UnownedLog => "unowned_log",
        /// Progress for a token nobody waits for.
        UnownedProgress => "unowned_progress",
        /// A `cancelled` that matches no open call, or two.
        AmbiguousCancel => "ambiguous_cancel",
        /// A client's answer to a question that is not open.
        UnknownQuestion => "unknown_question",
        /// The queue towards a client was full.
        SlowClient => "slow_client",
        /// The client's session or stream was gone.
        NoReceiver => "no_receiver",
        /// It was not a valid message.
        Invalid => "invalid",
        /// Standpipe's to answer, never forwarded.
        NotForwarded => "not_forwarded",
    }
}

label! {
    /// Why a child's question was refused (`reason`).
    QuestionRefusal {
        /// More than one call was open in its process.
        Ambiguous => "ambiguous",
        /// No call was open, and no single session owns the process.
        NoCall => "no_call",
        /// The client did not declare the capability.
        Undeclared => "undeclared",
        /// The service is configured with `interactive = "never"`.
        Disabled => "disabled",
        /// Nobody answered in time, or the client went away.
        Unanswered => "unanswered",
        /// A method nobody knows.
        UnknownMethod => "unknown_method",
    }
}

label! {
    /// Why an HTTP request or connection was refused before it reached a service (`reason`).
    Refusal {
        /// A `Host` that is not allowed.
        Host => "host",
        /// An `Origin` that is not allowed.
        Origin => "origin",
        /// A configuration header where none is allowed.
        ConfigHeader => "config_header",
        /// A body over the limit.
        BodyTooLarge => "body_too_large",
        /// The memory for request bodies of the whole process was used up.
        BodyBudget => "body_budget",
        /// Too many connections.
        Connections => "connections",
        /// Out of file descriptors.
        FileDescriptors => "file_descriptors",
        /// A service id that cannot be one.
        BadServiceId => "bad_service_id",
        /// No such service.
        UnknownService => "unknown_service",
        /// No such path.
        UnknownPath => "unknown_path",
        /// Shutting down.
        Draining => "draining",
    }
}

label! {
    /// How a reading of the configuration while it was in force ended (`outcome`).
    Reload {
        /// Something had changed, and holds from now on.
        Applied => "applied",
        /// Nothing had changed that concerns a service.
        Unchanged => "unchanged",
        /// It could not be used; what was read before stays in force.
        Rejected => "rejected",
    }
}

label! {
    /// What became of a span (`outcome`).
    Spans {
        /// The collector has taken it.
        Exported => "exported",
        /// It was lost: too many waited, or the collector did not take it.
        Dropped => "dropped",
    }
}
