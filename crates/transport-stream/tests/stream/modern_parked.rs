//! How calls end that were parked.

use std::time::Duration;

use standpipe_core::connection::Input;
use standpipe_transport_stream::StreamSettings;

use crate::modern::Post;
use crate::modern_rounds::{ACCEPT, DONE, ELICITATION, again, state};
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn parked_calls_expire() {
    let mut world = World::with(StreamSettings { session_idle_timeout: Duration::from_secs(8) });
    let transport = world.transport.clone();
    let tidying = tokio::spawn(async move { transport.run().await });
    let (result, asked) = world.asking(&Post::asking(), &[ELICITATION]).await;
    asked.session.seen_by(&world.route.gate.try_pass().unwrap());
    tokio::time::sleep(Duration::from_mins(5) - Duration::from_secs(1)).await;
    assert_eq!(world.transport.parked_calls(), 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.transport.parked_calls(), 0);
    assert!(asked.session.is_over());
    assert!(matches!(world.child.input().await, Input::Close { .. }));
    let late = again(&Post::asking(), state(&result), &format!(r#"{{"elicitation-1":{ACCEPT}}}"#));
    assert_eq!(world.seen(late.request()).await.summary(), "400 -32602 8");

    // One that was given up for another goes at once; its client is told.
    let (result, asked) = world.asking(&Post::asking(), &[ELICITATION]).await;
    asked.session.end();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.transport.parked_calls(), 0);
    let late = again(&Post::asking(), state(&result), &format!(r#"{{"elicitation-1":{ACCEPT}}}"#));
    assert_eq!(world.seen(late.request()).await.summary(), "400 -32602 8");
    world.shutdown.cancel();
    tidying.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ended_while_it_was_parked() {
    let mut world = World::new();
    let (result, asked) = world.asking(&Post::asking(), &[ELICITATION]).await;
    asked.answer(DONE);
    let retry = again(&Post::asking(), state(&result), &format!(r#"{{"elicitation-1":{ACCEPT}}}"#));
    let seen = world.seen(retry.request()).await;
    let expected = format!(r#"{{"jsonrpc":"2.0","id":8,"result":{DONE}}}"#);
    assert_eq!((seen.status, &*seen.body), (200, &*expected));
    // The answer has come too late for whoever asked.
    assert!(matches!(world.child.0.try_next(), Some(Input::Answer { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_takes_its_parked_calls_with_it() {
    let mut world = World::new();
    let (_result, asked) = world.asking(&Post::asking(), &[ELICITATION]).await;
    world.transport.end_sessions_of("other");
    assert_eq!(world.transport.parked_calls(), 1);
    world.transport.end_sessions_of("demo");
    assert_eq!(world.transport.parked_calls(), 0);
    assert!(asked.session.is_over());
}

#[tokio::test(start_paused = true)]
async fn going_away_while_asked_and_while_carried_on() {
    let mut world = World::new();
    let (pending, asked) = world.begin(&Post::asking()).await;
    world.ask(&asked, ELICITATION);
    pending.abandon().await;
    assert!(asked.session.is_over());
    assert_eq!(world.transport.parked_calls(), 0);

    let (result, asked) = world.asking(&Post::asking(), &[ELICITATION]).await;
    let retry = again(&Post::asking(), state(&result), &format!(r#"{{"elicitation-1":{ACCEPT}}}"#));
    let pending = world.spawn(&retry);
    world.answered(&asked).await;
    pending.abandon().await;
    assert!(asked.session.is_over());
    assert_eq!(world.transport.parked_calls(), 0);
}
