//! The Unix socket of the control plane: made so that nobody else can open it at any moment, and gone
//! when we are.
//!
//! Owns the file from its making to its removal. It must not know what is spoken through it. It exists
//! because a socket is made with whatever mode the process's mask leaves, and the mask belongs to all
//! threads: so it is made in a folder that only we can enter, closed there, and then moved.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep};

/// Only the owner may read and write, which is what connecting takes.
const SOCKET_MODE: u32 = 0o600;

/// Only the owner may enter.
const FOLDER_MODE: u32 = 0o700;

/// How long another Standpipe may take to make its socket in the same folder. It is a matter of a
/// moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Longest wait for the one who listens on a socket that is there already.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A socket that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the control socket {} cannot be made: {fault}", path.display())]
pub struct SocketError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub fault: SocketFault,
}

/// Why a socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// No file can have this path.
    #[error("the path has no name at its end")]
    Path,
    /// A socket there could not be connected to.
    #[error("the path is longer than the system allows for sockets, which is about 100 bytes")]
    TooLong(#[source] io::Error),
    /// Its folder is not there and cannot be made.
    #[error("its folder cannot be made")]
    Folder(#[source] io::Error),
    /// Its folder cannot be opened or locked.
    #[error("its folder cannot be used")]
    Lock(#[source] io::Error),
    /// Another process has locked the folder and keeps it so.
    #[error("another process has kept its folder locked for {} seconds", PATIENCE.as_secs())]
    Locked,
    /// Somebody listens there.
    #[error(
        "another process listens there, and may be another Standpipe; give this one another \
             `control.socket`, or end the other"
    )]
    InUse,
    /// Something else is there.
    #[error("there is a file that is no socket; it was left alone")]
    NotASocket,
    /// What is there cannot be looked at.
    #[error("what is there cannot be looked at")]
    Look(#[source] io::Error),
    /// It cannot be bound, or moved into place.
    #[error("it cannot be bound")]
    Bind(#[source] io::Error),
}

/// The file of a socket we listen on. Dropping it removes the file, unless it is another's by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the control socket stays behind");
        }
    }
}

/// Makes the socket and listens on it. A socket that nobody listens on any more is replaced.
pub(super) async fn listen(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    make(path).await.map_err(|fault| SocketError { path: path.to_owned(), fault })
}

async fn make(path: &Path) -> Result<(UnixListener, SocketFile), SocketFault> {
    let name = path.file_name().ok_or(SocketFault::Path)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A socket can be moved to where nobody could call it.
    SocketAddr::from_pathname(path).map_err(SocketFault::TooLong)?;
    make_folder(folder).map_err(SocketFault::Folder)?;
    // Two that start at the same time must not take each other's socket for one left behind.
    let _locked = lock(folder).await?;
    refuse_if_used(path).await?;
    let private = tempfile::Builder::new()
        .prefix(".s")
        .rand_bytes(4)
        .permissions(Permissions::from_mode(FOLDER_MODE))
        .tempdir_in(folder)
        .map_err(SocketFault::Bind)?;
    let made = private.path().join("s");
    let listener = UnixListener::bind(&made).map_err(SocketFault::Bind)?;
    fs::set_permissions(&made, Permissions::from_mode(SOCKET_MODE)).map_err(SocketFault::Bind)?;
    let found = fs::symlink_metadata(&made).map_err(SocketFault::Bind)?;
    let path = folder.join(name);
    fs::rename(&made, &path).map_err(SocketFault::Bind)?;
    Ok((listener, SocketFile { path, device: found.dev(), inode: found.ino() }))
}

/// What is missing of the folder is made for us alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
}

/// Locks the folder until the file is dropped.
async fn lock(folder: &Path) -> Result<File, SocketFault> {
    let file = File::open(folder).map_err(SocketFault::Lock)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => sleep(LOOK_EVERY).await,
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(SocketFault::Locked),
            Err(errno) => return Err(SocketFault::Lock(errno.into())),
        }
    }
}

/// Whether what is at the path may be replaced: nothing, or a socket of a process that is gone.
async fn refuse_if_used(path: &Path) -> Result<(), SocketFault> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SocketFault::Look(error)),
    };
    if !found.file_type().is_socket() {
        return Err(SocketFault::NotASocket);
    }
    // Only an outright refusal means that nobody listens; one who is slow is there.
    match tokio::time::timeout(ANSWERS_WITHIN, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(SocketFault::Look(error))
        }
        _ => Err(SocketFault::InUse),
    }
}
