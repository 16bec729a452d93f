//! Layers, defaults, and for each mistake the message that names it.

use std::path::Path;
use std::time::Duration;

use standpipe_core::service::{EraChoice, Interactive, Lifecycle, ResourceLimits, Sharing};

use super::*;

mod mistakes;

fn layers(environment: &[(&str, &str)]) -> Layers {
    Layers {
        environment: environment.iter().map(|(k, v)| (k.into(), v.into())).collect(),
        services: true,
        ..Layers::default()
    }
}

fn toml(text: &str) -> Result<Settings, ConfigError> {
    load_text(Path::new("s.toml"), text, &layers(&[]))
}

fn json(text: &str) -> Result<Settings, ConfigError> {
    load_text(Path::new("s.json"), text, &layers(&[]))
}

fn message(result: Result<Settings, ConfigError>) -> String {
    let error = result.expect_err("a mistake");
    format!("{error}")
}

#[test]
fn nothing_configured_is_all_defaults() {
    let settings = toml("").unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8085");
    assert_eq!(settings.log, "info");
    assert_eq!(settings.body_budget_bytes, 128 << 20);
    assert_eq!(settings.ops_listen, None);
    assert!(settings.services.is_empty());
}

#[test]
fn a_desktop_file_is_read_as_it_stands() {
    let settings = json(
        r#"{
            "globalShortcut": "Ctrl+Space",
            "mcpServers": {
                "filesystem": {
                    "command": "npx",
                    "args": ["-y", "@modelcontextprotocol/server-filesystem", "/tmp"],
                    "env": {"LEVEL": "1"},
                    "type": "stdio",
                    "autoApprove": ["read_file"],
                    "alwaysAllow": [],
                    "timeout": 60
                },
                "off": {"command": "x", "disabled": true},
                "remote-off": {"url": "https://x", "disabled": true}
            }
        }"#,
    )
    .unwrap();
    assert_eq!(settings.services.len(), 1);
    let spec = &settings.services[0].spec;
    assert_eq!((spec.id.as_str(), spec.command.to_str()), ("filesystem", Some("npx")));
    assert_eq!(spec.args.len(), 3);
    assert_eq!(spec.env["LEVEL"].expose(), "1");
    assert_eq!(spec.timeouts.request, Duration::from_mins(5));
}

#[test]
fn every_key_of_an_entry_reaches_the_spec() {
    let settings = toml(
        r#"
        session_idle_timeout = "5s"
        cache = { ttl = "1h", entries = 5 }
        [mcpServers.a]
        command = "c"
        probe = { interval = "3s", timeout = "200ms", failures = 9 }
        cwd = "/tmp"
        lifecycle = "one_shot"
        sharing = "session"
        era = "legacy"
        interactive = "never"
        start_timeout = "1s"
        request_timeout = "2s"
        request_timeout_max = "3s"
        question_timeout = "4s"
        idle_timeout = "6s"
        max_message_bytes = 1000
        input_queue_bytes = "2KiB"
        max_instances = 7
        side_processes = 0
        limits = { memory = "512MiB", cpu = "90s", open_files = 64, processes = 32 }
        restart = { cooldown = "0s", backoff_min = "1ms", backoff_max = "1s", max_failures = 9, early_death = "2s", healthy_after = "3s" }
        "#,
    )
    .unwrap();
    let spec = &settings.services[0].spec;
    let secs = Duration::from_secs;
    assert_eq!(spec.cwd.as_deref(), Some(Path::new("/tmp")));
    assert_eq!(spec.lifecycle, Lifecycle::OneShot);
    assert_eq!(spec.sharing, Sharing::Session);
    assert_eq!((spec.era, spec.interactive), (EraChoice::Legacy, Interactive::Never));
    let t = &spec.timeouts;
    assert_eq!(
        [t.start, t.request, t.request_max, t.question, t.session_idle],
        [secs(1), secs(2), secs(3), secs(4), secs(5)]
    );
    assert_eq!(spec.idle_timeout, Some(secs(6)));
    assert_eq!((spec.limits.max_message_bytes, spec.limits.input_queue_bytes), (1000, 2048));
    assert_eq!((spec.limits.max_instances, spec.limits.side_processes), (7, 0));
    let resources = &spec.resources;
    assert_eq!((resources.memory, resources.cpu), (Some(512 << 20), Some(secs(90))));
    assert_eq!((resources.open_files, resources.processes), (Some(64), Some(32)));
    let probe = spec.probe;
    assert_eq!((probe.interval, probe.failures), (Some(secs(3)), 9));
    assert_eq!(probe.timeout, Duration::from_millis(200));
    assert_eq!((settings.cache.ttl, settings.cache.entries), (secs(3600), 5));
    assert_eq!(spec.restart.max_failures, 9);
    assert_eq!(spec.restart.cooldown, Duration::ZERO);
    assert_eq!(spec.restart.backoff_min, Duration::from_millis(1));
}

