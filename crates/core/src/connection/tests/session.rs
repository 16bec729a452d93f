//! What both sides know of a client.

use std::task::Poll;

use tokio::time::timeout;

use super::*;
use crate::fault::FaultKind;
use crate::protocol::LogLevel;

fn instance() -> (Inbox, Deliveries) {
    super::super::inbox(&"demo".into(), InboxLimits::for_messages_of(1000))
}

#[tokio::test]
async fn every_instance_that_knows_a_session_is_told_of_its_end_once() {
    let session = session();
    let (first, mut first_child) = instance();
    let (second, mut second_child) = instance();
    let (third, mut third_child) = instance();
    assert!(session.seen_by(&first) && session.seen_by(&second) && session.seen_by(&third));
    assert!(!session.seen_by(&first));
    session.unseen_by(&third);
    assert!(!session.is_over());
    assert!(session.end());
    assert!(session.is_over());
    assert!(!session.end());
    for child in [&mut first_child, &mut second_child] {
        assert!(
            matches!(child.try_next(), Some(Input::Close { session: s }) if s.id() == session.id())
        );
        assert!(child.try_next().is_none());
    }
    assert!(third_child.try_next().is_none());
}

#[tokio::test]
async fn a_call_can_be_cancelled_where_new_ones_are_refused() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let session = session_of(gate);
    let (instance, _child) = instance();
    keeper.set(GateState::Open(instance.clone()));
    assert!(session.inbox_of_calls().await.unwrap().same_as(&instance));
    keeper.set(GateState::Refusing { why: FaultKind::Removed, until: None });
    assert_eq!(session.inbox_of_calls().await.unwrap_err().kind, FaultKind::Removed);
    session.seen_by(&instance);
    assert_eq!(session.inbox().await.unwrap_err().kind, FaultKind::Removed);
    assert!(session.inbox_of_calls().await.unwrap().same_as(&instance));
    session.end();
    assert_eq!(session.inbox_of_calls().await.unwrap_err().kind, FaultKind::SessionOver);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_wakes_its_own_stream() {
    let (gate, _) = super::super::gate(&"demo".into(), settings());
    let (outlet, mut intake) = stream(1000);
    let profile = SessionProfile::new(ProtocolVersion::V2024_11_05, ClientCapabilities::default());
    let session = Session::new(gate, profile, outlet);
    let watched = Arc::clone(&session);
    let reader = tokio::spawn(std::future::poll_fn(move |cx| {
        let pending = intake.poll_next(cx).is_pending();
        assert!(pending, "the stream itself has not ended");
        if watched.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }));
    tokio::task::yield_now().await;
    session.end();
    timeout(Duration::from_secs(1), reader).await.expect("the reader is woken").unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_go_to_the_sessions_own_instance_before_the_shared_one() {
    let (gate, keeper) = super::super::gate(&"demo".into(), settings());
    let session = session_of(gate);
    let (shared, _shared_child) = instance();
    let (own, _own_child) = instance();
    keeper.set(GateState::Open(shared.clone()));
    assert!(session.inbox().await.unwrap().same_as(&shared));
    session.set_own(Some(own.clone()));
    assert!(session.inbox().await.unwrap().same_as(&own));
    session.set_own(None);
    assert!(session.inbox().await.unwrap().same_as(&shared));
    session.end();
    assert_eq!(session.inbox().await.unwrap_err().kind, FaultKind::SessionOver);
}

#[tokio::test]
async fn a_question_is_taken_once_and_only_under_its_own_id() {
    let session = session();
    let (inbox, _child) = instance();
    let first = session.note_question(inbox.clone());
    let second = session.note_question(inbox.clone());
    assert_ne!(first, second);
    assert!(session.take_question(&Id::from_number(first)).unwrap().same_as(&inbox));
    assert!(session.take_question(&Id::from_number(first)).is_none());
    session.forget_question(second);
    assert!(session.take_question(&Id::from_number(second)).is_none());

    let third = session.note_question(inbox);
    for text in [format!("\"{third}\""), format!("{third}.0"), format!("-{third}")] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{text},"result":1}}"#);
        let Ok(Message::Response(response)) = crate::message::parse(&text.into()) else {
            panic!("a response");
        };
        assert!(session.take_question(&response.id).is_none());
    }
    assert!(session.take_question(&Id::from_number(third)).is_some());
}

#[tokio::test]
async fn subscriptions_are_counted_by_name_and_bounded() {
    let session = session();
    assert!(session.subscribe("a") && session.subscribe("a") && session.subscribe("b"));
    assert!(session.subscribes("a") && !session.subscribes("c"));
    assert_eq!(session.subscriptions(), ["a", "b"]);
    assert!(session.unsubscribe("a"));
    assert!(!session.unsubscribe("a"));
    let added = (0..2000).filter(|n| session.subscribe(&format!("r{n}"))).count();
    assert_eq!(added, 1023);
    assert!(session.subscribe("b"), "it is there already");
}

#[tokio::test]
async fn facts_are_kept_for_the_next_child() {
    let session = session();
    assert_eq!(session.log_level(), None);
    for level in LogLevel::ALL {
        session.set_log_level(level);
        assert_eq!(session.log_level(), Some(level));
    }
    assert!(session.is_detached());
    session.stream_opened();
    session.stream_opened();
    session.stream_closed();
    assert!(!session.is_detached());
    session.stream_closed();
    assert!(session.is_detached());
}
