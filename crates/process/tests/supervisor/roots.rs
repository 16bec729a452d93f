//! A process that was given one client's roots serves nobody else.

use standpipe_core::fault::FaultKind;
use standpipe_core::service::Lifecycle;
use standpipe_core::status::Phase;

use crate::client::{ASKABLE, Client, text};
use crate::sides::kill;
use crate::world::{World, status_where};

const ROOTS: &str = r#"{"roots":[{"uri":"file:///of/one"}]}"#;
const WATCHED: &str = r#"{"uri":"test://watched-resource"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn roots_make_the_main_process_the_sessions_own() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let mut two = Client::with(&service, ASKABLE).await.unwrap();
    two.request("resources/subscribe", WATCHED).await.unwrap();
    let first = one.pid().await;
    assert_eq!(two.pid().await, first);

    assert_eq!(text(&one.ask("roots", ROOTS).await.unwrap()), ROOTS);
    assert_eq!(one.pid().await, first, "it goes on with its process");
    let second = two.pid().await;
    assert_ne!(second, first, "the other one has a fresh process");
    // What it had subscribed to is subscribed to there.
    assert_eq!(two.text("touch_resource", WATCHED).await, "subscribed");
    two.told("notifications/resources/updated").await;
    // A third client comes to the fresh one, too, which is the service's main process now.
    let third = Client::open(&service).await.unwrap();
    assert_eq!(third.pid().await, second);
    let status = service.status();
    assert_eq!((status.instances, status.phase), (2, Phase::Ready));
    assert_eq!(u64::from(status.pid.unwrap()), second);

    // The session's end is the end of the process that knows its roots.
    one.session.end();
    status_where(&service, |status| status.instances == 1).await;
    assert_eq!(two.pid().await, second);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_dedicated_process_dies_goes_on_with_the_main_one() {
    let world = World::new();
    let service = world.fixture(|_| {});
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let mut two = Client::with(&service, ASKABLE).await.unwrap();
    for client in [&one, &two] {
        client.request("resources/subscribe", WATCHED).await.unwrap();
    }
    let first = one.pid().await;
    one.ask("roots", ROOTS).await.unwrap();
    let second = two.pid().await;
    let mut call = one.begin("slow", r#"{"ms":600000}"#).await.unwrap();
    one.text("echo", "{}").await;
    kill(i32::try_from(first).unwrap());
    let why = call.answer().await.unwrap_err();
    assert!(matches!(why.kind(), FaultKind::ChildGone(_)), "{why:?}");
    assert_eq!(one.pid().await, second);
    status_where(&service, |status| status.instances == 1).await;
    two.text("touch_resource", WATCHED).await;
    two.told("notifications/resources/updated").await;
    assert!(!one.session.is_over());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_service_gets_a_fresh_process_when_somebody_comes() {
    let world = World::new();
    let service = world.fixture(|spec| spec.lifecycle = Lifecycle::OneShot);
    let one = Client::with(&service, ASKABLE).await.unwrap();
    let first = one.pid().await;
    one.ask("roots", ROOTS).await.unwrap();
    assert_eq!(one.pid().await, first);
    status_where(&service, |s| s.phase == Phase::Idle && s.instances == 1).await;
    let two = Client::open(&service).await.unwrap();
    assert_ne!(two.pid().await, first);
    assert_eq!(service.status().generation, 2);
    world.end().await;
}
