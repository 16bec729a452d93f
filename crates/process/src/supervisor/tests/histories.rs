//! Random histories: whatever happens in whatever order, there is at most one child for each
//! instance, whoever waits is answered, nothing but an intervention leads out of a crash loop, a
//! service can always be brought back by hand, and nothing is left at the end.
//!
//! The order in which tasks run is part of the history and not in anybody's hand, so a history that
//! failed may have to be played more than once to fail again.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use standpipe_core::service::{Lifecycle, ServiceSpec, Sharing};
use standpipe_core::status::Phase;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep, timeout};

use super::caller::{Answer, Caller, Failure};
use super::fake::{Fake, Handshake, Manner};
use super::world::{EVER, World, settle};
use crate::cache::ConfigSource;
use crate::exit::Exit;
use crate::service::Service;

const START: Duration = Duration::from_secs(20);
const REQUEST: Duration = Duration::from_secs(30);
const CLIENTS: usize = 4;
const OWN: usize = 2;
const SIDES: usize = 2;

/// Nobody waits longer: at the gate, then for a place, then for a child, then for an answer.
const PATIENCE: Duration = Duration::from_secs(3 * 20 + 30 + 10);

#[derive(Debug, Clone)]
enum Event {
    /// A client opens a session; the one it had is left as it is.
    Come(usize),
    Call(usize, &'static str),
    /// A client ends its session.
    Leave(usize),
    /// Somebody who waits does not wait any longer.
    GiveUp(usize),
    /// How the next child behaves.
    Next(Manner),
    Die(usize, Exit),
    Freeze(usize),
    Thaw(usize),
    Start,
    Probe,
    Stop,
    /// Somebody who stops it does not wait for the end of that.
    StopAndGo,
    Restart,
    Replace,
    CleanUp,
    Pass(Duration),
}

impl Event {
    /// Whether it may lead out of a crash loop.
    fn is_intervention(&self) -> bool {
        use Event::{CleanUp, Replace, Restart, Stop, StopAndGo};
        matches!(self, Stop | StopAndGo | Restart | Replace | CleanUp)
    }
}

#[derive(Debug, Clone)]
struct History {
    sharing: Sharing,
    lifecycle: Lifecycle,
    idle_timeout: Option<Duration>,
    max_failures: u32,
    probes: bool,
    /// Each with how often others get their turn before the next one.
    events: Vec<(Event, usize)>,
    grace: Duration,
}

fn millis(millis: &'static [u64]) -> impl Strategy<Value = Duration> + Clone {
    prop::sample::select(millis).prop_map(Duration::from_millis)
}

fn manner() -> impl Strategy<Value = Manner> {
    let start = millis(&[0, 0, 0, 1, 50, 2_000, 15_000, 25_000]);
    let handshake = prop_oneof![
        18 => start.clone().prop_map(Handshake::Answers),
        1 => Just(Handshake::Refuses),
        1 => Just(Handshake::Junk),
        1 => Just(Handshake::Silence),
        2 => start.clone().prop_map(Handshake::Dies),
        1 => Just(Handshake::ClosesStdout),
    ];
    let launch = prop_oneof![16 => start.prop_map(Ok), 1 => Just(Err(()))];
    let lives = prop::option::weighted(0.3, millis(&[0, 1, 100, 5_000, 29_000, 31_000, 301_000]));
    let thinks = millis(&[0, 0, 0, 10, 7_000]);
    (launch, handshake, lives, any::<bool>(), thinks).prop_map(
        |(launch, handshake, lives, leaves, thinks)| Manner {
            launch,
            handshake,
            lives,
            leaves,
            thinks,
            holds_stderr: false,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    let tool =
        prop::sample::select(vec!["echo", "echo", "ask", "ask", "ask", "delay", "hang", "crash"]);
    let any = 0..usize::MAX;
    let exit = prop_oneof![Just(Exit::Code(0)), Just(Exit::Code(3)), Just(Exit::Signal(9))];
    let pause = millis(&[0, 1, 20, 300, 1_000, 5_000, 20_000, 31_000, 90_000, 400_000]);
    prop_oneof![
        2 => client.clone().prop_map(Event::Come),
        16 => (client.clone(), tool).prop_map(|(client, tool)| Event::Call(client, tool)),
        1 => client.prop_map(Event::Leave),
        2 => any.clone().prop_map(Event::GiveUp),
        4 => manner().prop_map(Event::Next),
        4 => (any.clone(), exit).prop_map(|(any, exit)| Event::Die(any, exit)),
        2 => any.clone().prop_map(Event::Freeze),
        1 => any.prop_map(Event::Thaw),
        2 => Just(Event::Start),
        1 => Just(Event::Probe),
        1 => Just(Event::Stop),
        1 => Just(Event::StopAndGo),
        2 => Just(Event::Restart),
        1 => Just(Event::Replace),
        1 => Just(Event::CleanUp),
        12 => pause.prop_map(Event::Pass),
    ]
}

prop_compose! {
    fn history()(
        own in any::<bool>(),
        one_shot in any::<bool>(),
        idle_timeout in prop::option::of(millis(&[1, 700, 10_000])),
        max_failures in 1_u32..5,
        probes in any::<bool>(),
        events in prop::collection::vec((event(), 0..20_usize), 1..60),
        grace in millis(&[0, 3_000]),
    ) -> History {
        History {
            sharing: if own { Sharing::Session } else { Sharing::Shared },
            lifecycle: if one_shot { Lifecycle::OneShot } else { Lifecycle::Persistent },
            idle_timeout, max_failures, probes, events, grace,
        }
    }
}

impl History {
    fn describe(&self, spec: &mut ServiceSpec) {
        spec.sharing = self.sharing;
        spec.lifecycle = self.lifecycle;
        spec.idle_timeout = self.idle_timeout;
        spec.restart.max_failures = self.max_failures;
        spec.timeouts.start = START;
        spec.timeouts.request = REQUEST;
        spec.limits.max_instances = OWN;
        spec.limits.side_processes = SIDES;
        spec.probe.interval = self.probes.then_some(Duration::from_secs(3));
        spec.probe.timeout = Duration::from_secs(1);
    }

    fn most(&self) -> usize {
        match self.sharing {
            Sharing::Shared => 1 + SIDES,
            Sharing::Session => OWN,
        }
    }
}

/// A caller on its way.
struct Waiter {
    event: String,
    caller: Arc<Caller>,
    task: JoinHandle<(Answer, Duration)>,
}

struct Play {
    world: World,
    history: History,
    service: Service,
    clients: Vec<Option<Arc<Caller>>>,
    waiters: Vec<Waiter>,
    /// Callers and versions so far.
    serial: usize,
    /// It was in a crash loop, and there had been so many spawns.
    looped: Option<usize>,
}

impl Play {
    async fn play(mut self) {
        for (event, turns) in self.history.events.clone() {
            self.look();
            let intervenes = event.is_intervention();
            self.happens(event).await;
            if intervenes {
                settle().await;
                self.looped = None;
            }
            for _ in 0..turns {
                yield_now().await;
            }
            self.look();
        }
        for waiter in std::mem::take(&mut self.waiters) {
            waiter.must_be_answered().await;
            self.look();
        }
        self.comes_back().await;
        let shutdown = self.world.registry.shutdown(self.history.grace);
        timeout(EVER, shutdown).await.expect("the shutdown ends");
        drop((self.clients, self.service));
        self.world.end().await;
    }

    /// Whether it has stayed in a crash loop.
    fn look(&mut self) {
        let looped =
            (self.service.status().phase == Phase::CrashLoop).then(|| self.world.fakes.spawns());
        if self.looped.is_some() {
            assert_eq!(looped, self.looped, "nobody has led it out of the crash loop");
        }
        self.looped = looped;
    }

    async fn happens(&mut self, event: Event) {
        match event {
            Event::Come(client) => {
                let caller = self.newcomer(client);
                let opens = Arc::clone(&caller);
                self.wait_for(&event, caller, async move { opens.initialize().await });
            }
            Event::Call(client, tool) => {
                let known = self.clients[client].clone().filter(|known| !known.session.is_over());
                let caller = known.clone().unwrap_or_else(|| self.newcomer(client));
                let calls = Arc::clone(&caller);
                let call = async move {
                    if known.is_none() {
                        calls.initialize().await?;
                    }
                    calls.call(tool, r#"{"ms":2500}"#).await
                };
                self.wait_for(&event, caller, call);
            }
            Event::Leave(client) => {
                if let Some(caller) = self.clients[client].take() {
                    caller.session.end();
                }
            }
            Event::GiveUp(any) => {
                if !self.waiters.is_empty() {
                    let waiter = self.waiters.swap_remove(any % self.waiters.len());
                    waiter.task.abort();
                }
            }
            Event::Next(manner) => self.world.fakes.next(manner),
            Event::Die(any, exit) => self.with_child(any, |child| child.die(exit)),
            Event::Freeze(any) => self.with_child(any, Fake::freeze),
            Event::Thaw(any) => self.with_child(any, Fake::thaw),
            Event::Start => self.service.start().await,
            Event::Probe => self.service.check_health(),
            Event::Stop => {
                let began = Instant::now();
                self.service.stop().await;
                let took = began.elapsed();
                assert!(took < Duration::from_secs(8), "who stops it waits {took:?}");
            }
            Event::StopAndGo => {
                let service = self.service.clone();
                let stop = tokio::spawn(async move { service.stop().await });
                settle().await;
                stop.abort();
            }
            Event::Restart => self.service.restart().await,
            Event::Replace => {
                self.serial += 1;
                let mut spec = World::spec();
                self.history.describe(&mut spec);
                spec.args = vec![self.serial.to_string().into()];
                let grace = self.history.grace;
                let replaced = self.world.registry.replace(spec, ConfigSource::File, grace);
                self.service = replaced.service().clone();
            }
            Event::CleanUp => {
                assert!(self.world.registry.clean_up(&self.service, self.history.grace));
                timeout(EVER, self.service.ended()).await.expect("it ends");
                let id = self.service.id().clone();
                self.service = self.world.registry.get(&id).expect("its description is known");
            }
            Event::Pass(time) => sleep(time).await,
        }
    }

    fn newcomer(&mut self, client: usize) -> Arc<Caller> {
        self.serial += 1;
        let dawdles = Duration::from_millis([0, 0, 1, 400][self.serial % 4]);
        let caller = Caller::dawdling(&self.service, self.serial, dawdles);
        self.clients[client] = Some(Arc::clone(&caller));
        caller
    }

    fn wait_for(
        &mut self,
        event: &Event,
        caller: Arc<Caller>,
        what: impl Future<Output = Answer> + Send + 'static,
    ) {
        let began = Instant::now();
        let task = tokio::spawn(async move { (what.await, began.elapsed()) });
        self.waiters.push(Waiter { event: format!("{event:?}"), caller, task });
    }

    fn with_child(&self, any: usize, what: impl Fn(&Fake)) {
        let alive = self.world.fakes.alive();
        if !alive.is_empty() {
            what(&alive[any % alive.len()]);
        }
    }

    /// By hand it can always be brought back, once its children are good.
    async fn comes_back(&mut self) {
        self.world.fakes.forget_script();
        self.service.restart().await;
        sleep(Duration::from_mins(1)).await;
        let opened = timeout(EVER, Caller::open(&self.service, usize::MAX)).await;
        let caller = opened.expect("nobody waits for ever").expect("it serves");
        caller.call("echo", "{}").await.expect("it answers");
        caller.session.end();
    }
}

impl Waiter {
    async fn must_be_answered(self) {
        let Self { event, caller, task } = self;
        let Ok(ended) = timeout(EVER, task).await else { panic!("{event} is never answered") };
        let (answer, waited) = ended.expect("it does not panic");
        if answer == Err(Failure::Nothing) {
            assert!(caller.session.is_over(), "{event}: its stream ends without an answer");
        }
        assert!(waited <= PATIENCE, "{event} has to wait {waited:?} for {answer:?}");
    }
}

proptest! {
    #[test]
    fn whatever_happens(history in history()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::with_at_most(history.most(), |spec| history.describe(spec));
            let service = world.service.clone();
            let clients = vec![None; CLIENTS];
            let (waiters, serial, looped) = (Vec::new(), 0, None);
            Play { world, history, service, clients, waiters, serial, looped }.play().await;
        });
    }
}
