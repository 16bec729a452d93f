//! The Standpipe under test, as a process.
//!
//! Owns its start, its files and its end. Knows nothing of its code.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use standpipe_testkit::{children_of, wait_until};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::census::Pids;

/// Nothing takes this long unless it hangs.
pub(crate) const GENEROUS: Duration = Duration::from_mins(1);

/// The name of the configuration file.
const CONFIGURATION: &str = "servers.json";

/// The programs under test.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) standpipe: PathBuf,
    pub(crate) fixture: PathBuf,
}

impl Programs {
    /// Those that the environment names.
    pub(crate) fn of_environment() -> Result<Self, String> {
        let path = |name| {
            let value = std::env::var_os(name);
            value.map(PathBuf::from).ok_or_else(|| format!("{name} names no program"))
        };
        Ok(Self { standpipe: path("STANDPIPE_BIN")?, fixture: path("FIXTURE_BIN")? })
    }
}

/// A running Standpipe; it is ended when dropped.
#[derive(Debug)]
pub(crate) struct Product {
    child: Child,
    base: String,
    folder: TempDir,
    start: Duration,
}

impl Product {
    /// Starts one in a folder of its own, for which `configuration` makes the configuration file.
    pub(crate) fn start(
        programs: &Programs,
        configuration: impl FnOnce(&Path) -> Value,
    ) -> io::Result<Self> {
        // Processes that are made to crash shall not leave core files.
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        let folder = TempDir::with_prefix("standpipe-soak-")?;
        let file = folder.path().join(CONFIGURATION);
        std::fs::write(&file, configuration(folder.path()).to_string())?;
        let log = File::create(folder.path().join("log"))?;
        let began = Instant::now();
        let mut child = Command::new(&programs.standpipe)
            .args(["serve", "--listen", "127.0.0.1:0", "--session-idle-timeout", "10s", "--config"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take();
        let mut product = Self { child, base: String::new(), folder, start: Duration::ZERO };
        let first = first_line(stdout.ok_or(io::ErrorKind::BrokenPipe)?)?;
        product.start = began.elapsed();
        let Some(base) = first.trim_end().strip_prefix("listening on ") else {
            let log = product.log();
            return Err(io::Error::other(format!("it printed {first:?} and logged:\n{log}")));
        };
        base.clone_into(&mut product.base);
        Ok(product)
    }

    /// The address and a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// How long it took until it listened.
    pub(crate) const fn start_time(&self) -> Duration {
        self.start
    }

    fn outer(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// Its processes: what serves is the one started, or its child of the same program.
    pub(crate) fn pids(&self) -> Pids {
        let program = |pid: i32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let outer = self.outer();
        let own = program(outer);
        let inner = children_of(outer)
            .into_iter()
            .find(|child| !child.is_zombie() && program(child.pid) == own)
            .map_or(outer, |child| child.pid);
        Pids { outer, inner }
    }

    /// Ends it as an operator does, and waits for the end.
    pub(crate) fn stop(&mut self) -> io::Result<ExitStatus> {
        kill(Pid::from_raw(self.outer()), Signal::SIGTERM)?;
        wait_until(GENEROUS, || self.child.try_wait().transpose()).map_err(io::Error::other)?
    }

    /// Its configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join(CONFIGURATION)
    }

    /// Its folder, with everything it was given and has written.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves its files where they are.
    pub(crate) fn keep_files(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// What it logged.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Err(error) = self.stop() {
            let _ = writeln!(io::stderr(), "standpipe had to be killed: {error}");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The first line; what follows is read and forgotten, so that nothing ever blocks on stdout.
fn first_line(stdout: impl io::Read + Send + 'static) -> io::Result<String> {
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout);
        let mut first = String::new();
        let read = lines.read_line(&mut first);
        // Nobody waits any more when the start was given up.
        let _ = send.send(read.map(|_| first));
        let _ = io::copy(&mut lines, &mut io::sink());
    });
    receive.recv_timeout(GENEROUS).map_err(io::Error::other)?
}
