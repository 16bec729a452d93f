//! The list of faults.
//!
//! Owns their names; what they do is where it happens, in `server` and `noise`.

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every answer comes twice.
    AnswerTwice,
    /// Noise between messages.
    Banner,
    /// Stdout closes after the handshake, the process stays.
    CloseStdout,
    /// It ends on, or right after, `initialize`.
    DieInHandshake,
    /// It ends while calls are open.
    DieMidCall,
    /// It ends on `server/discover`.
    DieOnDiscover,
    /// It ends before it reads.
    ExitAtOnce,
    /// It has a stubborn grandchild.
    Grandchild,
    /// The end of stdin does not end it.
    IgnoreEof,
    /// Nor do the polite signals.
    IgnoreTerm,
    /// It gets a stubborn grandchild when it is asked to end.
    LateGrandchild,
    /// Very long lines.
    LongLine,
    /// It does not read.
    NeverRead,
    /// It does not answer `initialize`.
    NoInitializeAnswer,
    /// More notifications than anyone wants.
    NotificationFlood,
    /// It takes its time.
    SlowStart,
    /// More standard error than a pipe holds.
    StderrFlood,
    /// Lines that are JSON, or nearly, but no message that was asked for.
    WrongJson,
}

/// The faults by their names on the command line.
pub(crate) const FAULTS: [(&str, Fault); 18] = [
    ("answer-twice", Fault::AnswerTwice),
    ("banner", Fault::Banner),
    ("close-stdout", Fault::CloseStdout),
    ("die-in-handshake", Fault::DieInHandshake),
    ("die-mid-call", Fault::DieMidCall),
    ("die-on-discover", Fault::DieOnDiscover),
    ("exit-at-once", Fault::ExitAtOnce),
    ("grandchild", Fault::Grandchild),
    ("ignore-eof", Fault::IgnoreEof),
    ("ignore-term", Fault::IgnoreTerm),
    ("late-grandchild", Fault::LateGrandchild),
    ("long-line", Fault::LongLine),
    ("never-read", Fault::NeverRead),
    ("no-initialize-answer", Fault::NoInitializeAnswer),
    ("notification-flood", Fault::NotificationFlood),
    ("slow-start", Fault::SlowStart),
    ("stderr-flood", Fault::StderrFlood),
    ("wrong-json", Fault::WrongJson),
];
