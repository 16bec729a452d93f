//! Owns the handle on the child itself, without a runtime: whether it has ended, reaping it, and
//! the last resort when it is dropped. It does not decide how patiently a child is stopped.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use standpipe_core::status::LimitsInForce;

use crate::cgroup::ControlGroup;
use crate::descendants::keep_spare_descriptors;
use crate::exit::Exit;
use crate::limits::{Exceeded, is_out_of_time};
use crate::marker::InstanceMarker;
use crate::spawner::WidePipes;
use crate::terminate::clear_blocking;
use crate::usage::cpu_time;

#[cfg(target_os = "linux")]
use linux::Handle;
#[cfg(not(target_os = "linux"))]
use portable::Handle;

#[cfg(target_os = "linux")]
pub(crate) use linux::ExitWatch;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::ExitWatch;

/// A child of this process that has not been reaped, so its id is its own.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: u32,
    handle: Handle,
    marker: InstanceMarker,
    /// How it ended, once reaped: from then on its id may be anybody's.
    reaped: Option<Exit>,
    pipes: WidePipes,
    limits: LimitsInForce,
    cpu_limit: Option<Duration>,
    /// What it and everything below it is in; removed with us, when nothing of it is left.
    group: Option<ControlGroup>,
}

impl Leader {
    /// Takes over a child that nobody else will reap.
    pub(crate) fn adopt(pid: u32, marker: InstanceMarker) -> io::Result<Self> {
        keep_spare_descriptors();
        let handle = Handle::open(pid)?;
        Ok(Self {
            pid,
            handle,
            marker,
            reaped: None,
            pipes: WidePipes::default(),
            limits: LimitsInForce::default(),
            cpu_limit: None,
            group: None,
        })
    }

    /// Keeps the pipes' share of the budget until the child is gone.
    pub(crate) fn with_pipes(mut self, pipes: WidePipes) -> Self {
        self.pipes = pipes;
        self
    }

    /// Notes what keeps its limits, and that of its processor time.
    pub(crate) fn with_limits(mut self, limits: LimitsInForce, cpu: Option<Duration>) -> Self {
        (self.limits, self.cpu_limit) = (limits, cpu);
        self
    }

    /// Keeps the group that it is in until everything is gone.
    pub(crate) fn with_group(mut self, group: Option<ControlGroup>) -> Self {
        self.group = group;
        self
    }

    pub(crate) const fn limits(&self) -> LimitsInForce {
        self.limits
    }

    pub(crate) const fn group(&self) -> Option<&ControlGroup> {
        self.group.as_ref()
    }

    /// Which limit it exceeded, if it ended for that. To be asked before it is reaped.
    pub(crate) fn exceeded(&self) -> Option<Exceeded> {
        let exit = self.peek()?;
        if is_out_of_time(exit, self.cpu_limit, cpu_time(self.pid)) {
            return Some(Exceeded::Cpu);
        }
        let was_killed = exit.signal() == Some(nix::libc::SIGKILL);
        let group = self.group.as_ref().filter(|_| was_killed)?;
        group.ran_out_of_memory().then_some(Exceeded::Memory)
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) const fn marker(&self) -> &InstanceMarker {
        &self.marker
    }

    /// How it ended, if it has; leaves the zombie in place.
    pub(crate) fn peek(&self) -> Option<Exit> {
        self.reaped.or_else(|| self.handle.wait(WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT))
    }

    /// Removes the zombie if the child has ended. Everything that goes by its id comes before.
    pub(crate) fn reap(&mut self) -> Option<Exit> {
        if self.reaped.is_none() {
            self.reaped = self.handle.wait(WaitIdOptions::NOHANG);
        }
        self.reaped
    }

    /// Leaves the reaping to a thread that waits as long as it takes. For a child that hangs in the
    /// kernel and dies only when some device answers.
    pub(crate) fn reap_later(&mut self) {
        if self.reap().is_some() {
            return;
        }
        self.reaped = Some(Exit::Unknown);
        let handle = self.handle.clone();
        let thread = std::thread::Builder::new().name("late-reaper".to_owned());
        if let Err(error) = thread.spawn(move || handle.wait(WaitIdOptions::empty())) {
            tracing::warn!(pid = self.pid, %error, "a dead child will stay a zombie");
        }
    }

