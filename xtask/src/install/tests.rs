//! The pins: what is fetched next year is what was fetched today.

use serde_json::Value;

use super::{ENVIRONMENTS, read};
use crate::workspace;

#[test]
fn every_python_package_has_one_exact_version() {
    for (name, list) in ENVIRONMENTS {
        let path = workspace::root().join("e2e/requirements").join(list);
        let text = read(&path).unwrap();
        assert!(text.lines().count() > 1, "{name} lists nothing");
        for line in text.lines() {
            let (package, version) = line.split_once("==").unwrap_or_default();
            let is_exact = !package.is_empty()
                && version.starts_with(|char: char| char.is_ascii_digit())
                && !version.contains(['*', ' ', ';']);
            assert!(is_exact, "{list}: {line}");
        }
    }
}

#[test]
fn every_npm_package_has_one_exact_version_and_no_registry_of_somebody() {
    let folder = workspace::root().join("e2e");
    let manifest: Value =
        serde_json::from_str(&read(&folder.join("package.json")).unwrap()).unwrap();
    for table in ["dependencies", "optionalDependencies"] {
        for (package, version) in manifest[table].as_object().unwrap() {
            let version = version.as_str().unwrap();
            let is_exact = version.starts_with(|char: char| char.is_ascii_digit());
            assert!(is_exact, "{package}: {version}");
        }
    }
    let lock: Value =
        serde_json::from_str(&read(&folder.join("package-lock.json")).unwrap()).unwrap();
    for (package, entry) in lock["packages"].as_object().unwrap() {
        if let Some(from) = entry["resolved"].as_str() {
            assert!(from.starts_with("https://registry.npmjs.org/"), "{package}: {from}");
        }
        let is_checked = package.is_empty() || entry["integrity"].is_string();
        assert!(is_checked, "{package} has no checksum");
    }
}
