//! The `standpipe` binary as a process: started, found out about, ended.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standpipe_testkit::{children_of, wait_until};
use tempfile::TempDir;

use super::GENEROUS;

/// How much of the log is shown when a test fails.
const LOG_SHOWN: usize = 6000;

/// A running Standpipe with its own scratch folder; it is ended when dropped.
pub(crate) struct Standpipe {
    child: Child,
    base: String,
    folder: TempDir,
}

impl Standpipe {
    /// `standpipe run FLAGS -- COMMAND`.
    pub(crate) fn run(flags: &[&str], command: &[&str]) -> Self {
        let mut line = Command::new(binary());
        line.args(["run", "--listen", "127.0.0.1:0"]).args(flags);
        Self::start(line.arg("--").args(command))
    }

    /// `standpipe run FLAGS` before the fixture.
    pub(crate) fn fixture(flags: &[&str]) -> Self {
        let fixture = standpipe_testkit::fixture_path();
        Self::run(flags, &[fixture.to_str().expect("paths of builds are text")])
    }

    /// `standpipe serve FLAGS` with this table of `mcpServers`.
    pub(crate) fn serve(flags: &[&str], servers: &serde_json::Value) -> Self {
        let folder = scratch();
        let file = folder.path().join("servers.json");
        let config = serde_json::json!({ "mcpServers": servers });
        std::fs::write(&file, config.to_string()).expect("the scratch folder can be written to");
        let mut line = Command::new(binary());
        line.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file).args(flags);
        Self::start_in(folder, &mut line)
    }

    /// Any command line that ends in a Standpipe which listens.
    pub(crate) fn start(line: &mut Command) -> Self {
        Self::start_in(scratch(), line)
    }

    fn start_in(folder: TempDir, line: &mut Command) -> Self {
        let log =
            File::create(folder.path().join("log")).expect("the scratch folder can be written to");
        // Where a control socket is made unless configured: not where a real one may be.
        if !line.get_envs().any(|(name, _)| name == "XDG_RUNTIME_DIR") {
            line.env("XDG_RUNTIME_DIR", folder.path());
        }
        let mut child = line
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary under test can be started");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (send, receive) = mpsc::channel();
        // The reader goes on to the end, so that nothing ever blocks on stdout.
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut first = String::new();
            let read = lines.read_line(&mut first);
            // Nobody waits any more when the start was given up.
            let _ = send.send(read.map(|_| first));
            let _ = std::io::copy(&mut lines, &mut std::io::sink());
        });
        let mut standpipe = Self { child, base: String::new(), folder };
        let first = receive
            .recv_timeout(GENEROUS)
            .expect("the first line comes in time")
            .expect("stdout can be read");
        let Some(base) = first.trim_end().strip_prefix("listening on ") else {
            panic!("the first line of standpipe is {first:?}");
        };
        base.clone_into(&mut standpipe.base);
        standpipe
    }

    /// The address and a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// `HOST:PORT`.
    pub(crate) fn authority(&self) -> &str {
        self.base.strip_prefix("http://").expect("the address is of plain HTTP")
    }

    /// The process that was started.
    pub(crate) fn outer(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// The process that serves: the one started, or its child of the same program.
    pub(crate) fn inner(&self) -> i32 {
        let program = |pid: i32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let own = program(self.outer());
        children_of(self.outer())
            .into_iter()
            .find(|child| !child.is_zombie() && program(child.pid) == own)
            .map_or(self.outer(), |child| child.pid)
    }

    /// Sends a signal to the process that was started.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.outer(), signal);
    }

    /// Waits for the end of the process that was started.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_until(GENEROUS, || self.child.try_wait().expect("it is our child"))
            .expect("standpipe ends in time")
    }

    /// What it logged, or the end of it.
    pub(crate) fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.folder.path().join("log")) {
            // An unreadable log is shown as far as it can be read.
            let _ = file.read_to_end(&mut text);
        }
        let start = text.len().saturating_sub(LOG_SHOWN);
        String::from_utf8_lossy(&text[start..]).into_owned()
    }
}

impl Drop for Standpipe {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            // A test that has failed already fails no further for want of a place to say why.
            let _ = writeln!(std::io::stderr(), "--- the end of standpipe's log:\n{log}\n---");
        }
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal(Signal::SIGTERM);
        let ended = wait_until(GENEROUS, || self.child.try_wait().ok().flatten());
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to one process, which must be there.
pub(crate) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("the process is there");
}

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_standpipe"))
}

/// Whether it ended as a process does that was told to stop.
pub(crate) fn is_clean(status: ExitStatus) -> bool {
    status.code() == Some(0) && status.signal().is_none()
}

/// How much memory a process needs beyond what it had when the measurement began.
pub(crate) struct MemoryUse {
    pid: i32,
    before_kib: u64,
}

impl MemoryUse {
    /// Begins to measure; the kernel keeps the peak from here on.
    pub(crate) fn of(pid: i32) -> Self {
        // "5" sets the peak back to what is resident now.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5")
            .expect("our own process can be measured");
        Self { pid, before_kib: memory_kib(pid, "VmHWM") }
    }

    /// The highest use since, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        memory_kib(self.pid, "VmHWM").saturating_sub(self.before_kib) / 1024
    }
}

/// A field of `/proc/<pid>/status` in KiB.
fn memory_kib(pid: i32, field: &str) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok())
        .expect("the kernel tells it")
}

/// How many bytes a process has written so far, to whatever.
pub(crate) fn bytes_written(pid: i32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("the process is there");
    io.lines()
        .find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
        .expect("the kernel tells it")
}

fn scratch() -> TempDir {
    TempDir::with_prefix("standpipe-test-").expect("there is room for temporary files")
}
