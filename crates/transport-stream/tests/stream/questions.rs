//! What the child asks, and what the client tells without being asked.

use standpipe_core::connection::Input;
use standpipe_core::message::Outcome;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_question_comes_on_the_stream_of_its_call_and_its_answer_goes_to_who_asked() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let before = tokio::time::Instant::now();
    let question =
        r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?"}}"#;
    let (response, asked) = tokio::join!(
        handled(&world.transport, &world.route, post(Some(&session), &call(5))),
        async {
            let asked = world.child.asked().await;
            assert_eq!(asked.session.note_question(world.route.gate.try_pass().unwrap()), 1);
            asked.notify(question);
            asked
        }
    );
    let mut events = Events::of(response);
    assert_eq!(events.next().await.as_deref(), Some(&*priming("0/0")));
    assert_eq!(events.next().await.as_deref(), Some(&*event("0/1", question)));
    assert!(before.elapsed().is_zero(), "a question is not held back");

    let reply = r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#;
    let seen = world.seen(post(Some(&session), reply)).await;
    assert_eq!((seen.status, &*seen.body), (202, ""));
    let Input::Answer { response, session: from, .. } = world.child.input().await else {
        panic!("not an answer")
    };
    assert_eq!(from.id().to_string(), session);
    assert_eq!(response.id.as_number(), Some(1));
    assert!(
        matches!(response.outcome, Outcome::Result(raw) if raw.as_str() == r#"{"action":"accept"}"#)
    );

    // Once; and nobody else's.
    for reply in [
        reply,
        r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":{}}"#,
    ] {
        assert_eq!(world.seen(post(Some(&session), reply)).await.status, 202);
    }
    assert!(world.child.0.try_next().is_none());
    let dropped = r#"standpipe_dropped_messages_total{reason="unknown_question",service="demo"}"#;
    assert_eq!(world.metric(dropped), "3");

    asked.answer(r#"{"content":[]}"#);
    let last = event("0/2", r#"{"jsonrpc":"2.0","id":5,"result":{"content":[]}}"#);
    assert_eq!(events.next().await, Some(last));
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn notifications_reach_the_child() {
    let mut world = World::new();
    let session = world.open("2025-03-26").await;
    let body = "{\n\"jsonrpc\":\"2.0\",\n\"method\":\"notifications/x\",\"params\":{\n\"a\":1}}";
    let seen = world.seen(post(Some(&session), body)).await;
    assert_eq!((seen.status, &*seen.body), (202, ""));
    let Input::Notification { notification, .. } = world.child.input().await else {
        panic!("not a notification")
    };
    assert_eq!(&*notification.method, "notifications/x");
    assert_eq!(notification.params.unwrap().raw().as_str(), "{ \"a\":1}");
}
