//! The clients: they come, call, misbehave and go, until the soak is over.
//!
//! Owns what a client does next. Must not know how a message is carried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::calls::{Call, Caller, Kind};
use crate::dice::Dice;
use crate::ledger::{Ledger, Wire};
use crate::modern::Modern;
use crate::targets::{Sort, Target, Targets};
use crate::verdict::{Breach, Fault, Judged, Verdict};
use crate::{events, sse, stream};

/// Clients of Streamable HTTP at the same time.
const STREAM_CLIENTS: u64 = 28;

/// Clients of HTTP+SSE at the same time.
const SSE_CLIENTS: u64 = 14;

/// Clients of 2026-07-28 at the same time.
const MODERN_CLIENTS: u64 = 14;

/// A client that was told to come back later does so after this.
const AWAY: Duration = Duration::from_millis(150);

/// A client's time with one service.
#[derive(Debug, Clone, Copy)]
struct Visit<'a> {
    wire: Wire,
    target: &'a Target,
    /// When its session was opened, on the common clock.
    opened: u64,
}

/// When a request was made.
#[derive(Debug, Clone, Copy)]
struct Made {
    /// On the common clock.
    began: u64,
    at: Instant,
}

/// Everything that the actors of a soak share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) targets: Targets,
    pub(crate) ledger: Ledger,
    pub(crate) seed: u64,
    /// No more sessions are begun.
    closing: AtomicBool,
    /// Sessions and processes may be left behind, for Standpipe to find out.
    careless: AtomicBool,
}

impl World {
    pub(crate) const fn new(base: String, targets: Targets, ledger: Ledger, seed: u64) -> Self {
        let (closing, careless) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { base, targets, ledger, seed, closing, careless }
    }

    /// From now on sessions are begun again.
    pub(crate) fn open(&self) {
        self.closing.store(false, Ordering::Relaxed);
    }

    /// From now on clients may leave sessions behind, or not any more.
    pub(crate) fn set_careless(&self, careless: bool) {
        self.careless.store(careless, Ordering::Relaxed);
    }

    fn is_careless(&self) -> bool {
        self.careless.load(Ordering::Relaxed)
    }

    /// Lets clients come for so long, and waits until the last has gone. `first` numbers them, so
    /// that those of another time make other choices.
    pub(crate) async fn visit(self: &Arc<Self>, first: u64, length: Duration) {
        let mut clients = JoinSet::new();
        let wires = [
            (Wire::Stream, STREAM_CLIENTS),
            (Wire::Sse, SSE_CLIENTS),
            (Wire::Modern, MODERN_CLIENTS),
        ];
        let wires = wires.into_iter().flat_map(|(wire, count)| (0..count).map(move |_| wire));
        for (number, wire) in (first..).zip(wires) {
            let world = Arc::clone(self);
            clients.spawn(async move { world.client(number, wire).await });
        }
        sleep(length).await;
        self.closing.store(true, Ordering::Relaxed);
        while let Some(ended) = clients.join_next().await {
            if let Err(error) = ended {
                self.ledger.breach(Breach::Lost, &format!("a client of ours broke: {error}"));
            }
        }
    }

    /// Makes a call to every service, and waits for one that was hurt to have come back.
    ///
    /// # Errors
    /// Which one did not answer, and how.
    pub(crate) async fn everybody_answers(&self) -> Result<(), String> {
        let mut dice = Dice::of(self.seed, 0);
        for target in self.targets.iter() {
            let deadline = Instant::now() + events::PATIENCE;
            let mut caller = Caller::new(format!("last-{}", target.name));
            loop {
                let judged = self.one_answer(target, &mut caller, &mut dice).await;
                match judged {
                    Ok(Verdict::Right) => break,
                    Ok(Verdict::Unavailable | Verdict::Died) if Instant::now() < deadline => {
                        sleep(AWAY).await;
                    }
                    other => return Err(format!("{}: {other:?}", target.name)),
                }
            }
        }
        Ok(())
    }

    async fn one_answer(&self, target: &Target, caller: &mut Caller, dice: &mut Dice) -> Judged {
        let url = format!("{}/servers/{}/mcp", self.base, target.name);
        let session = match stream::Session::open(url, caller.name(), false).await? {
            Ok(session) => session,
            Err(verdict) => return Ok(verdict),
        };
        let judged = session.call(&caller.call(Kind::Echo, dice)).await;
        session.close().await?;
        if !target.is_own() || !matches!(judged, Ok(Verdict::Right)) {
            return judged;
        }
        // Those without a session have a process in common, which stays.
        let url = format!("{}/servers/{}/mcp", self.base, target.name);
        Modern::new(url, caller.name(), false).call(&caller.call(Kind::Echo, dice)).await
    }

