//! GET streams: what goes there, and to which of several.

use std::time::Duration;

use standpipe_core::connection::Session;
use std::sync::Arc;
use tokio::time::sleep;

use crate::support::*;

async fn inner(world: &mut World, session: &str) -> Arc<Session> {
    let (response, inner) = tokio::join!(
        handled(&world.transport, &world.route, post(Some(session), &call(1))),
        async {
            let asked = world.child.asked().await;
            let inner = asked.session.clone();
            asked.answer("{}");
            inner
        }
    );
    assert_eq!(response.status(), 200);
    inner
}

fn tell(session: &Session, text: &str) {
    session.outlet().deliver(message(&log(text))).unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_are_held_until_somebody_listens_and_sent_once() {
    let mut world = World::new();
    let session = world.open("2025-06-18").await;
    let inner = inner(&mut world, &session).await;
    tell(&inner, "early");
    let mut events = world.listen(&session, None).await;
    assert_eq!(events.next().await.unwrap(), event("g0/1", &log("early")));
    assert!(events.is_silent().await);
    tell(&inner, "now");
    assert_eq!(events.next().await.unwrap(), event("g0/2", &log("now")));
    drop(events);
    tell(&inner, "between");
    let mut events = world.listen(&session, None).await;
    assert_eq!(events.next().await.unwrap(), event("g1/1", &log("between")));
    assert_eq!(events.next().await.unwrap(), ": keep-alive");
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_several_gets_the_messages() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let inner = inner(&mut world, &session).await;
    let mut open = Vec::new();
    for number in 0..4 {
        let mut events = world.listen(&session, None).await;
        assert_eq!(events.next().await.unwrap(), priming(&format!("g{number}/0")));
        assert!(events.is_silent().await);
        open.push(events);
    }
    let seen = world.seen(get(&session, None)).await;
    assert_eq!(seen.status, 409);
    assert!(seen.body.contains("4 GET streams"), "{}", seen.body);
    tell(&inner, "a");
    assert_eq!(open[3].next().await.unwrap(), event("g3/1", &log("a")));
    open.pop();
    tell(&inner, "b");
    assert_eq!(open[2].next().await.unwrap(), event("g2/1", &log("b")));
    assert!(open[0].is_silent().await && open[1].is_silent().await);
    // There is room again, also for one that resumes; it is the newest then.
    let mut resumed = world.listen(&session, Some("g3/0")).await;
    assert_eq!(resumed.next().await.unwrap(), event("g3/1", &log("a")));
    tell(&inner, "c");
    assert_eq!(resumed.next().await.unwrap(), event("g3/2", &log("c")));
    assert!(open[2].is_silent().await);
    let streams = r#"standpipe_open_streams{service="demo",transport="streamable_http"}"#;
    assert_eq!(world.metric(streams), "4");
}

#[tokio::test(start_paused = true)]
async fn a_get_stream_is_resumed_with_its_own_events_alone() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let inner = inner(&mut world, &session).await;
    let mut first = world.listen(&session, None).await;
    first.next().await;
    tell(&inner, "a");
    tell(&inner, "b");
    first.next().await;
    first.next().await;
    drop(first);
    let mut second = world.listen(&session, None).await;
    second.next().await;
    tell(&inner, "for the second");
    second.next().await;
    let mut first = world.listen(&session, Some("g0/1")).await;
    assert_eq!(first.next().await.unwrap(), event("g0/2", &log("b")));
    assert!(first.is_silent().await);
    for unknown in ["g0/3", "g2/0", "0/0"] {
        assert_eq!(world.seen(get(&session, Some(unknown))).await.status, 400, "{unknown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_stream_that_is_not_kept_any_more_goes_on_as_a_new_one() {
    let mut world = World::new();
    let transport = world.transport.clone();
    tokio::spawn(async move { transport.run().await });
    let session = world.open("2025-11-25").await;
    let inner = inner(&mut world, &session).await;
    let mut first = world.listen(&session, None).await;
    first.next().await;
    tell(&inner, "a");
    first.next().await;
    drop(first);
    for _ in 0..4 {
        drop(world.listen(&session, None).await);
    }
    let mut events = world.listen(&session, Some("g0/0")).await;
    assert_eq!(events.next().await.unwrap(), priming("g5/0"));
    tell(&inner, "b");
    assert_eq!(events.next().await.unwrap(), event("g5/1", &log("b")));
    drop(events);
    // What was sent into a connection that broke is not kept for ever.
    sleep(Duration::from_secs(90)).await;
    let mut events = world.listen(&session, Some("g5/0")).await;
    assert!(events.is_silent().await);
    tell(&inner, "c");
    assert_eq!(events.next().await.unwrap(), event("g5/2", &log("c")));
}