#[test]
fn what_references_went_into_is_shown_as_it_was_written() {
    let settings = toml(
        r#"
        [mcpServers.a]
        command = "${env:PATH}/x"
        cwd = "/tmp/${env:PATH}"
        [mcpServers.b]
        command = "x"
        cwd = "/tmp"
        "#,
    );
    let settings = settings.unwrap();
    let shown = |at: usize| {
        let spec: &standpipe_core::service::ServiceSpec = &settings.services[at].spec;
        (spec.command_shown().into_owned(), spec.cwd_shown().unwrap().into_owned())
    };
    assert_eq!(shown(0), ("${env:PATH}/x".to_owned(), "/tmp/${env:PATH}".to_owned()));
    assert_eq!(shown(1), ("x".to_owned(), "/tmp".to_owned()));
    let path = std::env::var("PATH").unwrap();
    assert!(!format!("{:?}", settings.services[0].spec).contains(&path));
}

#[test]
fn top_level_tuning_is_the_default_of_entries() {
    let settings = toml(
        "request_timeout = \"2h\"\nlifecycle = \"one_shot\"\nmax_message_bytes = \"100MiB\"\n\
         [mcpServers.a]\ncommand = \"c\"\n[mcpServers.b]\ncommand = \"c\"\n\
         request_timeout = \"1s\"\nlifecycle = \"persistent\"\n",
    )
    .unwrap();
    let [a, b] = settings.services.as_slice() else { panic!("two services") };
    assert_eq!(a.spec.timeouts.request, Duration::from_hours(2));
    assert_eq!(a.spec.timeouts.request_max, Duration::from_hours(2), "follows");
    assert_eq!(a.spec.limits.input_queue_bytes, 100 << 20, "follows");
    assert_eq!(a.spec.idle_timeout, Some(Duration::from_mins(5)), "one-shot");
    assert_eq!(b.spec.timeouts.request, Duration::from_secs(1));
    assert_eq!(b.spec.idle_timeout, None, "persistent");
}

#[test]
fn a_limit_for_all_can_be_lifted_for_one() {
    let settings = toml(
        "[limits]\nmemory = \"1GiB\"\nopen_files = 64\n[mcpServers.a]\ncommand = \"c\"\n\
         limits = { memory = \"inherited\", processes = 9 }\n",
    )
    .unwrap();
    let ResourceLimits { memory, cpu, open_files, processes } = settings.services[0].spec.resources;
    assert_eq!((memory, cpu, open_files, processes), (None, None, Some(64), Some(9)));
}

#[test]
fn flags_win_over_variables_win_over_files() {
    let file = "listen = \"127.0.0.1:1\"\nlog = \"warn\"\nrequest_timeout = \"1s\"\n";
    let mut layers = layers(&[
        ("STANDPIPE_LISTEN", "127.0.0.1:2"),
        ("STANDPIPE_LOG", "debug"),
        ("STANDPIPE_OPS__LISTEN", "127.0.0.1:9"),
    ]);
    layers.flags.set("listen", Some("127.0.0.1:3".to_owned()));
    let settings = load_text(Path::new("s.toml"), file, &layers).unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.log, "debug");
    assert_eq!(settings.ops_listen.unwrap().port(), 9);
}

