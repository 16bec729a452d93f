//! Children in real control groups. They run where this process may make groups below its own one,
//! and say so where it may not.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stderr, reason = "a test that cannot run has to say so")]

#[expect(dead_code, reason = "the other suites use the rest")]
mod survivors;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use standpipe_core::service::ResourceLimits;
use standpipe_core::status::Enforcement;
use standpipe_process::watchdog::WatchdogLink;
use standpipe_process::{
    ControlGroupChoice, ControlGroups, Exceeded, Exit, LaunchSpec, Launched, StopLadder, launch_in,
};
use survivors::{is_alive, marker, wait_until};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::time::timeout;

/// A machine that is this slow is broken.
const GENEROUS: Duration = Duration::from_mins(1);

/// A group of this test's own below that of this process, removed in the end.
struct Subtree {
    path: PathBuf,
    groups: Arc<ControlGroups>,
}

impl Subtree {
    fn make() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = own_group()?.join(format!("standpipe-test-{}-{number}", std::process::id()));
        if let Err(error) = fs::create_dir(&path) {
            eprintln!("not run: {} cannot be made: {error}", path.display());
            return None;
        }
        let choice = ControlGroupChoice::Under(path.clone());
        let groups = ControlGroups::prepare(&choice, &WatchdogLink::unwatched());
        let groups = Arc::new(groups.expect("it can be used").expect("it is wanted"));
        Some(Self { path, groups })
    }

    fn has(&self, controller: &str) -> bool {
        let enabled = fs::read_to_string(self.path.join("cgroup.subtree_control"));
        let has = enabled.unwrap_or_default().split_whitespace().any(|name| name == controller);
        if !has {
            eprintln!("not run: there is no controller `{controller}` for {}", self.path.display());
        }
        has
    }

    /// The groups of children.
    fn children(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }

    async fn launch(&self, command: &str, script: &str, limits: ResourceLimits) -> Launched {
        let spec = LaunchSpec {
            command: command.into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
            cwd: None,
            marker: marker(),
            limits,
        };
        launch_in(&spec, Some(&self.groups)).await.expect("it starts")
    }

    fn until_empty(&self) {
        wait_until("the groups of children are removed", || {
            self.children().is_empty().then_some(())
        });
    }
}

impl Drop for Subtree {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}

/// The directory of this process's group.
fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").expect("there is a /proc");
    let mounts = fs::read_to_string("/proc/self/mounts").expect("there is a /proc");
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    match own.zip(mount.and_then(|line| line.split(' ').nth(1))) {
        Some((own, mount)) => Some(Path::new(mount).join(own)),
        None => {
            eprintln!("not run: there are no control groups of version 2 here");
            None
        }
    }
}

#[tokio::test]
async fn a_child_is_in_its_group_before_it_runs_and_the_group_goes_with_it() {
    let Some(subtree) = Subtree::make() else { return };
    // A program that looks as early as any can, and a process below it.
    let script = "cat /proc/self/cgroup; grep ^0:: /proc/$$/cgroup";
    let Launched { guard, mut stdout, .. } =
        subtree.launch("/bin/sh", script, ResourceLimits::default()).await;
    let group = subtree.children().pop().expect("it has a group");
    let name = group.file_name().unwrap().to_str().unwrap().to_owned();
    let mut output = String::new();
    timeout(GENEROUS, stdout.read_to_string(&mut output)).await.expect("it ends").unwrap();
    let in_it = output.lines().filter(|line| line.starts_with("0::") && line.ends_with(&name));
    assert_eq!(in_it.count(), 2, "{output} is not all in {name}");
    assert!(guard.limits().is_empty());
    guard.terminate(&StopLadder::default()).await;
    subtree.until_empty();

    let Launched { guard, .. } =
        subtree.launch("/bin/sh", "sleep 600", ResourceLimits::default()).await;
    assert_eq!(subtree.children().len(), 1);
    drop(guard);
    subtree.until_empty();
}

#[tokio::test]
async fn nobody_leaves_a_group() {
    // It leaves group, session and parent, and clears its environment: without its control group
    // there is nothing by which it could be found.
    const ESCAPE: &str = "import os, sys\n\
        if os.fork() == 0:\n\
        \x20os.setsid()\n\
        \x20if os.fork() > 0: os._exit(0)\n\
        \x20os.write(1, b'%d\\n' % os.getpid())\n\
        \x20os.execve('/bin/sleep', ['sleep', '600'], {})\n\
        os.wait()\n\
        sys.stdin.read()\n";
    for ladder in [StopLadder::default(), StopLadder::IMMEDIATE] {
        let Some(subtree) = Subtree::make() else { return };
        if !fs::exists(subtree.path.join("cgroup.kill")).unwrap() {
            eprintln!("not run: this kernel cannot kill a control group");
            return;
        }
        let Launched { guard, stdin, stdout, .. } =
            subtree.launch("python3", ESCAPE, ResourceLimits::default()).await;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(GENEROUS, lines.next_line()).await.expect("it speaks").unwrap();
        let escaped: u32 = line.expect("a line").parse().expect("a process id");
        drop(stdin);
        let gone = guard.terminate(&ladder).await;
        assert_eq!(gone.survivors, 0, "{gone:?}");
        wait_until("the one that escaped is dead", || (!is_alive(escaped)).then_some(()));
        subtree.until_empty();
    }
}

#[tokio::test]
async fn too_much_memory_ends_a_child_and_it_shows() {
    let Some(subtree) = Subtree::make() else { return };
    if !subtree.has("memory") {
        return;
    }
    let limits = ResourceLimits { memory: Some(64 << 20), ..ResourceLimits::default() };
    // Two processes, each of which could have so much.
    let script = "import os\nos.fork()\nkeep = bytearray(48 << 20)\nos.read(0, 1)";
    let Launched { guard, stdin, .. } = subtree.launch("python3", script, limits).await;
    assert_eq!(guard.limits().memory, Some(Enforcement::Cgroup));
    let exit = timeout(GENEROUS, guard.exited()).await.expect("it is killed");
    assert_eq!(exit, Exit::Signal(nix::libc::SIGKILL));
    assert_eq!(guard.exceeded(), Some(Exceeded::Memory));
    drop((guard, stdin));
    subtree.until_empty();
}

#[tokio::test]
async fn too_many_processes_are_refused_to_anybody() {
    let Some(subtree) = Subtree::make() else { return };
    if !subtree.has("pids") {
        return;
    }
    let limits = ResourceLimits { processes: Some(1), ..ResourceLimits::default() };
    let script = "import os\ntry:\n pid = os.fork()\n if pid == 0: os._exit(0)\n print('forked')\n\
                  except OSError: print('refused')";
    let Launched { guard, mut stdout, .. } = subtree.launch("python3", script, limits).await;
    assert_eq!(guard.limits().processes, Some(Enforcement::Cgroup));
    let mut output = String::new();
    timeout(GENEROUS, stdout.read_to_string(&mut output)).await.expect("it ends").unwrap();
    assert_eq!(output, "refused\n");
    drop(guard);
    subtree.until_empty();
}
