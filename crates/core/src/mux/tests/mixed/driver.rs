//! Plays a mixed history.

use std::sync::Arc;

use super::super::eras::Wants;
use super::super::harness::*;
use super::child::Child;
use super::reader::{Kind, Sent, tags};
use super::{Event, What};
use crate::fault::{Fault, FaultKind};
use crate::mux::{Note, Role};
use crate::protocol::LogLevel;
use crate::service::EraChoice;

/// A legacy session.
struct Known {
    client: Client,
    name: String,
    over: bool,
}

pub(super) struct Driver {
    h: Harness,
    child: Child,
    sessions: Vec<Known>,
    places: [Option<usize>; 2],
    sent: Vec<Sent>,
    nonce: usize,
}

impl Driver {
    pub(super) fn new(modern: bool) -> Self {
        let world = Arc::new(World::new());
        let mut h = Harness::with(&world, Role::Main, |s| s.era = EraChoice::Auto);
        let child = Child::start(&mut h, modern);
        Self { h, child, sessions: Vec::new(), places: [None; 2], sent: Vec::new(), nonce: 0 }
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Toggle(place) => self.toggle(place),
            Event::Legacy { place, what, token } => self.legacy(place, what, token),
            Event::Cancel(place) => self.cancel(place),
            Event::Modern { what, token, can, level } => self.modern(what, token, can, level),
            Event::Listen { uri, tools } => self.listen(uri, tools),
            Event::Leave(which) => self.leave(which),
            Event::Answer { which, refuse } => self.answer(which, refuse),
            Event::Read => self.read(),
            Event::Reply { call, how } => self.child.reply(&mut self.h, call, how),
            Event::Ask(call) => self.child.ask(&mut self.h, call),
            Event::Withdraw(which) => {
                self.read(); // What was answered is not withdrawn.
                self.child.withdraw(&mut self.h, which);
            }
            Event::Progress(call) => self.child.progress(&mut self.h, call),
            Event::Log(call) => {
                let logged = |tag: &str| {
                    self.sent.iter().any(|sent| {
                        let wants = matches!(
                            sent.kind,
                            Kind::Legacy { .. } | Kind::Modern { level: true, .. }
                        );
                        wants && sent.tag.as_deref() == Some(tag)
                    })
                };
                self.child.log(&mut self.h, call, logged);
            }
            Event::ToolsChanged => self.child.tools_changed(&mut self.h),
            Event::Updated(uri) => self.child.updated(&mut self.h, uri),
            Event::Stream { which, how } => self.child.stream(&mut self.h, which, how),
            Event::Die { modern } => {
                self.h.die();
                self.look();
                self.child = Child::start(&mut self.h, modern);
            }
            Event::Pass(time) => {
                self.read(); // What was cancelled long ago is known to be.
                self.h.pass(time);
            }
        }
        self.supervise();
        self.look();
    }

    fn toggle(&mut self, place: usize) {
        if let Some(session) = self.places[place].take() {
            self.sessions[session].over = true;
            return self.h.end(&self.sessions[session].client);
        }
        let client = self.h.client(EVERYTHING);
        let name = format!("s{}", self.sessions.len());
        self.places[place] = Some(self.sessions.len());
        self.sessions.push(Known { client, name, over: false });
    }

    fn number(&mut self) -> usize {
        self.nonce += 1;
        self.nonce
    }

    fn legacy(&mut self, place: usize, what: What, token: bool) {
        let Some(session) = self.places[place] else { return };
        let id = self.number();
        let tag = format!("{}-{id}", self.sessions[session].name);
        let (method, members, is_tagged) = wire(what);
        let meta = if token { r#","_meta":{"progressToken":"p"}"# } else { "" };
        // What several may share carries nobody's tag.
        let tagged = if is_tagged { format!(r#","tag":"{tag}""#) } else { String::new() };
        let params = format!(r#"{{"x":1{tagged}{members}{meta}}}"#);
        let client = &self.sessions[session].client;
        let stream = self.h.ask(client, &id.to_string(), method, &params);
        let kind = Kind::Legacy { session, stream };
        let owner = self.sessions[session].name.clone();
        self.push(kind, id, owner, is_tagged.then_some(tag), token);
    }

    fn modern(&mut self, what: What, token: bool, can: bool, level: bool) {
        let id = self.number();
        let tag = format!("m{id}-{id}");
        let (method, members, _) = wire(what);
        let meta = if token { r#","progressToken":"p""# } else { "" };
        let wants = Wants {
            can: if can { EVERYTHING } else { NOTHING },
            level: level.then_some(LogLevel::Debug),
        };
        let members = format!(r#"{members},"tag":"{tag}""#);
        let asker = self.h.modern_with(wants, &id.to_string(), method, &members, meta);
        self.push(Kind::Modern { asker, can, level }, id, format!("m{id}"), Some(tag), token);
    }

    fn listen(&mut self, uri: Option<usize>, tools: bool) {
        let id = self.number();
        let uris =
            uri.map_or(String::new(), |uri| format!(r#","resourceSubscriptions":["u:{uri}"]"#));
        let asker = self
            .h
            .modern_listen(&id.to_string(), &format!(r#"{{"toolsListChanged":{tools}{uris}}}"#));
        let kind = Kind::Listen { asker, acknowledged: None, tools, uri };
        self.push(kind, id, String::new(), None, false);
    }

    fn push(&mut self, kind: Kind, id: usize, owner: String, tag: Option<String>, token: bool) {
        let (questions, finals, left) = (Vec::new(), 0, false);
        self.sent.push(Sent { kind, id, owner, tag, token, questions, finals, left });
    }

    fn cancel(&mut self, place: usize) {
        let Some(session) = self.places[place] else { return };
        let is_its = |sent: &&mut Sent| {
            matches!(sent.kind, Kind::Legacy { session: of, .. } if of == session)
                && sent.finals == 0
                && !sent.left
        };
        let Some(sent) = self.sent.iter_mut().rev().find(is_its) else { return };
        sent.left = true;
        self.h.cancel(&self.sessions[session].client, &sent.id.to_string());
    }

    fn leave(&mut self, which: usize) {
        let open = self.sent.iter_mut().filter(|sent| {
            sent.finals == 0 && !sent.left && !matches!(sent.kind, Kind::Legacy { .. })
        });
        let mut open: Vec<_> = open.collect();
        if open.is_empty() {
            return;
        }
        let which = which % open.len();
        open[which].left = true;
        if let Kind::Modern { asker, .. } | Kind::Listen { asker, .. } = &open[which].kind {
            asker.leave(&mut self.h);
        }
    }

    fn answer(&mut self, which: usize, refuse: bool) {
        let open: Vec<usize> =
            (0..self.sent.len()).filter(|at| !self.sent[*at].questions.is_empty()).collect();
        if open.is_empty() {
            return;
        }
        let sent = &mut self.sent[open[which % open.len()]];
        let number = sent.questions.remove(0);
        let tag = sent.tag.clone().unwrap_or_default();
        let refuse = refuse && !matches!(sent.kind, Kind::Modern { .. });
        let outcome = if refuse {
            r#""error":{"code":-1,"message":"no"}"#.to_owned()
        } else {
            format!(r#""result":{{"action":"accept","tag":"{tag}"}}"#)
        };
        match &sent.kind {
            Kind::Legacy { session, .. } => {
                let known = &self.sessions[*session];
                // Which of its calls is asked about is not known where several are open.
                let outcome = if self.child.modern { outcome } else { r#""result":{}"#.to_owned() };
                let text = format!(r#"{{"jsonrpc":"2.0","id":{number},{outcome}}}"#);
                self.h.answer(&known.client, &text);
            }
            Kind::Modern { asker, .. } => {
                let result = format!(r#"{{"action":"accept","tag":"{tag}"}}"#);
                asker.answer(&mut self.h, number, &result);
                assert!(!asker.answer(&mut self.h, number, "{}"), "answered once");
            }
            Kind::Listen { .. } => panic!("who listens is not asked"),
        }
    }

    fn read(&mut self) {
        for line in self.h.sent() {
            self.child.read(&line);
        }
    }

    /// Does what a supervisor does, with no process to spare.
    fn supervise(&mut self) {
        let busy = Fault::new(&"svc".into(), FaultKind::Overloaded);
        for note in self.h.mux.take_notes() {
            if let Note::NeedsSide(input) | Note::Misrouted(input) = note {
                input.refuse(&busy);
            }
        }
    }

    fn look(&mut self) {
        for sent in &mut self.sent {
            sent.look();
        }
        for known in &mut self.sessions {
            for text in known.client.get.all() {
                for tag in tags(&text) {
                    assert_eq!(tag.split('-').next(), Some(&*known.name), "{text}");
                }
                let method = method_of(&text);
                if method == "notifications/resources/updated" {
                    let message = json(&text);
                    let uri = message["params"]["uri"].as_str().unwrap_or_default();
                    assert!(known.client.session.subscribes(uri), "{} got {text}", known.name);
                }
                let mark = text.contains("subscriptionId");
                assert!(method.starts_with("notifications/") && !mark, "{text}");
            }
        }
    }

    /// Everybody leaves; nothing may be left.
    pub(super) fn finish(mut self) {
        for place in 0..2 {
            if self.places[place].is_some() {
                self.happen(Event::Toggle(place));
            }
        }
        for _ in 0..self.sent.len() {
            self.happen(Event::Leave(0));
        }
        // What was asked of a child for listeners who have gone since is given up in a while.
        self.happen(Event::Pass(REQUEST_TIMEOUT + LATE));
        for _ in 0..3 {
            // A stream of our own is replaced when the child has acknowledged the newest.
            self.read();
            for which in 0..64 {
                self.child.stream(&mut self.h, which, super::Stream::Acknowledge);
            }
        }
        self.read();
        self.child.is_done();
        self.h.is_empty();
        for sent in &self.sent {
            let closed = match &sent.kind {
                Kind::Legacy { session, .. } => sent.left || self.sessions[*session].over,
                _ => sent.left,
            };
            assert!(sent.finals == 1 || closed, "no answer to {} {:?}", sent.id, sent.tag);
            if let Kind::Modern { asker, .. } | Kind::Listen { asker, .. } = &sent.kind {
                let others = asker.session.others_than(&Harness::main().inbox);
                assert!(others.is_empty(), "{} is remembered by a process", sent.id);
            }
        }
        assert_eq!(self.h.world.held.used(), 0, "bytes held for clients");
        assert_eq!(self.h.mux.outgoing.next_batch().slots(), 0);
    }
}

/// Its method, the members of its parameters, and whether the answer is for its sender alone.
fn wire(what: What) -> (&'static str, String, bool) {
    match what {
        What::Tool(n) => ("tools/call", format!(r#","name":"t{n}""#), true),
        What::List => ("tools/list", String::new(), true),
        What::Subscribe(n) => ("resources/subscribe", format!(r#","uri":"u:{n}""#), false),
        What::Unsubscribe(n) => ("resources/unsubscribe", format!(r#","uri":"u:{n}""#), false),
    }
}
