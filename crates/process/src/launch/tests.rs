//! What a child sees of our environment, and what is never printed.

use std::ffi::OsString;

use standpipe_core::service::ResourceLimits;

use super::LaunchSpec;
use super::environment::assemble;
use crate::marker::{InstanceMarker, RunId};

fn spec(env: &[(&str, &str)]) -> LaunchSpec {
    LaunchSpec {
        command: "server".into(),
        args: vec!["--token=hunter2".into()],
        env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        cwd: None,
        marker: InstanceMarker::new(RunId::of_this_process(), "s", 1),
        limits: ResourceLimits::default(),
    }
}

fn assembled(ours: &[(&str, &str)], spec: &LaunchSpec) -> Vec<(String, String)> {
    let ours = ours.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let text = |value: OsString| value.into_string().unwrap();
    assemble(ours, spec).into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn only_listed_variables_are_inherited_and_configured_ones_win() {
    let ours = [
        ("PATH", "/bin"),
        ("LC_ALL", "C"),
        ("https_proxy", "http://p"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("LD_PRELOAD", "evil.so"),
        ("STANDPIPE_CONTROL__TOKEN", "secret"),
        ("STANDPIPE_INSTANCE", "outer/x/1"),
    ];
    let spec = spec(&[("PATH", "/opt"), ("TOKEN", "t"), ("STANDPIPE_INSTANCE", "forged")]);
    let expected = [
        pair("LC_ALL", "C"),
        pair("PATH", "/opt"),
        pair("STANDPIPE_INSTANCE", &spec.marker.to_string()),
        pair("TOKEN", "t"),
        pair("https_proxy", "http://p"),
    ];
    assert_eq!(assembled(&ours, &spec), expected);
}

#[test]
fn debug_output_shows_no_values() {
    let shown = format!("{:?}", spec(&[("TOKEN", "hunter3")]));
    assert!(shown.contains("TOKEN") && !shown.contains("hunter"), "{shown}");
}
