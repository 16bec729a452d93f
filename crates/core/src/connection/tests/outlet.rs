//! One stream towards a client.

use std::future::poll_fn;
use std::task::Poll;

use tokio::time::timeout;

use super::*;
use crate::fault::{Fault, FaultKind};

/// What is there now, without waiting.
async fn now(intake: &mut Intake) -> Poll<Result<Option<Delivery>, Lagged>> {
    poll_fn(|cx| Poll::Ready(intake.poll_next(cx))).await
}

async fn id_of_next(intake: &mut Intake) -> Option<u64> {
    match intake.next().await.unwrap()?.message {
        Message::Response(response) => response.id.as_number(),
        other => panic!("{other:?}"),
    }
}

fn limits(messages: usize, bytes: usize) -> OutletLimits {
    OutletLimits { messages, bytes, budget: Budget::new(1_000_000) }
}

#[tokio::test]
async fn messages_come_in_order_and_the_end_after_them() {
    let (outlet, mut intake) = stream(1000);
    let other = outlet.clone();
    assert!(outlet.same_as(&other) && !outlet.same_as(&stream(1).0));
    outlet.deliver(notification("a", 10)).unwrap();
    other.answer(answer(1, 10), None).unwrap();
    drop(outlet);
    let first = intake.next().await.unwrap().unwrap();
    assert!(!first.last && first.fault.is_none());
    assert!(matches!(&first.message, Message::Notification(n) if &*n.method == "a"));
    let second = intake.next().await.unwrap().unwrap();
    assert!(second.last);
    assert!(now(&mut intake).await.is_pending(), "somebody may still write");
    drop(other);
    assert!(intake.next().await.unwrap().is_none());
    assert!(intake.next().await.unwrap().is_none(), "an end stays one");
    assert!(!intake.was_cancelled());
}

