//! Serving, from the first socket to the last child: `standpipe run` and `standpipe serve`.
//!
//! Owns the order of beginning and ending. It must not know requests. It exists because that order
//! is a promise: nothing is served before it can be, and nothing is left when it has ended.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use standpipe_core::service::{ServiceSpec, Sharing};
use standpipe_metrics::Metrics;
use standpipe_process::watchdog::WatchdogLink;
use standpipe_process::{ControlGroupChoice, ControlGroups, Registry};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::{self, Acceptor};
use crate::app::App;
use crate::config::Settings;
use crate::control::{self, Endings, OpenError, Plane};
use crate::reload::{Origin, ReloadRequests, Reloader};
use crate::routes::Routes;
use crate::shutdown::{Hangup, Signals, Wish};
use crate::telemetry::Traces;

/// How long connections may take to close once all their requests were answered.
const CLOSING: Duration = Duration::from_millis(500);

/// Serving could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The control plane cannot be opened.
    #[error(transparent)]
    Control(#[from] OpenError),
    /// Signals cannot be watched.
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
    /// A second signal came before everything had ended.
    #[error("a second signal ({signal}) came during the shutdown; what was left was killed")]
    Interrupted {
        /// The second signal.
        signal: &'static str,
    },
    /// Nobody reads our stdout.
    #[error("cannot print the address")]
    Announce(#[source] io::Error),
}

/// Serves until a signal asks for the end. A service is started by its first request, or, where
/// `at_once` is set, without waiting for one. Returns when no process of a service is left, or at
/// once after a second signal. With an `origin` the services are read again from there when that is
/// asked for, by SIGHUP or a change. Connections and services live on `runtimes`, all else where this
/// is called.
pub async fn serve(
    mut settings: Settings,
    services: Vec<ServiceSpec>,
    at_once: bool,
    origin: Option<Origin>,
    watchdog: WatchdogLink,
    runtimes: Vec<Handle>,
    traces: Option<Traces>,
) -> Result<(), ServeError> {
    let hangup = if origin.is_some() { Hangup::Reloads } else { Hangup::Ends };
    let mut signals = Signals::watch(hangup).map_err(ServeError::Signals)?;
    let descriptors = accept::raise_descriptor_limit();
    let main = listen(settings.listen)?;
    let ops = settings.ops_listen.map(listen).transpose()?;
    // Whoever runs one server has it before their eyes.
    let doors = control::open(&settings.control, !at_once).await?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let groups = control_groups(&settings.cgroup, &watchdog);
    let registry = Registry::with_cache(
        watchdog.run(),
        Arc::clone(&metrics),
        runtimes.clone(),
        settings.cache,
    )
    .in_groups(groups);
    let fitting = accept::connections_that_fit(descriptors, services.len());
    let mut started = Vec::new();
    for spec in services {
        // Where each session has a process of its own there is nothing to start yet.
        let starts = at_once && spec.sharing == Sharing::Shared;
        let service = registry.ensure(spec);
        if starts {
            started.push(service);
        }
    }
    let streams = CancellationToken::new();
    let awaited = started.iter().map(|service| service.id().clone()).collect();
    let app = App::new(&settings, registry, Arc::clone(&metrics), &streams, awaited);
    let tasks = TaskTracker::new();
    app.spawn_background(&tasks);
    if let Some(traces) = &traces {
        traces.count_in(&metrics);
    }
    let reloads = ReloadRequests::default();
    let ending = CancellationToken::new();
    if let Some(origin) = origin {
        let reloader = Reloader::new(Arc::clone(&app), origin, &settings, tasks.clone());
        tasks.spawn(reloader.run(reloads.clone(), ending.clone()));
    }
    // The registry has what it needs of them, and there may be hundreds.
    settings.services = Vec::new();
    let acceptor = Acceptor {
        runtimes,
        max_connections: settings.max_connections.min(fitting),
        closing: CancellationToken::new(),
        aborting: CancellationToken::new(),
        connections: TaskTracker::new(),
        metrics,
    };
    announce(main.address).map_err(ServeError::Announce)?;
    let endings = Endings {
        closing: acceptor.closing.clone(),
        aborting: acceptor.aborting.clone(),
        connections: acceptor.connections.clone(),
    };
    let plane = Plane::new(&app, &streams, &tasks, settings.control.origin_api);
    doors.serve(&plane, &endings, &tasks);
    if let Some(ops) = ops {
        tracing::info!(address = %ops.address, "metrics and health are served");
        let routes = Routes::ops(&app, ops.address);
        spawn_loop(&tasks, &acceptor, ops, routes);
    }
    let routes = Routes::services(&app, settings.ops_listen.is_none(), traces);
    spawn_loop(&tasks, &acceptor, main, routes);
    for service in started {
        service.start().await;
    }

    let signal = loop {
        match signals.next().await {
            Wish::End(signal) => break signal,
            Wish::Reload => reloads.ask(),
        }
    };
    ending.cancel();
    tracing::info!(signal, "shutting down; a second signal ends at once");
    let ending = end(&app, &acceptor, &streams, &tasks, settings.shutdown_timeout);
    tokio::select! {
        () = ending => {
            tracing::info!("everything has ended");
            Ok(())
        }
        signal = signals.next_end() => Err(ServeError::Interrupted { signal }),
    }
}

/// Ends everything, in the order in which it can be ended without losing an answer.
async fn end(
    app: &Arc<App>,
    acceptor: &Acceptor,
    streams: &CancellationToken,
    tasks: &TaskTracker,
    grace: Duration,
) {
    app.begin_draining();
    // Until then connections are accepted: open calls may wait for answers of their clients, and whoever
    // comes with something new is told to come again, which a closed door does not say.
    app.registry.shutdown(grace).await;
    acceptor.closing.cancel();
    streams.cancel();
    acceptor.connections.close();
    tasks.close();
    let closed = timeout(CLOSING, acceptor.connections.wait()).await;
    acceptor.aborting.cancel();
    if closed.is_err() {
        tracing::debug!("connections were cut off");
    }
    let _cut_off = timeout(CLOSING, acceptor.connections.wait()).await;
    let _stuck = timeout(CLOSING, tasks.wait()).await;
    // Their connections are gone, so these have nothing left to read.
    app.unread_bodies().close();
    let _stuck = timeout(CLOSING, app.unread_bodies().wait()).await;
}

/// Where children get groups of their own. Without one they still have the limits of processes.
fn control_groups(choice: &ControlGroupChoice, watchdog: &WatchdogLink) -> Option<ControlGroups> {
    match ControlGroups::prepare(choice, watchdog) {
        Ok(groups) => groups.inspect(|groups| {
            let group = groups.path().display();
            tracing::info!(%group, "each child gets a control group of its own");
        }),
        Err(error) => {
            let cause = &error.source;
            tracing::warn!(%error, %cause, "children get no control groups");
            None
        }
    }
}

struct Listening {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
}

fn listen(address: SocketAddr) -> Result<Listening, ServeError> {
    let cannot = |source| ServeError::Listen { address, source };
    let listener = accept::listen(address).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok(Listening { listener, address })
}

fn spawn_loop(
    tasks: &TaskTracker,
    acceptor: &Acceptor,
    Listening { listener, .. }: Listening,
    routes: Routes,
) -> JoinHandle<()> {
    let handler = move |request| routes.clone().answer(request);
    tasks.spawn(acceptor.clone().run(listener, handler))
}

/// Prints where we listen, before anything else, for scripts that wait for it.
fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}
