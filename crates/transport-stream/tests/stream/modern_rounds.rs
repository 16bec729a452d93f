//! What an older child asks, put to the client in results, and calls that are carried on.

use std::time::Duration;

use serde_json::{Value, json};
use standpipe_core::connection::Input;
use standpipe_core::message::Outcome;
use tokio::time::{Instant, advance};

use crate::modern::{Pending, Post};
use crate::support::*;

pub(crate) const ELICITATION: (&str, &str) = ("elicitation/create", r#"{"message":"who?"}"#);
const SAMPLING: (&str, &str) = ("sampling/createMessage", r#"{"maxTokens":1}"#);
const ROOTS: (&str, &str) = ("roots/list", "{}");

pub(crate) const ACCEPT: &str = r#"{"action":"accept","content":{"a":1}}"#;
const SAMPLED: &str =
    r#"{"role":"assistant","content":{"type":"text","text":"Paris"},"model":"m"}"#;
const NO_ROOTS: &str = r#"{"roots":[]}"#;
pub(crate) const DONE: &str = r#"{"resultType":"complete","content":[]}"#;

const GATHERED: Duration = Duration::from_millis(25);

impl World {
    /// The child asks, as its instance would have it.
    pub(crate) fn ask(&self, asked: &Asked, (method, params): (&str, &str)) -> u64 {
        let number = asked.session.note_question(self.route.gate.try_pass().unwrap());
        asked.notify(&format!(
            r#"{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":{params}}}"#
        ));
        number
    }

    /// Makes a call during which the child asks this. Returns the result that asks the client.
    pub(crate) async fn asking(
        &mut self,
        post: &Post,
        questions: &[(&str, &str)],
    ) -> (Value, Asked) {
        let (pending, asked) = self.begin(post).await;
        for question in questions {
            self.ask(&asked, *question);
        }
        (required(pending).await, asked)
    }

    /// What the child is answered next: the number of its question, and the answer.
    pub(crate) async fn answered(&mut self, asked: &Asked) -> (u64, String) {
        match self.child.input().await {
            Input::Answer { session, response, .. } => {
                assert_eq!(session.id(), asked.session.id());
                let Outcome::Result(raw) = response.outcome else {
                    panic!("{:?} was refused", response.id)
                };
                (response.id.as_number().unwrap(), raw.as_str().to_owned())
            }
            other => panic!("not an answer: {other:?}"),
        }
    }
}

/// The result of a response that asks the client something.
pub(crate) async fn required(pending: Pending) -> Value {
    let seen = seen(pending.response().await).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let answer: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    answer["result"].clone()
}

pub(crate) fn state(result: &Value) -> &str {
    result["requestState"].as_str().unwrap()
}

fn keys(result: &Value) -> Vec<&str> {
    result["inputRequests"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// The same call again, with answers.
pub(crate) fn again(post: &Post, state: &str, responses: &str) -> Post {
    let members = format!(r#""requestState":"{state}","inputResponses":{responses}"#);
    post.clone().id("8").with(&members)
}

#[tokio::test(start_paused = true)]
async fn a_question_becomes_a_result_and_its_answer_goes_to_the_child() {
    let mut world = World::new();
    let began = Instant::now();
    let (result, asked) = world.asking(&Post::asking(), &[ELICITATION]).await;
    assert_eq!(began.elapsed(), GATHERED);
    let request = json!({"method": "elicitation/create", "params": {"message": "who?"}});
    assert_eq!(result["inputRequests"], json!({ "elicitation-1": request }));
    assert_eq!(world.transport.parked_calls(), 1);
    assert!(asked.session.parked_since().is_some());
    assert!(asked.session.is_detached() && !asked.session.is_over());

    let retry = again(&Post::asking(), state(&result), &format!(r#"{{"elicitation-1":{ACCEPT}}}"#));
    let pending = world.spawn(&retry);
    assert_eq!(world.answered(&asked).await, (1, ACCEPT.to_owned()));
    assert_eq!(world.transport.parked_calls(), 0);
    assert!(asked.session.parked_since().is_none());
    asked.answer(DONE);
    let answer = seen(pending.response().await).await;
    let expected = format!(r#"{{"jsonrpc":"2.0","id":8,"result":{DONE}}}"#);
    assert_eq!((answer.status, &*answer.body), (200, &*expected));

    // The state was good for one round.
    let replayed = world.seen(retry.request()).await;
    assert_eq!(replayed.summary(), "400 -32602 8");
    assert!(replayed.body.contains("`requestState` is unknown"), "{}", replayed.body);
    assert!(world.child.0.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn questions_are_gathered() {
    let mut world = World::new();
    let (pending, asked) = world.begin(&Post::asking()).await;
    let began = Instant::now();
    world.ask(&asked, ELICITATION);
    advance(Duration::from_millis(20)).await;
    world.ask(&asked, SAMPLING);
    advance(Duration::from_millis(20)).await;
    world.ask(&asked, ROOTS);
    let result = required(pending).await;
    assert_eq!(began.elapsed(), Duration::from_millis(65));
    assert_eq!(keys(&result), ["elicitation-1", "roots-1", "sampling-1"]);

    // At most so long, whatever else comes.
    let (pending, asked) = world.begin(&Post::asking().meta("logLevel", "\"info\"")).await;
    let began = Instant::now();
    world.ask(&asked, ELICITATION);
    let chatting = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if asked.reply.deliver(message(&log("x"))).is_err() {
                return;
            }
        }
    };
    let reading = async {
        let mut events = Events::of(pending.response().await);
        loop {
            let event = events.next().await.expect("a result");
            if event.contains("input_required") {
                return;
            }
        }
    };
    tokio::select! { () = chatting => panic!("closed"), () = reading => {} }
    assert_eq!(began.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn missing_answers_are_asked_for_again() {
    let mut world = World::new();
    let post = Post::asking();
    let (result, asked) = world.asking(&post, &[ELICITATION, SAMPLING]).await;
    let first = state(&result).to_owned();
    let some = format!(r#"{{"sampling-1":{SAMPLED},"elicitation-7":{{}},"whatever":{{"x":1}}}}"#);
    let pending = world.spawn(&again(&post, &first, &some));
    assert_eq!(world.answered(&asked).await, (2, SAMPLED.to_owned()));
    let result = required(pending).await;
    assert_eq!(keys(&result), ["elicitation-1"]);
    assert_ne!(state(&result), first, "a state of its own for each round");

    // Nothing at all is no mistake either.
    let bare = post.clone().with(&format!(r#""requestState":"{}""#, state(&result)));
    let result = required(world.spawn(&bare)).await;
    assert_eq!(keys(&result), ["elicitation-1"]);
    assert!(world.child.0.try_next().is_none());

    let all = format!(r#"{{"elicitation-1":{ACCEPT}}}"#);
    let pending = world.spawn(&again(&post, state(&result), &all));
    assert_eq!(world.answered(&asked).await, (1, ACCEPT.to_owned()));
    // The child asks on.
    world.ask(&asked, ELICITATION);
    let result = required(pending).await;
    assert_eq!(keys(&result), ["elicitation-2"]);
    let more = format!(r#"{{"elicitation-2":{ACCEPT}}}"#);
    let pending = world.spawn(&again(&post, state(&result), &more));
    assert_eq!(world.answered(&asked).await, (3, ACCEPT.to_owned()));
    asked.answer(DONE);
    assert_eq!(seen(pending.response().await).await.status, 200);
    assert_eq!(world.transport.parked_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_given_beforehand() {
    let mut world = World::new();
    let answers =
        format!(r#""inputResponses":{{"elicitation-1":{ACCEPT},"sampling-1":{NO_ROOTS}}}"#);
    let (pending, asked) = world.begin(&Post::asking().with(&answers)).await;
    world.ask(&asked, ELICITATION);
    assert_eq!(world.answered(&asked).await, (1, ACCEPT.to_owned()));
    // Of another shape: asked for after all.
    world.ask(&asked, SAMPLING);
    assert_eq!(keys(&required(pending).await), ["sampling-1"]);
}

#[tokio::test(start_paused = true)]
async fn retries_that_are_refused_leave_the_call_as_it_is() {
    let mut world = World::new();
    let post = Post::asking();
    let (result, asked) = world.asking(&post, &[ELICITATION]).await;
    let state = state(&result);
    let right = format!(r#"{{"elicitation-1":{ACCEPT}}}"#);
    let metrics = standpipe_metrics::Metrics::new("test");
    let (other, _keeper, mut others_child) = service("other", &metrics);
    let foreign = again(&post, state, &right).request();
    let from_other = seen(handled(&world.transport, &other, foreign).await).await;
    assert_eq!(from_other.summary(), "400 -32602 8", "{}", from_other.body);
    assert!(from_other.body.contains("is unknown"), "{}", from_other.body);
    while let Some(input) = others_child.0.try_next() {
        assert!(
            matches!(input, Input::Request { request, .. } if &*request.method == "tools/list")
        );
    }
    let last = if state.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}", &state[..state.len() - 1]);
    let table = [
        (again(&post, &format!("{state}-TAMPERED"), &right), "is unknown"),
        (again(&post, &forged, &right), "is unknown"),
        (again(&post.clone().with(r#""arguments":{"x":1}"#), state, &right), "another request"),
        (again(&Post::new("prompts/get", r#""name":"slow""#), state, &right), "another request"),
        (again(&post, state, r#"{"elicitation-1":null}"#), "must be an object"),
        (again(&post, state, r#"{"elicitation-1":{"action":"maybe"}}"#), "elicitation/create"),
        (again(&post, state, "null"), "must be an object"),
        (again(&post, state, &format!(r#"{{"elicitation-1":{NO_ROOTS}}}"#)), "action"),
    ];
    for (retry, words) in table {
        let seen = world.seen(retry.request()).await;
        assert_eq!(seen.summary(), "400 -32602 8", "{}: {}", retry.body(), seen.body);
        assert!(seen.body.contains(words), "{}: {}", retry.body(), seen.body);
    }
    assert!(world.child.0.try_next().is_none(), "nothing of this reached the child");
    assert_eq!(world.transport.parked_calls(), 1);
    let pending = world.spawn(&again(&post, state, &right));
    assert_eq!(world.answered(&asked).await, (1, ACCEPT.to_owned()));
    asked.answer(DONE);
    assert_eq!(seen(pending.response().await).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_childs_own_state_passes_untouched() {
    let mut world = World::new();
    let post =
        Post::call().with(r#""requestState":"eyJhIjoxfQ","inputResponses":{"user_name":{"x":1}}"#);
    let (pending, asked) = world.begin(&post).await;
    assert!(asked.params.as_ref().unwrap().contains(r#""requestState":"eyJhIjoxfQ""#));
    assert!(asked.params.as_ref().unwrap().contains(r#""inputResponses":{"user_name":{"x":1}}"#));
    let own = r#"{"resultType":"input_required","inputRequests":{},"requestState":"s2"}"#;
    asked.answer(own);
    let seen = seen(pending.response().await).await;
    assert_eq!(seen.body, format!(r#"{{"jsonrpc":"2.0","id":7,"result":{own}}}"#));
    assert_eq!(world.transport.parked_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_client_did_not_declare_is_not_asked() {
    let mut world = World::new();
    let forms = Post::call().meta("clientCapabilities", r#"{"elicitation":{}}"#);
    let (pending, asked) = world.begin(&forms).await;
    let url = ("elicitation/create", r#"{"mode":"url","url":"https://a.example/","message":"m"}"#);
    for question in [url, SAMPLING, ("tasks/get", "{}")] {
        let number = world.ask(&asked, question);
        let Input::Answer { response, .. } = world.child.input().await else { panic!("no answer") };
        assert_eq!(response.id.as_number(), Some(number));
        assert!(matches!(response.outcome, Outcome::Error(e) if e.as_str().contains("-32601")));
    }
    world.ask(&asked, ELICITATION);
    assert_eq!(keys(&required(pending).await), ["elicitation-1"]);
}

#[tokio::test(start_paused = true)]
async fn withdrawn_questions_are_not_asked() {
    let mut world = World::new();
    let (pending, asked) = world.begin(&Post::asking()).await;
    let number = world.ask(&asked, ELICITATION);
    asked.notify(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number}}}}}"#
    ));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.transport.parked_calls(), 0);
    asked.answer(DONE);
    assert_eq!(
        seen(pending.response().await).await.body,
        format!(r#"{{"jsonrpc":"2.0","id":7,"result":{DONE}}}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn progress_and_logs_of_a_call_that_is_carried_on() {
    let mut world = World::new();
    let progress = |token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
        )
    };
    let first = Post::asking().meta("progressToken", "1").meta("logLevel", "\"info\"");
    for (token, logs, expected) in [
        ("1", "\"info\"", vec![progress("1"), log("x")]),
        ("\"two\"", "", vec![progress("\"two\"")]),
        ("", "\"debug\"", vec![log("x")]),
        ("", "", vec![]),
    ] {
        let (result, asked) = world.asking(&first, &[ELICITATION]).await;
        let answers = format!(r#"{{"elicitation-1":{ACCEPT}}}"#);
        let post = first.clone().meta("progressToken", token).meta("logLevel", logs);
        let pending = world.spawn(&again(&post, state(&result), &answers));
        world.answered(&asked).await;
        asked.notify(&progress("1"));
        asked.notify(&log("x"));
        asked.answer(DONE);
        let body = seen(pending.response().await).await.body;
        let data: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        match data.split_last() {
            Some((_, before)) => assert_eq!(before, expected),
            None => assert!(expected.is_empty(), "{body}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn urls_that_have_to_be_opened_first() {
    let mut world = World::new();
    let error = r#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a.example/","message":"sign in"}]}}"#;
    let (pending, asked) = world.begin(&Post::asking()).await;
    asked.fail(error);
    let result = required(pending).await;
    assert_eq!(result["inputRequests"]["url-1"]["params"]["url"], "https://a.example/");
    assert_eq!(result.get("requestState"), None);
    assert_eq!(world.transport.parked_calls(), 0);
    // The next call is one of its own.
    let retry = Post::asking().with(r#""inputResponses":{"url-1":{"action":"accept"}}"#);
    let (pending, asked) = world.begin(&retry).await;
    asked.answer(DONE);
    assert_eq!(seen(pending.response().await).await.status, 200);

    let (pending, asked) = world.begin(&Post::call()).await;
    asked.fail(error);
    let refused = seen(pending.response().await).await;
    assert_eq!(refused.summary(), "400 -32021 7");
    assert!(refused.body.contains(r#""requiredCapabilities":{"elicitation":{"url":{}}}"#));
}
