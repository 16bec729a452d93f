//! What can be shown without a delegated subtree: what is found where, and what is written into
//! which file. The kernel's side is in `tests/control_groups.rs`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use standpipe_core::service::ResourceLimits;
use standpipe_core::status::{Enforcement, LimitsInForce};

use super::find::locate;
use super::*;
use crate::marker::RunId;

const MOUNTS: &[u8] = b"22 1 0:20 / /proc rw - proc proc rw\n\
    30 29 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn our_own_group_is_found() {
    let cases: &[(&[u8], &[u8], Option<&str>)] = &[
        (b"0::/system.slice/s.service\n", MOUNTS, Some("/sys/fs/cgroup/system.slice/s.service")),
        (b"0::/\n", MOUNTS, Some("/sys/fs/cgroup")),
        // Both versions at once.
        (b"3:cpu:/x\n1:name=systemd:/y\n0::/z\n", MOUNTS, Some("/sys/fs/cgroup/z")),
        (b"3:cpu:/x\n", MOUNTS, None),
        (b"0::/../outside\n", MOUNTS, None),
        (b"0::/x\n", b"41 31 0:37 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", None),
        (b"0::/x\n", b"", None),
        // A part of the tree, mounted at a place with a space in it.
        (
            b"0::/a/b/c\n",
            b"40 31 0:38 /a /mnt/c\\040g rw - cgroup2 none rw\n",
            Some("/mnt/c g/b/c"),
        ),
        (b"0::/a\n", b"40 31 0:38 /a /mnt rw - cgroup2 none rw\n", Some("/mnt")),
        (b"0::/ab\n", b"40 31 0:38 /a /mnt rw - cgroup2 none rw\n", None),
    ];
    for (group, mounts, expected) in cases {
        let found = locate(group, mounts).map(|own| own.path);
        assert_eq!(found.as_deref(), expected.map(Path::new), "{}", group.escape_ascii());
    }
}

#[test]
fn only_a_mark_or_the_root_of_a_container_make_it_ours() {
    let folder = tempfile::tempdir().unwrap();
    let mounts = format!("40 31 0:38 / {} rw - cgroup2 none rw\n", folder.path().display());
    let root = locate(b"0::/\n", mounts.as_bytes()).unwrap();
    assert!(!root.is_delegated(), "the root of the machine's tree");
    fs::write(folder.path().join("cgroup.events"), "populated 1\n").unwrap();
    assert!(root.is_delegated(), "the root of a container's tree");

    let unit = folder.path().join("unit");
    fs::create_dir(&unit).unwrap();
    fs::write(unit.join("cgroup.events"), "populated 1\n").unwrap();
    let unit = locate(b"0::/unit\n", mounts.as_bytes()).unwrap();
    assert!(!unit.is_delegated(), "that it can be written to is not enough");
    let mark = |value: &[u8]| {
        rustix::fs::setxattr(&unit.path, "user.delegate", value, rustix::fs::XattrFlags::empty())
    };
    // Some file systems have no such attributes; then there is nothing to be mistaken about.
    if mark(b"1").is_ok() {
        assert!(unit.is_delegated());
        mark(b"0").unwrap();
        assert!(!unit.is_delegated());
    }
}

/// A directory with the files of a control group.
fn a_group(controllers: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cgroup.controllers"), controllers).unwrap();
    fs::write(folder.path().join("cgroup.procs"), "").unwrap();
    fs::write(folder.path().join("cgroup.subtree_control"), "").unwrap();
    folder
}

fn under(folder: &Path) -> Result<Option<ControlGroups>, ControlGroupError> {
    let choice = ControlGroupChoice::Under(folder.to_owned());
    ControlGroups::prepare(&choice, &WatchdogLink::unwatched())
}

fn everything() -> ResourceLimits {
    ResourceLimits {
        memory: Some(123 << 20),
        processes: Some(45),
        open_files: Some(67),
        ..ResourceLimits::default()
    }
}

fn marker() -> InstanceMarker {
    InstanceMarker::new(RunId::of_this_process(), "s", 7)
}

