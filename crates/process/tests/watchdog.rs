//! The watchdog with real processes: this binary runs itself as a small Standpipe with nasty
//! children, kills one end or the other, and looks for survivors.
//!
//! It has no test harness, because a process must have one thread when it enters the watchdog.

#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "the other suites use the rest")]
mod survivors;

#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod scenarios;

#[cfg(target_os = "linux")]
fn main() {
    match std::env::var("STANDPIPE_TEST_HOST") {
        Ok(scenario) => host::run(&scenario),
        Err(_) => scenarios::run_all(),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
