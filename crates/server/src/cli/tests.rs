//! What can be typed, and what becomes of it.

use clap::Parser as _;
use standpipe_core::service::{ServiceSpec, Sharing};

use super::*;
use crate::config::{Layers, load};

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once(&"standpipe").chain(args))
}

fn run(args: &[&str]) -> Result<ServiceSpec, String> {
    let full: Vec<&str> = std::iter::once("run").chain(args.iter().copied()).collect();
    let cli = parse(&full).map_err(|error| error.to_string())?;
    let Command::Run(args) = cli.command else { panic!("not run") };
    let layers = Layers { flags: args.common.layer(), ..Layers::default() };
    let settings = load(&layers).map_err(|error| error.to_string())?;
    run_service(&args, &settings.tuning).map_err(|error| error.to_string())
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn run_describes_a_service() {
    let spec = run(&[
        "--id",
        "fs",
        "--sharing",
        "session",
        "--env",
        "A=b=c",
        "--env",
        "PATH",
        "--cwd",
        "/",
        "--request-timeout",
        "1m",
        "--idle-timeout",
        "never",
        "--max-message-bytes",
        "1MiB",
        "--",
        "npx",
        "-y",
        "--id",
        "x",
    ])
    .unwrap();
    assert_eq!(spec.id.as_str(), "fs");
    assert_eq!(spec.sharing, Sharing::Session);
    assert_eq!(spec.env["A"].expose(), "b=c");
    assert_eq!(spec.env["PATH"].expose(), &std::env::var("PATH").unwrap());
    assert_eq!(spec.timeouts.request.as_secs(), 60);
    assert_eq!(spec.limits.max_message_bytes, 1 << 20);
    assert_eq!(spec.args, ["-y", "--id", "x"]);
}

#[test]
fn the_id_comes_from_the_command() {
    for (command, id) in [
        ("/usr/bin/my server.py", "my-server"),
        ("./.hidden", "hidden"),
        ("npx", "npx"),
        ("日本", "server"),
        (&*"x".repeat(100), &*"x".repeat(64)),
    ] {
        assert_eq!(run(&["--", command]).unwrap().id.as_str(), id, "{command}");
    }
    assert_eq!(run(&["--demo"]).unwrap().id.as_str(), "demo");
    assert_eq!(run(&["--demo"]).unwrap().args, ["demo"]);
}

#[test]
fn mistakes_name_the_flag() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "required"),
        (&["npx"], "unexpected argument 'npx'"),
        (&["--demo", "--", "x"], "cannot be used with"),
        (&["--id", "a/b", "--", "x"], "--id \"a/b\": not a service id: '/' at position 2"),
        (
            &["--env", "STANDPIPE_NOT_SET", "--", "x"],
            "--env STANDPIPE_NOT_SET: this variable is not set",
        ),
        (&["--env", "=v", "--", "x"], "has no name"),
        (&["--cwd", "/no/such", "--", "x"], "--cwd /no/such: no such folder"),
        (&["--sharing", "all", "--", "x"], "[possible values: shared, session]"),
        (
            &["--request-timeout", "5", "--", "x"],
            "--request-timeout: `request_timeout`: `5` has no unit",
        ),
        (
            &["--max-message-bytes", "x", "--", "x"],
            "--max-message-bytes: `max_message_bytes`: a size is",
        ),
        (
            &["--listen", "0.0.0.0:0", "--", "x"],
            "--listen: `listen`: this address is reachable from other machines",
        ),
        (&["--listen", "8085", "--", "x"], "--listen: `listen`: not an address"),
        (&["--allow-host", "a b", "--", "x"], "--allow-host: `allow_host`: not a host"),
        (&["--allow-origin", "null", "--", "x"], "--allow-origin: `allow_origin`: not an origin"),
        (&["--log", "a=b=c", "--", "x"], "--log: `log`: not a log filter"),
        (&["--", ""], "`command` is empty"),
    ];
    for (args, expected) in cases {
        let message = run(args).unwrap_err();
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    assert!(run(&["--listen", "0.0.0.0:0", "--allow-host", "a", "--", "x"]).is_ok());
}

#[test]
fn completions_and_manual_mention_every_command() {
    let page = String::from_utf8(manual().unwrap()).unwrap();
    let script = String::from_utf8(completions(Shell::Bash)).unwrap();
    for command in ["run", "serve", "config", "demo", "completions", "man"] {
        assert!(page.contains(command), "{command}");
        assert!(script.contains(command), "{command}");
    }
    assert!(page.contains("max\\-message\\-bytes"));
}