#[test]
fn a_group_keeps_what_its_controllers_can() {
    let folder = a_group("cpu memory pids\n");
    let groups = under(folder.path()).unwrap().unwrap();
    assert_eq!(groups.path(), folder.path());
    let group = groups.make(&marker(), &everything()).unwrap();
    let held = |file: &str| fs::read_to_string(group_of(folder.path()).join(file)).unwrap();
    assert_eq!(held("memory.max"), (123 << 20).to_string());
    assert_eq!((held("memory.swap.max"), held("memory.oom.group")), ("0".into(), "1".into()));
    assert_eq!(held("pids.max"), "45");
    let by_group = Some(Enforcement::Cgroup);
    let kept = LimitsInForce { memory: by_group, processes: by_group, ..LimitsInForce::default() };
    assert_eq!(group.limits(), kept);
    let in_force = crate::limits::in_force(&everything(), group.limits());
    assert_eq!(in_force.open_files, Some(Enforcement::Rlimit));
    assert_eq!((in_force.memory, in_force.cpu), (by_group, None));

    // What is not configured is not limited.
    let next = InstanceMarker::new(RunId::of_this_process(), "s", 8);
    let free = groups.make(&next, &ResourceLimits::default()).unwrap();
    assert!(free.limits().is_empty());
}

#[test]
fn without_controllers_the_limits_of_processes_remain() {
    let folder = a_group("cpu\n");
    let groups = under(folder.path()).unwrap().unwrap();
    let group = groups.make(&marker(), &everything()).unwrap();
    assert!(group.limits().is_empty());
    let in_force = crate::limits::in_force(&everything(), group.limits());
    assert_eq!(in_force.memory, Some(Enforcement::Rlimit));
    assert_eq!(in_force.processes, Some(Enforcement::Rlimit));
}

#[test]
fn what_the_kernel_tells_of_a_group_is_read() {
    let folder = a_group("memory\n");
    let groups = under(folder.path()).unwrap().unwrap();
    let group = groups.make(&marker(), &everything()).unwrap();
    let path = group_of(folder.path());
    assert!(!group.is_populated() && !group.ran_out_of_memory());
    fs::write(path.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
    fs::write(path.join("memory.events"), "low 0\noom 3\noom_kill 0\noom_group_kill 0\n").unwrap();
    assert!(group.is_populated() && !group.ran_out_of_memory());
    fs::write(path.join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
    fs::write(path.join("memory.events"), "low 0\noom 3\noom_kill 2\noom_group_kill 1\n").unwrap();
    assert!(!group.is_populated() && group.ran_out_of_memory());
    group.kill();
    assert_eq!(fs::read_to_string(path.join("cgroup.kill")).unwrap(), "1");
    group.entrance().unwrap().write_all(b"0").unwrap();
    assert_eq!(fs::read_to_string(path.join("cgroup.procs")).unwrap(), "0");
}

#[test]
fn what_is_no_group_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let error = under(folder.path()).unwrap_err();
    assert_eq!(error.step, ControlGroupStep::Access);
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    let off = ControlGroups::prepare(&ControlGroupChoice::Off, &WatchdogLink::unwatched());
    assert!(off.unwrap().is_none());
}

#[test]
fn our_own_processes_leave_a_group_that_gets_controllers() {
    let folder = a_group("memory\n");
    move_into_leaf(folder.path(), [4711]).unwrap();
    move_into_leaf(folder.path(), [4712]).expect("it may be there from before");
    let leaf = folder.path().join(OWN_LEAF).join("cgroup.procs");
    assert_eq!(fs::read_to_string(leaf).unwrap(), "4712");
}

#[test]
fn groups_of_dead_runs_are_removed_and_no_others() {
    let folder = a_group("");
    let ours = RunId::of_this_process().to_string();
    let parts: Vec<&str> = ours.split('.').collect();
    let run = |pid: &str, started: &str| format!("{}.{}.{pid}.{started}", parts[0], parts[1]);
    let dead = [
        format!("{CHILD_PREFIX}{}:s:1", run(parts[2], "1")),
        format!("{CHILD_PREFIX}{}:s:2", run("4194305", "5")),
    ];
    let kept = [
        format!("{CHILD_PREFIX}{ours}:s:1"),
        format!("{CHILD_PREFIX}{}:s:1", run(parts[2], "0")),
        format!("{CHILD_PREFIX}nonsense"),
        "another".to_owned(),
        OWN_LEAF.to_owned(),
    ];
    for name in dead.iter().chain(&kept) {
        fs::create_dir_all(folder.path().join(name).join("below")).unwrap();
    }
    // Where a process is left, or as here a file, nothing is removed.
    fs::write(folder.path().join(&dead[1]).join("busy"), "").unwrap();
    under(folder.path()).unwrap();
    assert!(!folder.path().join(&dead[0]).exists());
    for name in kept.iter().chain(&dead[1..]) {
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

/// The one group of a child in there.
fn group_of(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_child = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().contains(":s:7");
    entries.find(is_child).expect("it was made")
}
