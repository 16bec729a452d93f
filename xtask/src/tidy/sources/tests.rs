//! Files that break one rule each, and files that break none.

use super::{LONG, TOO_LONG, check, is_long};
use crate::workspace::File;

fn rules(path: &str, text: &str) -> Vec<&'static str> {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    check(&[file]).into_iter().map(|found| found.rule).collect()
}

const CORE: &str = "crates/core/src/id.rs";

#[test]
fn a_plain_module_is_clean() {
    assert_eq!(rules(CORE, "//! Owns ids.\n\nfn id() {}\n"), [""; 0]);
}

#[test]
fn a_source_without_an_opening_is_found_and_a_test_beside_it_is_not() {
    assert_eq!(rules(CORE, "fn id() {}\n"), ["opening"]);
    assert_eq!(rules("crates/core/tests/id.rs", "fn id() {}\n"), [""; 0]);
}

#[test]
fn length_is_bounded() {
    let text = |lines: usize| format!("//! Owns.\n{}", "\n".repeat(lines - 1));
    assert_eq!(rules(CORE, &text(TOO_LONG)), [""; 0]);
    assert_eq!(rules(CORE, &text(TOO_LONG + 1)), ["length"]);
    let file = |path: &str, lines| File { path: path.to_owned(), text: text(lines) };
    assert!(!is_long(&file(CORE, LONG)));
    assert!(is_long(&file(CORE, LONG + 1)));
    assert!(!is_long(&file("README.md", LONG + 1)));
}

#[test]
fn forbidden_code_is_found_everywhere_but_in_text() {
    for code in [
        "#[ignore]",
        "#[ignore = \"slow\"]",
        "todo!()",
        "unimplemented!(\"later\")",
        "#[allow(dead_code)]",
        "#![allow(dead_code)]",
    ] {
        let text = format!("//! Owns.\n{code}\n");
        assert_eq!(rules(CORE, &text), ["forbidden"], "{code}");
        assert_eq!(rules("crates/core/tests/a.rs", &text), ["forbidden"]);
        let quoted = format!("//! Owns.\n// {code}\nconst A: &str = r#\"{code}\"#;\n");
        assert_eq!(rules(CORE, &quoted), [""; 0], "{code}");
    }
}

#[test]
fn children_are_started_in_one_crate_only() {
    for code in ["use tokio::process::Command;", "use process_wrap::x;", "fork()"] {
        let text = format!("//! Owns.\n{code}\n");
        assert_eq!(rules("crates/server/src/app.rs", &text), ["place"], "{code}");
        assert_eq!(rules("crates/process/src/launch.rs", &text), [""; 0]);
        assert_eq!(rules("crates/server/tests/a.rs", &text), [""; 0]);
    }
    assert_eq!(rules(CORE, "//! Owns.\nlet x = pitchfork();\n"), [""; 0]);
}

#[test]
fn the_registry_awaits_nothing() {
    let text = "//! Owns.\nasync fn f() { g().await }\n";
    assert_eq!(rules("crates/process/src/registry.rs", text), ["registry"]);
    assert_eq!(rules("crates/process/src/supervisor.rs", text), [""; 0]);
}

#[test]
fn trailing_white_space_is_found_in_any_text() {
    assert_eq!(rules("README.md", "a \n"), ["white-space"]);
    assert_eq!(rules("e2e/run.py", "a\t\n"), ["white-space"]);
    assert_eq!(rules("README.md", "a\n\nb\n"), [""; 0]);
}

#[test]
fn empty_names_are_found() {
    for name in ["utils.rs", "wire/helpers.rs", "manager.rs"] {
        let path = format!("crates/core/src/{name}");
        assert_eq!(rules(&path, "//! Owns.\n"), ["name"], "{name}");
    }
}

#[test]
fn a_crate_root_defines_nothing() {
    let root = "crates/core/src/lib.rs";
    assert_eq!(rules(root, "//! Owns.\nmod a;\npub use a::{B, C};\n"), [""; 0]);
    assert_eq!(rules(root, "//! Owns.\npub fn f() {}\n"), ["crate-root"]);
    assert_eq!(rules(root, "//! Owns.\nstruct S;\n"), ["crate-root"]);
}
