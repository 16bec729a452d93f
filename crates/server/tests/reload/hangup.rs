//! SIGHUP because a terminal is gone.

use std::process::{Command, Stdio};

use crate::support::process::binary;

/// Starts a command line on a terminal of its own and takes that away once it listens. One that is
/// to stay gets SIGTERM, well after it would have ended. Prints its exit code and its log. Gives up after
/// a minute.
const ON_A_TERMINAL: &str = r#"
import os, pty, signal, sys, time
stays, *line = sys.argv[1:]
(out, into), (log, err) = os.pipe(), os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    # Whatever the tests themselves were started under.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.dup2(into, 1)
    os.dup2(err, 2)
    os.execvp(line[0], line)
os.close(into)
os.close(err)
signal.alarm(60)
assert os.fdopen(out).readline().startswith("listening on http://")
os.close(terminal)
if stays == "stays":
    time.sleep(0.5)
    os.kill(pid, signal.SIGTERM)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
print(os.fdopen(log).read())
"#;

fn ends_by(signal: &str, prefix: &[&str], args: &[&str]) {
    let stays = if signal == "SIGHUP" { "ends" } else { "stays" };
    let output = Command::new("python3")
        .args(["-c", ON_A_TERMINAL, stays])
        .args(prefix)
        .arg(binary())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("python3 runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stdout.starts_with("0\n"), "{prefix:?} {args:?}: {stdout} {stderr}");
    assert!(stdout.contains(&format!("\"signal\":\"{signal}\"")), "{prefix:?} {args:?}: {stdout}");
}

#[test]
fn without_its_terminal_it_ends_unless_that_was_to_be_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("s.toml");
    std::fs::write(&config, "listen = \"127.0.0.1:0\"\n[mcpServers]\n").unwrap();
    let serve = ["serve", "--config", config.to_str().unwrap()];
    let run = ["run", "--listen", "127.0.0.1:0", "--demo"];
    ends_by("SIGHUP", &[], &serve);
    ends_by("SIGHUP", &[], &run);
    ends_by("SIGTERM", &["nohup"], &serve);
    ends_by("SIGTERM", &["nohup"], &run);
}
