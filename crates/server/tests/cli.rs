//! The binary from outside: exit codes, and what is printed where.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn standpipe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpipe"));
    // Nothing of the machine's own configuration may matter.
    let foreign =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STANDPIPE_"));
    for (name, _) in foreign {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", "/no/such/folder").stdin(Stdio::null());
    // No control socket unless a test asks for one.
    command.env("STANDPIPE_CONTROL__SOCKET", "off");
    command
}

fn output(args: &[&str], folder: &Path) -> Output {
    standpipe().args(args).current_dir(folder).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn bad_usage_and_configuration_exit_64_and_say_why() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.toml"), "lisen = 1\n").unwrap();
    std::fs::write(dir.path().join("broken.json"), "{").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["nonsense"], "nonsense"),
        (&["run"], "required"),
        (&["run", "--listen", "0.0.0.0:0", "--", "true"], "--allow-host"),
        (&["run", "--listen", "[::]:0", "--demo"], "--allow-host"),
        (&["run", "--request-timeout", "5", "--demo"], "no unit"),
        (&["run", "--env", "STANDPIPE_TEST_UNSET", "--demo"], "STANDPIPE_TEST_UNSET"),
        (&["run", "--log", "a=b=c", "--demo"], "--log"),
        (&["serve"], "no configuration: give --config FILE"),
        (&["serve", "--config", "missing.toml"], "missing.toml"),
        (
            &["serve", "--config", "bad.toml"],
            "bad.toml:1: `lisen`: unknown key; did you mean `listen`?",
        ),
        (&["config", "check", "bad.toml"], "did you mean `listen`?"),
        (&["config", "check", "--config", "broken.json"], "broken.json: not valid JSON"),
        (&["config", "show", "bad.toml"], "did you mean `listen`?"),
        (&["completions", "no-such-shell"], "no-such-shell"),
    ];
    for (args, expected) in cases {
        let output = output(args, dir.path());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}: {}", text(&output.stdout));
    }
}

#[test]
fn what_prints_exits_0() {
    let dir = tempfile::tempdir().unwrap();
    let example = output(&["config", "example"], dir.path());
    std::fs::write(dir.path().join("standpipe.toml"), &example.stdout).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["--version"], "standpipe "),
        (&["--help"], "Usage"),
        (&["run", "--help"], "--allow-origin"),
        (&["config", "check"], "standpipe.toml: valid, 2 services"),
        (&["config", "show"], "[mcpServers.files]"),
        (&["completions", "bash"], "standpipe"),
        (&["man"], ".TH"),
    ];
    for (args, expected) in cases {
        let output = output(args, dir.path());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        let stdout = text(&output.stdout);
        assert!(stdout.contains(expected), "{args:?}: {stdout}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[mcpServers.a]\ncommand = \"c\"\nargs = [\"--token\", \"hunter2\", \"${env:SECRET}\"]\n\
                  env = { KEY = \"hunter3\" }\n";
    std::fs::write(dir.path().join("standpipe.toml"), config).unwrap();
    let output = standpipe()
        .args(["config", "show"])
        .current_dir(dir.path())
        .env("SECRET", "hunter4")
        .output()
        .unwrap();
    let stdout = text(&output.stdout);
    assert!(stdout.contains("KEY = \"[redacted]\""), "{stdout}");
    assert!(!stdout.contains("hunter"), "{stdout}");
}

/// A server that is killed when the test ends, however it ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(args: &[&str]) -> (Server, String) {
    let mut command = standpipe();
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Server(command.spawn().expect("it starts"));
    let mut line = String::new();
    BufReader::new(server.0.stdout.as_mut().expect("piped"))
        .read_line(&mut line)
        .expect("it speaks");
    let address = line.strip_prefix("listening on http://").expect(&line).trim_end().to_owned();
    (server, address)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it answers");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it answers");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_clean_end_exits_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut server, address) = start(&["run", "--listen", "127.0.0.1:0", "--demo"]);
        assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200 "));
        let pid = Pid::from_raw(i32::try_from(server.0.id()).unwrap());
        kill(pid, signal).unwrap();
        assert_eq!(server.0.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn an_address_that_is_taken_exits_1_and_is_named() {
    let (_server, address) = start(&["run", "--listen", "127.0.0.1:0", "--demo"]);
    let dir = tempfile::tempdir().unwrap();
    let output = output(&["run", "--listen", &address, "--demo"], dir.path());
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
}

#[test]
fn operators_have_an_address_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.toml");
    // Found free a moment ago; nobody else takes ports of this range while tests run.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!("listen = \"127.0.0.1:0\"\n[ops]\nlisten = \"{free}\"\n[mcpServers]\n");
    std::fs::write(&file, config).unwrap();
    let (_server, address) = start(&["serve", "--config", file.to_str().unwrap()]);
    assert!(get(&address, "/metrics").starts_with("HTTP/1.1 404 "));
    let metrics = get(&free.to_string(), "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    assert!(metrics.contains("standpipe_build_info{"), "{metrics}");
}

#[test]
fn the_demo_speaks_on_stdio_and_ends_with_its_input() {
    let mut child =
        standpipe().arg("demo").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{}}\n");
    assert_eq!(output.status.code(), Some(0));
}
