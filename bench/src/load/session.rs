//! A client's session: its handshake, its connections, its one open call.
//!
//! Owns what a client says to be let in, and when a call is over. Must not know how time is
//! measured.

use std::io;

use super::connection::Connection;
use super::http::{self, broken};
use super::target::Target;
use super::template::{Template, Tool, Transport, Verdict, post};

/// What each session does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) transport: Transport,
    pub(super) tool: Tool,
    pub(super) size: usize,
}

/// One client.
#[derive(Debug)]
pub(super) struct Session {
    /// Requests, and answers where they come on the same connection.
    pub(super) posts: Connection,
    /// The event stream of HTTP+SSE.
    pub(super) events: Option<Connection>,
    pub(super) template: Template,
    target: Target,
    id: Option<String>,
    sent: usize,
    is_accepted: bool,
    is_answered: bool,
    has_progress: bool,
}

/// What has become of the open call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Waiting,
    Right,
    Wrong,
}

impl Session {
    pub(super) fn open(target: &Target, kind: Kind, number: usize) -> io::Result<Self> {
        let mut target = target.clone();
        let mut events = None;
        if kind.transport == Transport::Sse {
            let mut stream = Connection::open(&target)?;
            let accept = "Accept: text/event-stream\r\n\r\n";
            let head = stream.begin(target.head("GET", accept).as_bytes())?;
            if head.status != 200 {
                return Err(broken("the event stream was refused"));
            }
            let endpoint = stream.event()?;
            target = target.at(&String::from_utf8_lossy(&endpoint))?;
            events = Some(stream);
        }
        let mut posts = Connection::open(&target)?;
        let id = match kind.transport {
            Transport::Modern => None,
            Transport::Stream | Transport::Sse => {
                shake_hands(&target, kind.transport, &mut posts, events.as_mut())?
            }
        };
        let template =
            Template::new(&target, kind.transport, id.as_deref(), number, kind.tool, kind.size);
        Ok(Self {
            posts,
            events,
            template,
            target,
            id,
            sent: 0,
            is_accepted: false,
            is_answered: false,
            has_progress: false,
        })
    }

    pub(super) fn unblock(&self) -> io::Result<()> {
        self.posts.unblock()?;
        self.events.as_ref().map_or(Ok(()), Connection::unblock)
    }

    /// Begins the next call. False when not all of it could be written yet.
    pub(super) fn call(&mut self) -> io::Result<bool> {
        self.template.next();
        self.sent = 0;
        self.has_progress = false;
        self.is_accepted = false;
        self.is_answered = false;
        self.write()
    }

    /// Goes on writing. False when more is left.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        self.sent += self.posts.write(&self.template.bytes[self.sent..])?;
        Ok(self.sent == self.template.bytes.len())
    }

    /// Reads what came for a request.
    pub(super) fn read_posts(&mut self) -> io::Result<Outcome> {
        self.posts.read()?;
        let Some((head, body)) = self.posts.incoming.whole()? else {
            return Ok(Outcome::Waiting);
        };
        if head.closes {
            return Err(broken("the server does not keep its connections"));
        }
        if self.events.is_some() {
            if head.status != 202 && head.status != 200 {
                return Err(broken("the request was refused"));
            }
            self.is_accepted = true;
            return Ok(self.outcome());
        }
        if head.status != 200 {
            return Err(io::Error::other(format!(
                "{}: {}",
                head.status,
                String::from_utf8_lossy(&body[..body.len().min(200)])
            )));
        }
        let mut is_right = false;
        for message in http::messages(&head, body) {
            match self.template.judge(message) {
                Verdict::Right if !is_right => is_right = true,
                Verdict::Progress => self.has_progress = true,
                Verdict::Other => {}
                Verdict::Right | Verdict::Wrong => return Ok(Outcome::Wrong),
            }
        }
        let has_all = is_right && self.has_progress == self.template.wants_progress();
        Ok(if has_all { Outcome::Right } else { Outcome::Wrong })
    }

    /// Reads what came on the event stream.
    pub(super) fn read_events(&mut self) -> io::Result<Outcome> {
        let Some(events) = &mut self.events else {
            return Ok(Outcome::Waiting);
        };
        events.read()?;
        while let Some(event) = events.incoming.event()? {
            if event.data.is_empty() {
                continue;
            }
            match self.template.judge(event.data) {
                Verdict::Right if !self.is_answered => self.is_answered = true,
                Verdict::Progress => self.has_progress = true,
                Verdict::Other => {}
                Verdict::Right | Verdict::Wrong => return Ok(Outcome::Wrong),
            }
        }
        Ok(self.outcome())
    }

    fn outcome(&mut self) -> Outcome {
        if !self.is_accepted || !self.is_answered {
            return Outcome::Waiting;
        }
        (self.is_accepted, self.is_answered) = (false, false);
        if self.has_progress == self.template.wants_progress() {
            Outcome::Right
        } else {
            Outcome::Wrong
        }
    }

    /// Ends the session, where the protocol has a way to. Whether that worked is not measured.
    pub(super) fn close(mut self) {
        let Some(id) = &self.id else {
            return;
        };
        let head = self.target.head("DELETE", &format!("Mcp-Session-Id: {id}\r\n\r\n"));
        if self.posts.block().is_ok() {
            let _ = self.posts.exchange(head.as_bytes());
        }
    }
}

/// `initialize` and `notifications/initialized`; gives the session's id where there is one.
pub(super) fn shake_hands(
    target: &Target,
    transport: Transport,
    posts: &mut Connection,
    events: Option<&mut Connection>,
) -> io::Result<Option<String>> {
    let (head, answer) = say(target, transport, None, &initialize(transport), posts)?;
    let message = match events {
        // Some servers greet before they answer.
        Some(events) => loop {
            let message = events.event()?;
            if crate::scan::message(&message).is_some_and(|message| message.id.is_some()) {
                break message;
            }
        },
        None => http::messages(&head, &answer).last().unwrap_or_default().to_vec(),
    };
    if crate::scan::message(&message).is_none_or(|message| message.result.is_none()) {
        let text = String::from_utf8_lossy(&message);
        return Err(io::Error::other(format!("initialize: {} {text}", head.status)));
    }
    let id = head.session;
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let (head, _) = say(target, transport, id.as_deref(), body, posts)?;
    if !(200..300).contains(&head.status) {
        return Err(broken("notifications/initialized was refused"));
    }
    Ok(id)
}

/// A client's first request.
pub(super) fn initialize(transport: Transport) -> String {
    let version = if transport == Transport::Sse { "2024-11-05" } else { "2025-11-25" };
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"bench-load","version":"1"}}}}}}"#
    )
}

/// Says one thing and waits for the whole answer.
pub(super) fn say(
    target: &Target,
    transport: Transport,
    session: Option<&str>,
    body: &str,
    posts: &mut Connection,
) -> io::Result<(http::Head, Vec<u8>)> {
    let head = post(target, transport, session, body.len());
    posts.exchange(format!("{head}\r\n{body}").as_bytes())
}
