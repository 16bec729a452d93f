//! Plays a history and looks at every message that a client reads.

use std::sync::Arc;

use super::super::harness::*;
use super::child::FakeChild;
use super::{CLIENTS, Event, What};
use crate::fault::{Fault, FaultKind};
use crate::message::Id;
use crate::mux::{Note, Role};
use crate::protocol::ClientCapabilities;

const IDS: [&str; 4] = ["1", "\"1\"", "1.0", "2"];
const LEVELS: [&str; 3] = ["debug", "info", "emergency"];

/// What the clients can be asked, by their place.
const CAN: [ClientCapabilities; CLIENTS] =
    [EVERYTHING, EVERYTHING, ClientCapabilities { elicitation: true, ..NOTHING }, NOTHING];

/// A session and what is known of it.
struct Known {
    name: String,
    place: usize,
    client: Client,
    questions: Vec<u64>,
}

/// A request of some session.
struct Sent {
    session: usize,
    id: &'static str,
    tag: Option<String>,
    token: Option<String>,
    stream: Stream,
    finals: usize,
    cancelled: bool,
}

pub(super) struct Driver {
    h: Harness,
    child: FakeChild,
    /// All there were; those that are over too.
    sessions: Vec<Known>,
    /// The session at each place, if one is open.
    places: [Option<usize>; CLIENTS],
    sent: Vec<Sent>,
    nonce: usize,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self {
            h: Harness::main(),
            child: FakeChild::default(),
            sessions: Vec::new(),
            places: [None; CLIENTS],
            sent: Vec::new(),
            nonce: 0,
        }
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Open(place) => self.open(place),
            Event::Close(place) => {
                if let Some(session) = self.places[place].take() {
                    self.h.end(&self.sessions[session].client);
                }
            }
            Event::Request { client, id, what, token } => self.request(client, IDS[id], what, token),
            Event::Cancel { client, id } => self.cancel(client, IDS[id]),
            Event::Notify(place) => {
                if let Some(session) = self.places[place] {
                    let text = r#"{"jsonrpc":"2.0","method":"notifications/custom"}"#;
                    self.h.send(&self.sessions[session].client, text);
                }
            }
            Event::Answer { client, question, own } => self.answer(client, question, own),
            Event::Read => self.read(),
            Event::Reply { call, how } => self.child.reply(&mut self.h, call, how),
            Event::Ask { call, roots } => {
                let method = if roots { "roots/list" } else { "elicitation/create" };
                self.child.ask(&mut self.h, call, method);
            }
            Event::Withdraw(which) => self.child.withdraw(&mut self.h, which),
            Event::Progress(call) => self.child.progress(&mut self.h, call),
            Event::Log(call) => self.child.log(&mut self.h, call),
            Event::ListChanged => self.h.child(
                r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
            ),
            Event::Updated(uri) => self.h.child(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"u:{uri}"}}}}"#
            )),
            Event::Nonsense { call, which } => self.child.nonsense(&mut self.h, call, which),
            Event::Die => self.die(),
            Event::Pass(time) => {
                self.read();
                self.h.pass(time);
                self.read();
                self.child.pass(self.h.now);
            }
        }
        self.supervise();
        self.look();
    }

    fn open(&mut self, place: usize) {
        if self.places[place].is_some() {
            return;
        }
        let client = self.h.world.session(CAN[place]);
        let mut stream = self.h.open(&client);
        self.supervise();
        let answer = stream.only();
        if answer.contains("\"result\"") {
            let name = format!("s{}", self.sessions.len());
            self.places[place] = Some(self.sessions.len());
            self.sessions.push(Known { name, place, client, questions: Vec::new() });
        }
    }

    fn request(&mut self, place: usize, id: &'static str, what: What, token: bool) {
        let Some(session) = self.places[place] else { return };
        self.nonce += 1;
        let tag = format!("{}-{}", self.sessions[session].name, self.nonce);
        let token = token.then(|| format!("\"{tag}.\\u0041\""));
        let meta = token
            .as_ref()
            .map_or(String::new(), |token| format!(r#","_meta":{{"progressToken":{token}}}"#));
        let (method, params, tagged) = match what {
            What::Tool(n) => ("tools/call", format!(r#""name":"t{n}","tag":"{tag}"{meta}"#), true),
            What::List => ("tools/list", format!(r#""tag":"{tag}"{meta}"#), true),
            What::Subscribe(n) => ("resources/subscribe", format!(r#""uri":"u:{n}"{meta}"#), false),
            What::Unsubscribe(n) => {
                ("resources/unsubscribe", format!(r#""uri":"u:{n}"{meta}"#), false)
            }
            What::Level(n) => {
                ("logging/setLevel", format!(r#""level":"{}"{meta}"#, LEVELS[n]), false)
            }
        };
        let client = &self.sessions[session].client;
        let stream = self.h.ask(client, id, method, &format!("{{{params}}}"));
        let tag = tagged.then_some(tag);
        self.sent.push(Sent { session, id, tag, token, stream, finals: 0, cancelled: false });
    }

    fn cancel(&mut self, place: usize, id: &str) {
        let Some(session) = self.places[place] else { return };
        let open = self.sent.iter_mut().filter(|sent| {
            sent.session == session && sent.id == id && sent.finals == 0 && !sent.cancelled
        });
        let open: Vec<_> = open.collect();
        self.h.cancel(&self.sessions[session].client, id);
        if let [only] = &mut { open }[..] {
            only.cancelled = true;
            assert!(only.stream.was_cancelled(), "the only call with id {id} was to be cancelled");
        }
    }

    fn answer(&mut self, place: usize, question: usize, own: bool) {
        let Some(session) = self.places[place] else { return };
        let known = &mut self.sessions[session];
        let by = format!(r#""result":{{"by":"{}","roots":[]}}"#, known.name);
        if own && !known.questions.is_empty() {
            let number = known.questions.remove(question % known.questions.len());
            let text = format!(r#"{{"jsonrpc":"2.0","id":{number},{by}}}"#);
            self.h.answer(&known.client, &text);
            assert!(!self.h.answer(&known.client, &text), "answered once");
        } else {
            // A number that was given to somebody else, or to nobody, or to this one before.
            let text = format!(r#"{{"jsonrpc":"2.0","id":{},{by}}}"#, question % 4);
            self.h.send(&known.client, &text);
        }
    }

    fn read(&mut self) {
        for line in self.h.sent() {
            self.child.read(&line, self.h.now);
        }
    }

    fn die(&mut self) {
        self.h.die();
        self.look();
        self.child = FakeChild::default();
        if matches!(self.h.mux.role, Role::Side(_)) {
            // It was given roots and does not come again; its owner is served by a new main one.
            for known in &self.sessions {
                known.client.session.set_own(None);
            }
            let (world, now) = (Arc::clone(&self.h.world), self.h.now);
            self.h = Harness::idle(&world, Role::Main);
            self.h.now = now;
        }
        self.h.start();
    }

    /// Does what a supervisor does, with no process to spare.
    fn supervise(&mut self) {
        let busy = Fault::new(&"svc".into(), FaultKind::Overloaded);
        for note in self.h.mux.take_notes() {
            match note {
                Note::NeedsSide(input) | Note::Misrouted(input) => input.refuse(&busy),
                Note::RootsGiven { owner, .. } => owner.set_own(Some(self.h.inbox.clone())),
                _ => {}
            }
        }
    }

    /// Reads every stream and checks whose every message is.
    fn look(&mut self) {
        for sent in &mut self.sent {
            let known = &mut self.sessions[sent.session];
            for text in sent.stream.all() {
                let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"#, sent.id);
                if text.starts_with(&answer) && !text.contains("\"method\"") {
                    sent.finals += 1;
                    assert_eq!(sent.finals, 1, "answered again: {text}");
                    assert!(!sent.cancelled, "answered though cancelled: {text}");
                    let exact = tags(&text).iter().all(|tag| sent.tag.as_deref() == Some(*tag));
                    assert!(exact, "{text} is not for {:?}", sent.tag);
                    let own = text.contains("\"error\"") || sent.tag.is_none();
                    assert!(own || tags(&text).len() == 1, "its own payload: {text}");
                } else if text.contains("notifications/progress") {
                    let token = sent.token.as_deref().expect("it asked for progress");
                    assert!(text.contains(&format!("\"progressToken\":{token},")), "{text}");
                    assert_eq!(tags(&text), [sent.tag.as_deref().unwrap_or_default()]);
                } else {
                    known.got(&text);
                }
            }
        }
        for known in &mut self.sessions {
            for text in known.client.get.all() {
                known.got(&text);
            }
        }
        self.sent.retain_mut(|sent| sent.finals == 0 || !sent.stream.is_over());
    }

    /// Everybody leaves; nothing may be left.
    pub(super) fn finish(mut self) {
        for place in 0..CLIENTS {
            self.happen(Event::Close(place));
        }
        self.read();
        self.child.is_answered();
        self.h.is_empty();
        for sent in &self.sent {
            let expected = usize::from(!sent.cancelled);
            assert_eq!(sent.finals, expected, "call {} {:?}", sent.id, sent.tag);
        }
        for known in &self.sessions {
            let others = known.client.session.others_than(&Harness::main().inbox);
            assert!(others.is_empty(), "{} is remembered by a process", known.name);
            for number in 0..200 {
                let left = known.client.session.take_question(&Id::from_number(number));
                assert!(left.is_none(), "question {number} of {}", known.name);
            }
        }
        assert_eq!(self.h.world.held.used(), 0, "bytes held for clients");
        assert_eq!(self.h.mux.outgoing.next_batch().slots(), 0);
    }
}

impl Known {
    /// A message that belongs to no particular request.
    fn got(&mut self, text: &str) {
        for tag in tags(text) {
            let session = tag.split('-').next();
            assert_eq!(session, Some(&*self.name), "{} got {text}", self.name);
        }
        let message = json(text);
        match message["method"].as_str() {
            Some(method @ ("elicitation/create" | "roots/list")) => {
                assert!(CAN[self.place].allow(method, None), "{} was asked {text}", self.name);
                self.questions.push(id_of(text));
            }
            Some("notifications/resources/updated") => {
                let uri = message["params"]["uri"].as_str().unwrap_or_default();
                assert!(self.client.session.subscribes(uri), "{} got {text}", self.name);
            }
            Some("notifications/cancelled") => {
                let number = message["params"]["requestId"].as_u64();
                self.questions.retain(|question| Some(*question) != number);
            }
            Some(
                "notifications/message"
                | "notifications/tools/list_changed"
                | "notifications/resources/list_changed",
            ) => {}
            _ => panic!("{} got {text}", self.name),
        }
    }
}

/// All tags in a message.
fn tags(text: &str) -> Vec<&str> {
    let parts = text.split("\"tag\":\"").skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}
