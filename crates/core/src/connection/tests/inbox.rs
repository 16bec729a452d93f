//! The input queue of one child, and each session's share of it.

use super::*;
use crate::fault::FaultKind;

fn limits() -> InboxLimits {
    InboxLimits { messages: 16, bytes: 100_000, message_bytes: 20_000 }
}

fn send(inbox: &Inbox, session: &Arc<Session>, bytes: usize) -> Result<(), FaultKind> {
    let (reply, _) = stream(0);
    inbox.send(session, notification("n", bytes), &reply, None).map_err(|fault| fault.kind)
}

#[tokio::test]
async fn each_kind_of_message_arrives_as_what_it_is() {
    let (inbox, mut child) = super::super::inbox(&"demo".into(), limits());
    let session = session();
    let (reply, _intake) = stream(1000);
    inbox.open(&session, request(1), &reply).unwrap();
    inbox.send(&session, Message::Request(request(2)), &reply, None).unwrap();
    inbox.send(&session, notification("n", 10), &reply, None).unwrap();
    inbox.send(&session, answer(3, 10), &reply, None).unwrap();
    let opened = child.next().await;
    assert!(matches!(opened, Some(Input::Open { request, reply: r, .. })
        if request.id.as_number() == Some(1) && r.same_as(&reply)));
    assert!(matches!(child.next().await, Some(Input::Request { request, reply: r, .. })
        if request.id.as_number() == Some(2) && r.same_as(&reply)));
    assert!(matches!(child.next().await, Some(Input::Notification { .. })));
    assert!(matches!(child.try_next(), Some(Input::Answer { response, session: from, .. })
        if response.id.as_number() == Some(3) && from.id() == session.id()));
    assert!(child.try_next().is_none());
    drop(inbox);
    assert!(child.next().await.is_none());
}

#[tokio::test]
async fn one_session_holds_at_most_a_quarter_of_the_messages() {
    let (inbox, mut child) = super::super::inbox(&"demo".into(), limits());
    let sessions: Vec<_> = (0..5).map(|_| session()).collect();
    for session in &sessions[..4] {
        for _ in 0..4 {
            send(&inbox, session, 10).unwrap();
        }
        assert_eq!(send(&inbox, session, 10), Err(FaultKind::Overloaded));
    }
    assert_eq!(send(&inbox, &sessions[4], 10), Err(FaultKind::Overloaded), "the queue is full");
    drop(child.next().await);
    send(&inbox, &sessions[4], 10).expect("a place was given back");
    assert_eq!(send(&inbox, &sessions[0], 10), Err(FaultKind::Overloaded), "it went to another");
}

#[tokio::test]
async fn one_session_holds_at_most_a_quarter_of_the_bytes() {
    let (inbox, mut child) = super::super::inbox(&"demo".into(), limits());
    let (greedy, modest) = (session(), session());
    send(&inbox, &greedy, 15_000).unwrap();
    assert_eq!(send(&inbox, &greedy, 15_000), Err(FaultKind::Overloaded));
    send(&inbox, &greedy, 5_000).unwrap();
    send(&inbox, &modest, 15_000).unwrap();
    // Held until it was written to the child, not until it was taken from the queue.
    let taken = child.next().await;
    assert_eq!(send(&inbox, &greedy, 15_000), Err(FaultKind::Overloaded));
    drop(taken);
    send(&inbox, &greedy, 15_000).unwrap();
}

#[tokio::test]
async fn a_message_of_any_allowed_length_fits_into_an_empty_share() {
    let (inbox, _child) = super::super::inbox(&"demo".into(), InboxLimits::for_messages_of(20_000));
    send(&inbox, &session(), 20_000).unwrap();
    let limit = 20_000;
    let too_long = Err(FaultKind::RequestTooLarge { limit });
    assert_eq!(send(&inbox, &session(), 30_000), too_long);
}

#[tokio::test]
async fn what_is_refused_takes_no_place() {
    let (inbox, mut child) = super::super::inbox(&"demo".into(), limits());
    let session = session();
    let bodies = Budget::new(1000);
    let (reply, _) = stream(0);
    for _ in 0..100 {
        let body = bodies.take(500);
        assert!(body.is_some());
        let long = notification("n", 40_000);
        inbox.send(&session, long, &reply, body).unwrap_err();
    }
    for _ in 0..4 {
        send(&inbox, &session, 10).unwrap();
    }
    for _ in 0..100 {
        send(&inbox, &session, 10).unwrap_err();
    }
    while child.try_next().is_some() {}
    for _ in 0..4 {
        send(&inbox, &session, 10).unwrap();
    }
    assert_eq!(bodies.used(), 0);
}

#[tokio::test]
async fn the_callers_bytes_are_held_until_they_are_written() {
    let (inbox, mut child) = super::super::inbox(&"demo".into(), limits());
    let bodies = Budget::new(1000);
    let (reply, _) = stream(0);
    inbox.send(&session(), notification("n", 10), &reply, bodies.take(500)).unwrap();
    let Some(Input::Notification { slot, .. }) = child.next().await else {
        panic!("a notification");
    };
    assert_eq!(bodies.used(), 500);
    drop(slot);
    assert_eq!(bodies.used(), 0);
}

#[tokio::test]
async fn an_instance_that_is_gone_takes_nothing() {
    let (inbox, child) = super::super::inbox(&"demo".into(), limits());
    let session = session();
    drop(child);
    assert_eq!(send(&inbox, &session, 10), Err(FaultKind::Draining));
    let (reply, _) = stream(0);
    let refused = inbox.open(&session, request(1), &reply).unwrap_err();
    assert_eq!(refused.kind, FaultKind::Draining);
    assert_eq!(&*refused.service, "demo");
    for _ in 0..100 {
        assert_eq!(send(&inbox, &session, 10), Err(FaultKind::Draining), "and holds no place");
    }
}

#[tokio::test]
async fn an_instance_that_goes_answers_what_it_did_not_take() {
    let (inbox, child) = super::super::inbox(&"demo".into(), limits());
    let session = session();
    let (reply, mut intake) = stream(1000);
    inbox.send(&session, Message::Request(request(7)), &reply, None).unwrap();
    drop(child);
    let answer = intake.next().await.expect("nothing lagged").expect("an answer");
    assert!(answer.last);
    assert_eq!(answer.fault.map(|fault| fault.kind), Some(FaultKind::Draining));
}
