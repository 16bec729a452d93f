//! Documents that are true, and documents that are not.

use std::collections::BTreeSet;

use super::{links, mentions};
use crate::workspace::File;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn every_map_names_every_crate() {
    let files =
        [file("README.md", "`a` and `b`"), file("ARCHITECTURE.md", "`a` only, `bc` is another")];
    let found = mentions(&files, &["a", "b"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, "ARCHITECTURE.md");
}

#[test]
fn a_missing_map_is_found() {
    assert_eq!(mentions(&[file("README.md", "")], &[]).len(), 1);
}

fn dead_links(path: &str, text: &str) -> usize {
    let paths: BTreeSet<String> =
        ["", "README.md", "docs", "docs/adr", "docs/adr/0001.md"].map(str::to_owned).into();
    links(&[file(path, text)], &paths).len()
}

#[test]
fn links_that_lead_somewhere_are_clean() {
    for (path, text) in [
        ("README.md", "[a](docs/adr/0001.md) [b](docs/adr/)"),
        ("README.md", "[a](./docs/adr/0001.md#why)"),
        ("docs/adr/0001.md", "[up](../../README.md)"),
        ("docs/adr/0001.md", "[root](/README.md)"),
        ("README.md", "[web](https://example.org/x) [here](#part)"),
        ("README.md", "```\n[a](nowhere.md)\n```"),
    ] {
        assert_eq!(dead_links(path, text), 0, "{path}: {text}");
    }
}

#[test]
fn dead_links_are_found() {
    for (path, text) in [
        ("README.md", "[a](docs/none.md)"),
        ("README.md", "[a](docs/none.md#part)"),
        ("docs/adr/0001.md", "[a](README.md)"),
        ("README.md", "[a](../outside.md)"),
        ("README.md", "```\ncode\n```\n[a](none.md)"),
    ] {
        assert_eq!(dead_links(path, text), 1, "{path}: {text}");
    }
}
