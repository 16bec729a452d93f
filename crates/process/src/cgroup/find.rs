//! Which control group we are in, and whether it is ours.
//!
//! Owns reading that from `/proc` and from the marks that managers leave. It changes nothing.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::getxattr;

/// What managers write on the directory of a group that they delegate. The first one can be read by
/// the superuser only.
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// The group of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnGroup {
    /// Its directory.
    pub(super) path: PathBuf,
    /// It is all that can be seen of the tree.
    is_root: bool,
}

/// The group of this process in the tree of version 2, if that is mounted.
pub(super) fn own_group() -> Option<OwnGroup> {
    let group = fs::read("/proc/self/cgroup").ok()?;
    let mounts = fs::read("/proc/self/mountinfo").ok()?;
    locate(&group, &mounts)
}

impl OwnGroup {
    /// Whether its manager has left it to us. That it can be written to says nothing: the superuser
    /// can write to every group, and a user to those of all his programs.
    pub(super) fn is_delegated(&self) -> bool {
        if self.is_root {
            // Of a container: what looks like the root is a part that was given to it as a whole.
            // Only the root of the machine's tree, which nobody may use so, has no events.
            return self.path.join("cgroup.events").exists();
        }
        DELEGATED.iter().any(|mark| {
            let mut value = [0; 8];
            let length = getxattr(&self.path, *mark, &mut value).unwrap_or(0);
            value.get(..length) == Some(b"1")
        })
    }
}

/// Finds the directory: `group` and `mounts` are what `/proc/self/cgroup` and
/// `/proc/self/mountinfo` say.
pub(super) fn locate(group: &[u8], mounts: &[u8]) -> Option<OwnGroup> {
    let own = group.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    // A group outside of what this container sees begins with `/..`.
    if own.starts_with(b"/..") {
        return None;
    }
    mounts.split(|byte| *byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        if *fields.get(separator + 1)? != b"cgroup2" {
            return None;
        }
        let root = unescaped(fields.get(3)?);
        let point = unescaped(fields.get(4)?);
        let own: PathBuf = std::ffi::OsString::from_vec(own.to_vec()).into();
        let below = own.strip_prefix(&root).ok()?;
        let is_root = below == Path::new("");
        Some(OwnGroup { path: if is_root { point } else { point.join(below) }, is_root })
    })
}

/// Spaces and the like are written as three octal digits in `mountinfo`.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}
