//! What other processes use, as the kernel counts it.
//!
//! Owns the reading of `/proc` and of processes' clocks. Must not know whose processes they are.

use std::fs;
use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Processor time of a process, all threads that it ever had included.
pub(super) fn cpu_time(pid: i32) -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(clock_getcpuclockid(Pid::from_raw(pid))?)?))
}

/// Processor time of this process.
pub(super) fn own_cpu_time() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?))
}

/// Forgets a process's peak. Without the right to do so the peak is that of its whole life.
pub(super) fn forget_peak(pid: i32) {
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// Peak of resident memory, in KiB.
pub(super) fn peak(pid: i32) -> io::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// Resident memory, in KiB.
pub(super) fn resident(pid: i32) -> io::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

fn field(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("{path} has no {name}")))
}