    /// Whether no more sessions are begun.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Now, as the time at which a request is made.
    fn made(&self) -> Made {
        Made { began: self.targets.now(), at: Instant::now() }
    }

    /// Enters what became of a request. What needs an excuse and has none is a breach.
    fn enter(&self, visit: &Visit<'_>, kind: Kind, made: Made, judged: Judged) {
        let Visit { wire, target, opened } = *visit;
        let judged = judged.and_then(|verdict| {
            let since = if verdict == Verdict::Over { opened } else { made.began };
            if Targets::excuses(target, verdict, since) {
                return Ok(verdict);
            }
            let seen = format!("{verdict:?}, though nothing was done to the service");
            Err(Fault::new(Breach::Dishonest, seen))
        });
        let judged = judged.map_err(|Fault { breach, seen }| {
            Fault::new(breach, format!("[{}] {seen}", target.name))
        });
        self.ledger.request(wire, kind, made.at.elapsed(), judged);
    }

    async fn client(&self, number: u64, wire: Wire) {
        let mut dice = Dice::of(self.seed, number);
        let mut visits = 0;
        while !self.is_closing() {
            let target = self.targets.to_visit(&mut dice);
            if wire == Wire::Modern && target.sort == Sort::Asking && !self.is_careless() {
                // What is asked without a session leaves a process behind, which ends when it has
                // been idle.
                continue;
            }
            let mut caller = Caller::new(format!("c{number}v{visits}"));
            match wire {
                Wire::Stream => self.stream_visit(target, &mut caller, &mut dice).await,
                Wire::Sse => self.sse_visit(target, &mut caller, &mut dice).await,
                Wire::Modern => self.modern_visit(target, &mut caller, &mut dice).await,
            }
            visits += 1;
        }
    }

    async fn stream_visit(&self, target: &Target, caller: &mut Caller, dice: &mut Dice) {
        let url = format!("{}/servers/{}/mcp", self.base, target.name);
        let asks = target.sort == Sort::Asking && dice.percent(40);
        let made = self.made();
        let visit = Visit { wire: Wire::Stream, target, opened: made.began };
        let opened = stream::Session::open(url, caller.name(), asks).await;
        let session = match opened {
            Ok(Ok(session)) => session,
            Ok(Err(verdict)) => {
                self.enter(&visit, Kind::Open, made, Ok(verdict));
                return sleep(AWAY).await;
            }
            Err(fault) => return self.enter(&visit, Kind::Open, made, Err(fault)),
        };
        self.enter(&visit, Kind::Open, made, Ok(Verdict::Right));
        let listening = dice.percent(30).then(|| session.listen());
        for _ in 0..dice.between(1, 30) {
            if self.is_closing() {
                break;
            }
            let kind = next_kind(dice, target, asks);
            let call = caller.call(kind, dice);
            let made = self.made();
            let judged = match kind {
                Kind::Cancel => session.cancel(&call, moment(dice, 80)).await,
                Kind::Resume => session.resume(&call).await,
                Kind::Leave => session.leave(&call, moment(dice, 30)).await,
                _ => session.call(&call).await,
            };
            let over = matches!(judged, Ok(Verdict::Over)) || judged.is_err();
            let later = matches!(judged, Ok(Verdict::Unavailable));
            self.enter(&visit, kind, made, judged);
            if over {
                break;
            }
            self.pause(target, later, dice).await;
        }
        if !(self.is_careless() && dice.percent(15)) {
            let made = self.made();
            if let Err(fault) = session.close().await {
                self.enter(&visit, Kind::Open, made, Err(fault));
            }
        }
        if let Some(listening) = listening {
            self.heard(target, listening).await;
        }
    }

    /// What a listener has heard; it hears no more when the session was left behind.
    async fn heard(
        &self,
        target: &Target,
        mut listening: tokio::task::JoinHandle<Result<(), Fault>>,
    ) {
        let ended = tokio::time::timeout(Duration::from_secs(1), &mut listening).await;
        listening.abort();
        if let Ok(Ok(Err(Fault { breach, seen }))) = ended {
            self.ledger.breach(breach, &format!("[{}] a listener: {seen}", target.name));
        }
    }

