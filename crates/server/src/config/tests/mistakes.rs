//! For each mistake the message that names its place, its key and the way out.

use std::path::Path;

use super::super::load_text;
use super::{json, layers, message, toml};

#[test]
fn mistakes_in_variables_name_the_variable() {
    let cases = [
        (
            ("STANDPIPE_LISTNE", "x"),
            "environment variable STANDPIPE_LISTNE: `listne`: unknown key; did you mean `listen`?",
        ),
        (
            ("STANDPIPE_OPS__LISTNE", "x"),
            "STANDPIPE_OPS__LISTNE: `ops.listne`: unknown key; did you mean `listen`?",
        ),
        (
            ("STANDPIPE_REQUEST_TIMEOUT", "30"),
            "STANDPIPE_REQUEST_TIMEOUT: `request_timeout`: `30` has no unit",
        ),
        (("STANDPIPE_LISTEN", "nowhere"), "STANDPIPE_LISTEN: `listen`: not an address"),
    ];
    for (variable, expected) in cases {
        let message = message(load_text(Path::new("s.toml"), "", &layers(&[variable])));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn mistakes_in_toml_name_file_line_key_and_neighbour() {
    let entry = "[mcpServers.fs]\ncommand = \"c\"\n";
    let cases = [
        (
            "lisen = \"127.0.0.1:1\"".to_owned(),
            "s.toml:1: `lisen`: unknown key; did you mean `listen`?",
        ),
        ("\n\nxyzzy = 1".to_owned(), "s.toml:3: `xyzzy`: unknown key; the nearest is "),
        (
            "[mcpserver.a]".to_owned(),
            "s.toml:1: `mcpserver`: unknown key; did you mean `mcpServers`?",
        ),
        (
            "[mcpServers.fs]\ncomand = \"c\"".to_owned(),
            "s.toml:2: `mcpServers.fs.comand`: unknown key; did you mean `command`?",
        ),
        ("[mcpServers.fs]\nargs = []".to_owned(), "`mcpServers.fs.command`: `command` is missing"),
        (
            format!("{entry}idle_timout = \"1s\""),
            "s.toml:3: `mcpServers.fs.idle_timout`: unknown key; did you mean `idle_timeout`?",
        ),
        (
            format!("{entry}restart = {{ cooldwn = \"1s\" }}"),
            "s.toml:3: `mcpServers.fs.restart.cooldwn`: unknown key; did you mean `cooldown`?",
        ),
        (
            format!("{entry}sharing = \"all\""),
            "s.toml:3: `mcpServers.fs.sharing`: `all` is not one of shared, session",
        ),
        (
            format!("{entry}args = 5"),
            "`mcpServers.fs.args`: expected a list of strings, found a number",
        ),
        (format!("{entry}args = [5]"), "`mcpServers.fs.args`: expected a string, found a number"),
        (
            format!("{entry}start_timeout = 5"),
            "s.toml:3: `mcpServers.fs.start_timeout`: `5` has no unit; write `5s`",
        ),
        (
            format!("{entry}start_timeout = \"0s\""),
            "s.toml:3: `mcpServers.fs.start_timeout`: `start_timeout` must be greater than zero",
        ),
        (format!("{entry}max_message_bytes = \"16Mib\""), "`Mib` is not a unit of size"),
        (format!("{entry}max_message_bytes = -1"), "must be a whole number from 0"),
        (
            format!("{entry}max_instances = 0"),
            "s.toml:3: `mcpServers.fs.max_instances`: `max_instances` must be greater",
        ),
        (format!("{entry}max_instances = -1"), "must be a whole number from 0"),
        (
            format!("{entry}restart = {{ max_failures = 0 }}"),
            "s.toml:3: `mcpServers.fs.restart.max_failures`",
        ),
        (
            format!("{entry}[mcpServers.fs.limits]\nmemry = 1"),
            "s.toml:4: `mcpServers.fs.limits.memry`: unknown key; did you mean `memory`?",
        ),
        (
            format!("{entry}[mcpServers.fs.limits]\nmemory = 512"),
            "s.toml:4: `mcpServers.fs.limits.memory`: `limits.memory` must be at least 1048576",
        ),
        (
            "limits = { cpu = 30 }".to_owned(),
            "s.toml:1: `limits.cpu`: `30` has no unit; write `30s`",
        ),
        (
            "limits = { open_files = \"many\" }".to_owned(),
            "`limits.open_files`: expected a whole number, found a string",
        ),
        ("limits = 5".to_owned(), "s.toml:1: `limits`: expected a table, found a number"),
        (
            format!("{entry}[mcpServers.fs.env]\nPORT = 8080"),
            "s.toml:4: `mcpServers.fs.env.PORT`: expected a string, found a number",
        ),
        (format!("{entry}disabled = \"yes\""), "expected true or false, found a string"),
        (
            format!("{entry}type = \"sse\""),
            "s.toml:3: `mcpServers.fs.type`: `sse` is not one of stdio",
        ),
        (
            format!("{entry}url = \"http://x\""),
            "s.toml:3: `mcpServers.fs.url`: `url` describes a remote server",
        ),
        (
            format!("{entry}cwd = \"${{env:STANDPIPE_NOT_THERE}}\""),
            "s.toml:3: `mcpServers.fs.cwd`: `${env:STANDPIPE_NOT_THERE}`: the variable is not set",
        ),
        (
            "[mcpServers.\"a/b\"]\ncommand = \"c\"".to_owned(),
            "s.toml:1: `mcpServers.a/b`: not a service id: '/' at position 2",
        ),
        (
            "[mcpServers]\nfs = 1".to_owned(),
            "s.toml:2: `mcpServers.fs`: expected a table, found a number",
        ),
        ("allow_host = [\"http://x\"]".to_owned(), "s.toml:1: `allow_host`: not a host"),
        ("allow_origin = [\"x\"]".to_owned(), "s.toml:1: `allow_origin`: not an origin"),
        (
            "listen = \"0.0.0.0:80\"".to_owned(),
            "s.toml:1: `listen`: this address is reachable from other machines",
        ),
        ("log = \"a=b=c\"".to_owned(), "s.toml:1: `log`: not a log filter"),
        (
            "session_idle_timeout = \"0s\"".to_owned(),
            "s.toml:1: `session_idle_timeout`: `session_idle_timeout` must be greater than zero",
        ),
        (
            "\nrequest_timeout_max = \"1s\"".to_owned(),
            "s.toml:2: `request_timeout_max`: `request_timeout` must not be greater than",
        ),
        ("listen = ".to_owned(), "s.toml:1: not valid TOML: "),
        ("a = 1\na = 2".to_owned(), "duplicate key"),
    ];
    for (text, expected) in cases {
        let message = message(toml(&text));
        assert!(message.contains(expected), "{text}\n  gives {message}\n  wants {expected}");
    }
}

#[test]
fn no_mistake_shows_what_may_be_secret() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "s3cret").unwrap();
    let path = dir.path().join("s.toml");
    let entry = "[mcpServers.fs]\ncommand = \"c\"\n";
    let reference = "\"${file:secret}\"";
    let cases = [
        (format!("{entry}env = {{ A = \"s3cret\n"), ":3: not valid TOML: "),
        (format!("{entry}[mcpServers.fs.env]\nA = \"s3cret\" X"), ":4: not valid TOML: "),
        (format!("{entry}sharing = {reference}"), "is not one of shared, session"),
        (format!("request_timeout = {reference}\n{entry}"), "is not a duration"),
        (format!("{entry}max_message_bytes = {reference}"), "is not a size"),
    ];
    for (text, expected) in cases {
        let message = message(load_text(&path, &text, &layers(&[])));
        assert!(message.contains(expected), "{text}\n  gives {message}\n  wants {expected}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[test]
fn mistakes_in_json_name_file_line_key_and_neighbour() {
    let cases = [
        ("{\n\"mcpServer\": {}}", "s.json:2: `mcpServer`: unknown key; did you mean `mcpServers`?"),
        (
            "{\"mcpServers\": {\n\"a\": {\n\"commnd\": \"x\"}}}",
            "s.json:3: `mcpServers.a.commnd`: unknown key; did you mean `command`?",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"url\": \"https://x\"}}}",
            "s.json:1: `mcpServers.a.url`: `url` describes a remote server",
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": null}}}",
            "`mcpServers.a.command`: expected a string, found null",
        ),
        ("{\"mcpServers\": ", "s.json: not valid JSON: EOF while parsing"),
        ("[]", "s.json"),
    ];
    for (text, expected) in cases {
        let message = message(json(text));
        assert!(message.contains(expected), "{text}\n  gives {message}\n  wants {expected}");
    }
}
