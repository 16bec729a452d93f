//! Readers that do not read, and what they cost.

use crate::support::*;

fn filler(number: usize) -> String {
    log(&format!("{number:06}{}", "x".repeat(10_000)))
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_its_stream_and_not_its_answer() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (asked, mut events) = world.stream(&session, 1).await;
    assert_eq!(events.next().await.unwrap(), priming("0/0"));
    for number in 0..10_000 {
        let _lagged = asked.reply.deliver(message(&filler(number)));
        assert!(world.answers.used() < 3 * 1024 * 1024);
    }
    let reply = asked.reply.clone();
    asked.answer("{}");
    assert_eq!(events.next().await, None, "it is cut off");
    drop(events);
    let mut events = world.listen(&session, Some("0/0")).await;
    let mut last = String::new();
    while let Some(event) = events.next().await {
        last = event;
    }
    assert!(last.ends_with("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"), "{last}");
    drop((events, reply));
    assert_eq!(world.answers.used(), 0);
    let dropped = r#"standpipe_dropped_messages_total{reason="slow_client",service="demo"}"#;
    assert_eq!(world.metric(dropped), "1");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_come_back_gets_what_is_left() {
    let mut world = World::new();
    let session = world.open("2025-06-18").await;
    let (asked, mut events) = world.stream(&session, 1).await;
    for number in 0..1000 {
        let _lagged = asked.reply.deliver(message(&filler(number)));
    }
    asked.answer("{}");
    let mut last = String::new();
    while let Some(event) = events.next().await {
        last = event;
    }
    assert!(last.ends_with("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_a_stream_is_bounded_and_is_the_newest() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (asked, mut events) = world.stream(&session, 1).await;
    events.next().await;
    for number in 0..500 {
        asked.notify(&filler(number));
        events.next().await.unwrap();
    }
    drop(events);
    asked.answer("{}");
    let mut events = world.listen(&session, Some("0/10")).await;
    let mut kept = Vec::new();
    while let Some(event) = events.next().await {
        kept.push(event);
    }
    let bytes: usize = kept.iter().map(String::len).sum();
    assert!(bytes <= 1024 * 1024, "{bytes}");
    assert!(bytes > 900_000, "{bytes}");
    assert!(kept.first().unwrap().contains("data\":\"0003"), "{}", &kept[0][..80]);
    assert!(kept.last().unwrap().contains("\"result\""));
}

#[tokio::test(start_paused = true)]
async fn one_session_does_not_fill_the_memory_with_calls_it_left() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let mut replies = Vec::new();
    for id in 0..100 {
        let (asked, mut events) = world.stream(&session, id).await;
        events.next().await;
        replies.push(asked);
    }
    let closed = replies.iter().filter(|asked| asked.reply.is_closed()).count();
    assert_eq!(closed, 36, "64 are kept");
    assert!(replies[..36].iter().all(|asked| asked.reply.is_closed()), "the oldest went");
    assert_eq!(world.seen(get(&session, Some("35/0"))).await.status, 410);
    drop(world.listen(&session, Some("36/0")).await);
}

#[tokio::test(start_paused = true)]
async fn an_event_too_long_to_be_kept_is_delivered() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let (asked, mut events) = world.stream(&session, 1).await;
    events.next().await;
    let long = log(&"y".repeat(2_000_000));
    asked.notify(&long);
    assert_eq!(events.next().await.unwrap(), event("0/1", &long));
    asked.notify(&log("z"));
    assert_eq!(events.next().await.unwrap(), event("0/2", &log("z")));
    assert!(world.answers.used() < 1000, "what was sent does not count as unread");
    drop(events);
    // It cannot be sent again; what came after can.
    let mut events = world.listen(&session, Some("0/0")).await;
    assert_eq!(events.next().await.unwrap(), event("0/2", &log("z")));
}