    async fn sse_visit(&self, target: &Target, caller: &mut Caller, dice: &mut Dice) {
        let path = format!("/servers/{}/sse", target.name);
        let asks = target.sort == Sort::Asking && dice.percent(40);
        let made = self.made();
        let visit = Visit { wire: Wire::Sse, target, opened: made.began };
        let opened = sse::Session::open(&self.base, &path, caller.name(), asks).await;
        let mut session = match opened {
            Ok(Ok(session)) => session,
            Ok(Err(verdict)) => {
                self.enter(&visit, Kind::Open, made, Ok(verdict));
                return sleep(AWAY).await;
            }
            Err(fault) => return self.enter(&visit, Kind::Open, made, Err(fault)),
        };
        self.enter(&visit, Kind::Open, made, Ok(Verdict::Right));
        for _ in 0..dice.between(1, 12) {
            if self.is_closing() {
                return;
            }
            let calls: Vec<Call> = (0..dice.between(1, 5))
                .map(|_| {
                    let kind = match next_kind(dice, target, asks) {
                        // Its stream's end is the session's; there is nothing to resume.
                        Kind::Resume | Kind::Leave => Kind::Delay,
                        kind => kind,
                    };
                    caller.call(kind, dice)
                })
                .collect();
            if dice.percent(3) {
                // Away in the middle of it: what is open is cancelled.
                let made = self.made();
                let left = tokio::time::timeout(moment(dice, 30), session.calls(calls)).await;
                if left.is_err() {
                    self.enter(&visit, Kind::Leave, made, Ok(Verdict::Left));
                }
                return;
            }
            let made = self.made();
            let (ends, going) = session.calls(calls).await;
            let mut later = false;
            for sse::End { kind, judged, took } in ends {
                later |= matches!(judged, Ok(Verdict::Unavailable));
                self.enter(&visit, kind, Made { at: Instant::now() - took, ..made }, judged);
            }
            match going {
                Ok(sse::Going::On) => self.pause(target, later, dice).await,
                Ok(sse::Going::Ended) => {
                    return self.enter(&visit, Kind::Open, made, Ok(Verdict::Over));
                }
                Err(fault) => {
                    return self.enter(&visit, Kind::Open, made, Err(fault));
                }
            }
        }
    }

    async fn modern_visit(&self, target: &Target, caller: &mut Caller, dice: &mut Dice) {
        let visit = Visit { wire: Wire::Modern, target, opened: self.targets.now() };
        let url = format!("{}/servers/{}/mcp", self.base, target.name);
        let asks = target.sort == Sort::Asking && dice.percent(40);
        let client = Modern::new(url, caller.name(), asks);
        for _ in 0..dice.between(1, 20) {
            if self.is_closing() {
                return;
            }
            let kind = match next_kind(dice, target, asks) {
                // There is nothing to resume, and going away is all there is to cancel with.
                Kind::Resume => Kind::Delay,
                Kind::Leave => Kind::Cancel,
                kind => kind,
            };
            let call = caller.call(kind, dice);
            let made = self.made();
            let judged = match kind {
                Kind::Cancel => client.leave(&call, moment(dice, 80)).await,
                _ => client.call(&call).await,
            };
            let later = matches!(judged, Ok(Verdict::Unavailable));
            self.enter(&visit, kind, made, judged);
            self.pause(target, later, dice).await;
        }
    }

    async fn pause(&self, target: &Target, later: bool, dice: &mut Dice) {
        let pause = if later {
            AWAY
        } else if target.idles() && dice.percent(20) && !self.is_closing() {
            // Long enough for the process to be stopped; the session lives on.
            Duration::from_millis(1800)
        } else {
            moment(dice, 40)
        };
        sleep(pause).await;
    }
}

fn moment(dice: &mut Dice, most_ms: u64) -> Duration {
    Duration::from_millis(dice.between(1, most_ms))
}

/// What a client does next.
fn next_kind(dice: &mut Dice, target: &Target, asks: bool) -> Kind {
    if asks && dice.percent(25) {
        return Kind::Ask;
    }
    match dice.below(200) {
        0..90 => Kind::Echo,
        90..100 => Kind::Big,
        100..130 => Kind::Delay,
        130..145 => Kind::List,
        145..165 => Kind::Progress,
        165..175 => Kind::Log,
        175..185 => Kind::Cancel,
        185..187 => Kind::Resume,
        187..197 => Kind::Leave,
        // In peace nobody would end them before the end.
        _ if target.in_peace => Kind::Echo,
        _ => Kind::Spawn,
    }
}
