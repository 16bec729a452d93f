//! What is noticed of a change, and what is not.

use std::fs;
use std::path::Path;

use super::super::{ConfigError, Layers, ReadFile, ReadOnce, Reading, load_text, read_layers};

fn read_once(text: &str) -> ReadOnce {
    load_text(Path::new("s.toml"), text, &Layers::default()).unwrap().read_once
}

fn differing(one: &str, other: &str) -> Vec<String> {
    let (one, other) = (read_once(one), read_once(other));
    let mut keys: Vec<_> = one.differing(&other).into_iter().map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn what_is_read_once_is_named_by_its_key() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("", "", &[]),
        ("listen = \"127.0.0.1:1\"", "# the same\nlisten = \"127.0.0.1:1\"", &[]),
        ("listen = \"127.0.0.1:1\"", "listen = \"127.0.0.1:2\"", &["listen"]),
        ("", "listen = \"127.0.0.1:1\"", &["listen"]),
        ("allow_host = [\"a\", \"b\"]", "allow_host = [\"b\", \"a\"]", &["allow_host"]),
        ("max_connections = 7", "max_connections = 8", &["max_connections"]),
        (
            "log = \"info\"\n[cache]\nentries = 1\nttl = \"1h\"",
            "log = \"warn\"\n[cache]\nentries = 2\nttl = \"1h\"",
            &["cache.entries", "log"],
        ),
        // These are defaults of services, and read each time.
        ("request_timeout = \"1s\"", "request_timeout = \"2s\"", &[]),
        ("[probe]\nfailures = 3", "[probe]\nfailures = 4", &[]),
        ("[mcpServers.a]\ncommand = \"a\"", "[mcpServers.a]\ncommand = \"b\"", &[]),
    ];
    for (one, other, expected) in cases {
        assert_eq!(differing(one, other), *expected, "{one:?} and {other:?}");
    }
}

#[test]
fn a_reference_stands_for_what_it_refers_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("level");
    let text = format!("log = \"${{file:{}}}\"", file.display());
    fs::write(&file, "info").unwrap();
    let one = read_once(&text);
    assert!(one.differing(&read_once(&text)).is_empty());
    fs::write(&file, "warn").unwrap();
    assert_eq!(one.differing(&read_once(&text)), ["log"]);
}

/// A configuration that refers to one file that is there and one that is not.
fn referring(folder: &Path) -> Layers {
    let config = folder.join("s.toml");
    let text = "[mcpServers.a]\ncommand = \"c\"\n\
                env = { A = \"${file:here}${file:here}\", B = \"${file:missing}\" }\n";
    fs::write(&config, text).unwrap();
    fs::write(folder.join("here"), "x").unwrap();
    Layers { files: vec![config], services: true, ..Layers::default() }
}

fn paths(reading: &Reading) -> Vec<&Path> {
    reading.files.iter().map(ReadFile::path).collect()
}

#[test]
fn every_file_that_was_needed_is_known_once() {
    let folder = tempfile::tempdir().unwrap();
    let layers = referring(folder.path());
    let reading = read_layers(&layers);
    assert!(matches!(reading.settings, Err(ConfigError::Mistakes(_))));
    let expected = ["s.toml", "here", "missing"].map(|name| folder.path().join(name));
    assert_eq!(paths(&reading), expected);

    fs::write(folder.path().join("missing"), "y").unwrap();
    let reading = read_layers(&layers);
    assert!(reading.settings.is_ok());
    assert_eq!(paths(&reading), expected);

    // Nor is one forgotten that cannot be read any more.
    fs::remove_file(folder.path().join("s.toml")).unwrap();
    let reading = read_layers(&layers);
    assert!(matches!(reading.settings, Err(ConfigError::Unreadable { .. })));
    assert_eq!(paths(&reading), expected[..1]);
}

#[test]
fn a_file_looks_different_once_it_was_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let missing = ReadFile::now(&path);
    assert_eq!(missing, missing.again());
    fs::write(&path, "one").unwrap();
    let first = missing.again();
    assert_ne!(missing, first);
    assert_eq!(first, first.again());

    fs::write(&path, "longer").unwrap();
    let second = first.again();
    assert_ne!(first, second, "written to");

    let other = folder.path().join("other");
    fs::write(&other, "longer").unwrap();
    fs::rename(&other, &path).unwrap();
    let third = second.again();
    assert_ne!(second, third, "another file in its place");

    // As volumes of Kubernetes are brought up to date.
    let link = folder.path().join("link");
    let exchanged = folder.path().join("exchanged");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let through = ReadFile::now(&link);
    fs::write(&other, "elsewhere").unwrap();
    std::os::unix::fs::symlink(&other, &exchanged).unwrap();
    fs::rename(&exchanged, &link).unwrap();
    assert_ne!(through, through.again(), "a link that leads elsewhere");

    fs::remove_file(&path).unwrap();
    assert_eq!(third.again(), missing);
}