/// What a reader gets that waits, in a task of its own, when `write` comes.
async fn woken_by(
    mut intake: Intake,
    write: impl FnOnce(),
) -> (Result<Option<Delivery>, Lagged>, Intake) {
    let reader = tokio::spawn(async move { (intake.next().await, intake) });
    tokio::task::yield_now().await;
    assert!(!reader.is_finished());
    write();
    timeout(Duration::from_secs(1), reader).await.expect("the reader is woken").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_waiting_reader_is_woken_by_everything_it_waits_for() {
    let (outlet, intake) = stream(1000);
    let (read, intake) = woken_by(intake, || outlet.deliver(notification("a", 10)).unwrap()).await;
    assert!(read.unwrap().is_some());
    let (read, intake) = woken_by(intake, || outlet.end()).await;
    assert!(read.unwrap().is_none());
    assert!(intake.was_cancelled());

    let (outlet, intake) = stream(1000);
    let (read, _) = woken_by(intake, || drop(outlet)).await;
    assert!(read.unwrap().is_none());

    let (outlet, intake) = super::super::outlet(limits(0, 100));
    let (read, _) = woken_by(intake, || {
        outlet.deliver(notification("a", 10)).unwrap_err();
    })
    .await;
    assert_eq!(read.unwrap_err(), Lagged);
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_once_and_keeps_its_answers() {
    let (outlet, mut intake) = super::super::outlet(limits(3, 100_000));
    outlet.answer(answer(1, 10), None).unwrap();
    for _ in 0..3 {
        outlet.deliver(notification("n", 10)).unwrap();
    }
    outlet.answer(answer(2, 10), None).unwrap();
    assert_eq!(outlet.deliver(notification("n", 10)), Err(Undelivered::Lagged));
    assert_eq!(intake.next().await.unwrap_err(), Lagged);
    assert_eq!(id_of_next(&mut intake).await, Some(1));
    assert_eq!(id_of_next(&mut intake).await, Some(2));
    assert!(now(&mut intake).await.is_pending());
    outlet.deliver(notification("n", 10)).unwrap();
    assert!(intake.next().await.unwrap().is_some());
}

#[tokio::test]
async fn bytes_are_bounded_but_for_a_single_message() {
    let (outlet, mut intake) = super::super::outlet(limits(100, 1000));
    outlet.deliver(notification("n", 5000)).unwrap();
    assert_eq!(outlet.deliver(notification("n", 10)), Err(Undelivered::Lagged));
    intake.forget_lag();
    assert!(now(&mut intake).await.is_pending(), "what was unread is gone");
    for _ in 0..2 {
        outlet.deliver(notification("n", 400)).unwrap();
    }
    assert_eq!(outlet.deliver(notification("n", 400)), Err(Undelivered::Lagged));
}

#[tokio::test]
async fn answers_take_no_place_of_other_messages() {
    let (outlet, mut intake) = super::super::outlet(limits(2, 1000));
    for id in 0..10 {
        outlet.answer(answer(id, 5000), None).unwrap();
    }
    outlet.deliver(notification("n", 400)).unwrap();
    outlet.deliver(notification("n", 400)).unwrap();
    for id in 0..10 {
        assert_eq!(id_of_next(&mut intake).await, Some(id));
    }
    assert!(intake.next().await.unwrap().is_some());
    assert!(intake.next().await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_held_is_drawn_from_the_budget_until_it_has_left() {
    let budget = Budget::new(1000);
    let (outlet, mut intake) = super::super::outlet(OutletLimits::new(budget.clone()));
    let message = answer(1, 500);
    let weight = message.weight();
    outlet.answer(message, None).unwrap();
    assert_eq!(budget.used(), weight);
    assert_eq!(outlet.answer(answer(2, 500), None), Err(Undelivered::Exhausted));
    assert_eq!(outlet.deliver(notification("n", 500)), Err(Undelivered::Exhausted));
    let delivery = intake.next().await.unwrap().unwrap();
    assert_eq!(budget.used(), weight, "read, but not written yet");
    drop(delivery);
    assert_eq!(budget.used(), 0);

    outlet.deliver(notification("n", 500)).unwrap();
    drop(intake);
    assert_eq!(budget.used(), 0, "nobody will read it");
    assert!(outlet.is_closed());
    assert_eq!(outlet.deliver(notification("n", 10)), Err(Undelivered::Closed));
    assert_eq!(outlet.answer(answer(1, 10), None), Err(Undelivered::Closed));
}

#[tokio::test]
async fn the_lag_of_one_stream_gives_its_budget_back() {
    let budget = Budget::new(10_000);
    let limits = OutletLimits { messages: 2, ..OutletLimits::new(budget.clone()) };
    let (outlet, _intake) = super::super::outlet(limits);
    outlet.deliver(notification("n", 1000)).unwrap();
    outlet.deliver(notification("n", 1000)).unwrap();
    outlet.deliver(notification("n", 1000)).unwrap_err();
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn an_error_of_ours_reaches_the_client_whatever_is_held() {
    let (outlet, mut intake) = stream(0);
    let fault = Fault::new(&"demo".into(), FaultKind::AnswersHeld);
    assert_eq!(outlet.answer(answer(1, 10), None), Err(Undelivered::Exhausted));
    let told = Message::Response(fault.answer(Id::from_number(1)));
    outlet.answer(told, Some(fault.clone())).unwrap();
    let delivery = intake.next().await.unwrap().unwrap();
    assert!(delivery.last && delivery.permit.is_none());
    assert_eq!(delivery.fault.map(|fault| fault.kind), Some(fault.kind));
}

#[tokio::test]
async fn only_one_of_the_same_notification_waits() {
    let (outlet, mut intake) = stream(100_000);
    for method in ["a", "b", "a", "a", "b"] {
        outlet.deliver_once(notification(method, 10)).unwrap();
    }
    outlet.deliver(notification("a", 10)).unwrap();
    let mut methods = Vec::new();
    while let Poll::Ready(Ok(Some(delivery))) = now(&mut intake).await {
        let Message::Notification(notification) = delivery.message else {
            panic!("a notification");
        };
        methods.push(notification.method);
    }
    assert_eq!(methods, ["a", "b", "a"]);
    outlet.deliver_once(notification("a", 10)).unwrap();
    assert!(intake.next().await.unwrap().is_some(), "read, so it is news again");
}