#[test]
fn variables_reach_into_entries() {
    let file = "[mcpServers.my-server]\ncommand = \"c\"\nenv = { A = \"1\" }\n";
    let layers = layers(&[
        ("STANDPIPE_MCPSERVERS__MY_SERVER__ENV__API__KEY", "42"),
        ("STANDPIPE_MCPSERVERS__MY_SERVER__MAX_INSTANCES", "3"),
        ("STANDPIPE_MCPSERVERS__my-server__ARGS", "[\"x\", \"y\"]"),
        ("STANDPIPE_MCPSERVERS__other__COMMAND", "7"),
        ("STANDPIPE_ALLOW_HOST", "a.example, b.example"),
        ("STANDPIPE_RESTART__MAX_FAILURES", "8"),
        ("STANDPIPE_LIMITS__MEMORY", "64MiB"),
        ("STANDPIPE_LIMITS__OPEN_FILES", "77"),
        ("STANDPIPE_INSTANCE", "not/configuration/1"),
        ("STANDPIPE_BIN", "/somebody/elses"),
        ("OTHER", "x"),
    ]);
    let settings = load_text(Path::new("s.toml"), file, &layers).unwrap();
    let [mine, other] = settings.services.as_slice() else { panic!("two services") };
    assert_eq!(mine.spec.env["API__KEY"].expose(), "42");
    assert_eq!(mine.spec.env["A"].expose(), "1");
    assert_eq!(mine.spec.limits.max_instances, 3);
    assert_eq!(mine.spec.args, ["x", "y"]);
    assert_eq!(other.spec.command, "7");
    assert_eq!(other.spec.restart.max_failures, 8);
    assert_eq!(other.spec.resources.memory, Some(64 << 20));
    assert_eq!(other.spec.resources.open_files, Some(77));
    assert_eq!(settings.allow_host.len(), 2);
    assert_eq!(settings.ignored_variables, ["STANDPIPE_BIN"]);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let message =
        message(toml("lisen = 1\nlogg = 2\n[mcpServers.a]\nx = 1\n[mcpServers.b]\ncommand = 1"));
    for part in ["`lisen`", "`logg`", "`mcpServers.a.x`", "`mcpServers.b.command`"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn later_files_win_and_name_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let one = dir.path().join("one.toml");
    let two = dir.path().join("two.json");
    std::fs::write(&one, "[mcpServers.a]\ncommand = \"one\"\nargs = [\"x\"]\n").unwrap();
    std::fs::write(&two, r#"{"mcpServers": {"a": {"command": "two"}, "b": {"command": "b"}}}"#)
        .unwrap();
    let mut layers = layers(&[]);
    layers.files = vec![one, two.clone()];
    let settings = load(&layers).unwrap();
    assert_eq!(settings.services.len(), 2);
    assert_eq!(settings.services[0].spec.command, "two");
    assert_eq!(settings.services[0].spec.args, ["x"]);
    std::fs::write(&two, r#"{"mcpServers": {"a": {"comand": "two"}}}"#).unwrap();
    assert!(message(load(&layers)).contains("two.json:1: "));
    layers.files.push(dir.path().join("three.toml"));
    assert!(message(load(&layers)).contains("three.toml"));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert!(json("\u{feff}{\"mcpServers\": {}}").is_ok());
    assert!(toml("\u{feff}log = \"info\"").is_ok());
}

#[test]
fn what_is_shown_has_no_secrets_and_can_be_read_again() {
    let text = r#"
        allow_host = ["mcp.example.com"]
        cache = { ttl = "90m" }
        probe = { interval = "never", failures = 1 }
        [ops]
        listen = "127.0.0.1:9"
        [mcpServers."a.b"]
        command = "c"
        args = ["--token", "hunter2", "${env:PATH}", "tab\t\"quoted\""]
        env = { KEY = "hunter3", "odd key" = "hunter4" }
        lifecycle = "one_shot"
        limits = { memory = "512MiB", cpu = "1h", open_files = 64 }
    "#;
    let settings = toml(text).unwrap();
    let shown = show(&settings);
    for secret in ["hunter", &std::env::var("PATH").unwrap()] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("${env:PATH}"), "{shown}");
    let again = toml(&shown).unwrap();
    assert_eq!(show(&again), shown);
    assert_eq!(again.services[0].spec.timeouts, settings.services[0].spec.timeouts);
    assert_eq!(again.services[0].spec.limits, settings.services[0].spec.limits);
    assert_eq!(again.services[0].spec.resources, settings.services[0].spec.resources);
    assert_eq!(again.services[0].spec.probe, settings.services[0].spec.probe);
    assert_eq!(again.cache, settings.cache);
    assert_eq!(again.services[0].spec.restart, settings.services[0].spec.restart);
}

#[test]
fn the_example_is_valid_and_so_are_the_defaults_it_shows() {
    let settings = toml(EXAMPLE).unwrap();
    assert_eq!(settings.services.len(), 2);
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let full = toml(&uncommented).unwrap();
    // But for these, which have no default, the example shows what holds anyway.
    let mut plain = settings.clone();
    plain.allow_host.clone_from(&full.allow_host);
    plain.allow_origin.clone_from(&full.allow_origin);
    plain.ops_listen = full.ops_listen;
    plain.otel.clone_from(&full.otel);
    plain.control.clone_from(&full.control);
    assert_eq!(show(&plain), show(&full));
    for key in keys::TOP
        .iter()
        .chain(keys::TUNING)
        .chain(keys::RESTART)
        .chain(keys::LIMITS)
        .chain(keys::OTEL)
    {
        let there =
            uncommented.contains(&format!("{key} = ")) || uncommented.contains(&format!("[{key}"));
        assert!(there, "the example lacks {key}");
    }
}
