//! Arguments of tools that headers have to repeat: when the tools are asked for.

use std::time::Duration;

use standpipe_core::connection::GateState;
use standpipe_core::fault::FaultKind;
use standpipe_core::message::Message;
use tokio::time::Instant;

use crate::modern::{NO_TOOLS, Post};
use crate::modern_rounds::{ACCEPT, ELICITATION, again, required, state};
use crate::support::*;

const TOOLS: &str = r#"{"resultType":"complete","tools":[{"name":"plain","inputSchema":{"type":"object"}},{"name":"slow","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}"#;

fn call() -> Post {
    Post::call().with(r#""arguments":{"region":"eu"}"#)
}

/// How long a call waits for the tools, and for how long nobody waits after that.
const WAIT: Duration = Duration::from_secs(2);
const SPARED: Duration = Duration::from_secs(31);

impl World {
    /// Sends this many calls at once.
    fn callers(&self, count: usize) -> Vec<tokio::task::JoinHandle<Seen>> {
        let one = || {
            let (transport, route) = (self.transport.clone(), self.route.clone());
            let request = call().request();
            tokio::spawn(async move { seen(handled(&transport, &route, request).await).await })
        };
        (0..count).map(|_| one()).collect()
    }

    /// Sends a call, and answers the question for the tools that comes first.
    async fn learning(&mut self, post: &Post, tools: &[&str]) -> Seen {
        let (transport, route) = (self.transport.clone(), self.route.clone());
        let request = post.request();
        let response =
            tokio::spawn(async move { seen(handled(&transport, &route, request).await).await });
        for page in tools {
            let asked = self.child.asked().await;
            assert_eq!(asked.method, "tools/list");
            asked.answer(page);
        }
        self.child.serve_until(response).await
    }
}

impl Child {
    /// Answers every call until the response is there; questions for tools are not expected.
    async fn serve_until(&mut self, response: tokio::task::JoinHandle<Seen>) -> Seen {
        tokio::pin!(response);
        loop {
            tokio::select! {
                biased;
                seen = &mut response => return seen.unwrap(),
                asked = self.asked() => {
                    assert_eq!(asked.method, "tools/call");
                    asked.answer("{}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_tools_are_learnt_once_and_anew_when_they_change() {
    let mut world = World::new();
    let right = || call().and_header("mcp-param-region", "eu");
    let seen = world.learning(&call(), &[TOOLS]).await;
    assert_eq!(seen.summary(), "400 -32020 7");
    assert!(seen.body.contains("header `mcp-param-region` is missing"), "{}", seen.body);
    assert_eq!(world.learning(&right(), &[]).await.status, 200);
    let wrong = call().and_header("mcp-param-region", "us");
    let seen = world.learning(&wrong, &[]).await;
    assert_eq!(seen.summary(), "400 -32020 7");
    assert!(seen.body.contains("`params.arguments.region` in the body is"), "{}", seen.body);
    let other = Post::new("tools/call", r#""name":"plain","arguments":{"region":"eu"}"#);
    assert_eq!(world.learning(&other, &[]).await.status, 200);

    world.route.gate.learnt().tools_changed();
    assert_eq!(world.learning(&call(), &[NO_TOOLS]).await.status, 200);
    assert_eq!(world.learning(&call(), &[]).await.status, 200);

    // The service is configured anew, under the same name.
    world.transport.end_sessions_of("demo");
    let seen = world.learning(&call(), &[TOOLS]).await;
    assert_eq!(seen.status, 400);
}

#[tokio::test(start_paused = true)]
async fn every_page_is_read() {
    let mut world = World::new();
    let first = r#"{"tools":[{"name":"a"}],"nextCursor":"two"}"#;
    let (transport, route) = (world.transport.clone(), world.route.clone());
    let request = call().request();
    let response =
        tokio::spawn(async move { seen(handled(&transport, &route, request).await).await });
    let asked = world.child.asked().await;
    assert!(!asked.params.as_ref().unwrap().contains("cursor"));
    assert!(asked.params.as_ref().unwrap().contains("io.modelcontextprotocol/protocolVersion"));
    asked.answer(first);
    let asked = world.child.asked().await;
    assert!(asked.params.as_ref().unwrap().contains(r#""cursor":"two""#));
    let session = asked.session.clone();
    asked.answer(TOOLS);
    assert_eq!(response.await.unwrap().status, 400);
    assert!(session.is_over(), "nothing is left of asking");
}

#[tokio::test(start_paused = true)]
async fn many_callers_learn_together() {
    let mut world = World::new();
    let calls = world.callers(5);
    world.child.asked().await.answer(TOOLS);
    for call in calls {
        assert_eq!(call.await.unwrap().status, 400);
    }
    assert!(world.child.0.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn tools_that_cannot_be_learnt() {
    let mut world = World::new();
    // A server without tools says so, once.
    let (transport, route) = (world.transport.clone(), world.route.clone());
    let request = call().request();
    let response =
        tokio::spawn(async move { seen(handled(&transport, &route, request).await).await });
    world.child.asked().await.fail(r#"{"code":-32601,"message":"no tools"}"#);
    assert_eq!(world.child.serve_until(response).await.status, 200);
    assert_eq!(world.learning(&call(), &[]).await.status, 200);

    // One that fails for a reason of ours is asked again, but not by every call.
    world.route.gate.learnt().tools_changed();
    let (transport, route) = (world.transport.clone(), world.route.clone());
    let request = call().request();
    let response =
        tokio::spawn(async move { seen(handled(&transport, &route, request).await).await });
    let asked = world.child.asked().await;
    let fault = world.route.gate.fault(FaultKind::Overloaded);
    let answer = Message::Response(fault.answer(asked.id.clone()));
    asked.reply.answer(answer, Some(fault)).unwrap();
    assert_eq!(world.child.serve_until(response).await.status, 200);
    assert_eq!(world.learning(&call(), &[]).await.status, 200);
    tokio::time::advance(SPARED).await;
    assert_eq!(world.learning(&call(), &[TOOLS]).await.status, 400);

    // A service that is not there is not asked anything.
    let why = FaultKind::CrashLoop;
    world.keeper.set(GateState::Refusing { why, until: None });
    assert_eq!(world.seen(call().request()).await.summary(), "503 -32010 7");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_tell_its_tools_keeps_nobody_for_long() {
    let mut world = World::new();
    let began = Instant::now();
    let calls = world.callers(3);
    let silent = world.child.asked().await;
    assert_eq!(silent.method, "tools/list");
    for call in calls {
        assert_eq!(world.child.serve_until(call).await.status, 200);
    }
    assert_eq!(began.elapsed(), WAIT, "all waited for one fetch");
    assert_eq!(world.learning(&call(), &[]).await.status, 200);
    assert_eq!(began.elapsed(), WAIT, "and later ones do not wait");
    assert!(!silent.session.is_over());
    // It comes late, and counts.
    silent.answer(TOOLS);
    assert_eq!(world.learning(&call(), &[]).await.status, 400);

    // What was known last counts until the child says what is new.
    world.route.gate.learnt().tools_changed();
    let response = world.callers(1).remove(0);
    let silent = world.child.asked().await;
    assert_eq!(response.await.unwrap().status, 400);
    tokio::time::advance(SPARED).await;
    assert_eq!(world.learning(&call(), &[]).await.status, 400);
    assert!(silent.session.is_over(), "that was long enough");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_carried_on_before_the_tools_are_asked_for() {
    let mut world = World::new();
    let (pending, asked) = world.begin(&Post::asking()).await;
    world.ask(&asked, ELICITATION);
    let result = required(pending).await;
    // The child says that its tools are others now, and answers nothing before it has its answer.
    world.route.gate.learnt().tools_changed();
    let answers = format!(r#"{{"elicitation-1":{ACCEPT}}}"#);
    let pending = world.spawn(&again(&Post::asking(), state(&result), &answers));
    world.answered(&asked).await;
    asked.answer("{}");
    assert_eq!(seen(pending.response().await).await.status, 200);
}