    /// Registers for the exit with the current runtime.
    pub(crate) fn watch(&self) -> io::Result<ExitWatch> {
        ExitWatch::new(&self.handle)
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.reaped.is_none() {
            clear_blocking(self);
        }
    }
}

/// `waitid` for an exit; `None` if there is none yet.
fn wait_for_exit(id: &WaitId<'_>, options: WaitIdOptions) -> Option<Exit> {
    loop {
        match waitid(id.clone(), options | WaitIdOptions::EXITED) {
            Ok(status) => return status.as_ref().map(Exit::from),
            Err(Errno::INTR) => {}
            // No such child: `SIGCHLD` is ignored, so the kernel reaped it.
            Err(_) => return Some(Exit::Unknown),
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! Watches through a pidfd, which a runtime can poll.

    use std::io;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::sync::Arc;

    use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, pidfd_open};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{Leader, wait_for_exit};
    use crate::exit::Exit;

    #[derive(Clone, Debug)]
    pub(super) struct Handle(Arc<OwnedFd>);

    impl Handle {
        pub(super) fn open(pid: u32) -> io::Result<Self> {
            let pid = crate::descendants::pid(pid).ok_or(io::ErrorKind::InvalidInput)?;
            Ok(Self(Arc::new(pidfd_open(pid, PidfdFlags::empty())?)))
        }

        pub(super) fn wait(&self, options: WaitIdOptions) -> Option<Exit> {
            wait_for_exit(&WaitId::PidFd(self.0.as_fd()), options)
        }
    }

    /// Tells tasks of the exit.
    #[derive(Debug)]
    pub(crate) struct ExitWatch(AsyncFd<Arc<OwnedFd>>);

    impl ExitWatch {
        pub(super) fn new(handle: &Handle) -> io::Result<Self> {
            let descriptor = Arc::clone(&handle.0);
            #[expect(
                deprecated,
                reason = "the safe form: what is registered is owned and never swapped"
            )]
            Ok(Self(AsyncFd::with_interest(descriptor, Interest::READABLE)?))
        }

        pub(crate) async fn exited(&self, leader: &Leader) -> Exit {
            loop {
                if let Some(exit) = leader.peek() {
                    return exit;
                }
                let Ok(mut ready) = self.0.readable().await else {
                    // The runtime is shutting down and will drop this future.
                    return std::future::pending().await;
                };
                // Asked again before clearing: a pidfd becomes readable only once.
                if let Some(exit) = leader.peek() {
                    return exit;
                }
                ready.clear_ready();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    //! Watches with a thread for each child that waits without reaping.

    use std::io;

    use rustix::process::{Pid, WaitId, WaitIdOptions};
    use tokio::sync::watch;

    use super::{Leader, wait_for_exit};
    use crate::exit::Exit;

    #[derive(Clone, Debug)]
    pub(super) struct Handle(Pid);

    impl Handle {
        pub(super) fn open(pid: u32) -> io::Result<Self> {
            Ok(Self(crate::descendants::pid(pid).ok_or(io::ErrorKind::InvalidInput)?))
        }

        pub(super) fn wait(&self, options: WaitIdOptions) -> Option<Exit> {
            wait_for_exit(&WaitId::Pid(self.0), options)
        }
    }

    /// Tells tasks of the exit.
    #[derive(Debug)]
    pub(crate) struct ExitWatch(watch::Receiver<Option<Exit>>);

    impl ExitWatch {
        pub(super) fn new(handle: &Handle) -> io::Result<Self> {
            let (sender, receiver) = watch::channel(None);
            let handle = handle.clone();
            std::thread::Builder::new()
                .name("exit-watch".to_owned())
                .spawn(move || sender.send(handle.wait(WaitIdOptions::NOWAIT)))?;
            Ok(Self(receiver))
        }

        pub(crate) async fn exited(&self, leader: &Leader) -> Exit {
            let mut receiver = self.0.clone();
            // An error means the thread has ended, which it does after the exit only.
            drop(receiver.wait_for(Option::is_some).await.map(|exit| *exit));
            leader.peek().unwrap_or(Exit::Unknown)
        }
    }
}
