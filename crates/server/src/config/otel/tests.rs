//! The table `otel`: what is read, what is refused, and that no secret is shown.

use std::path::Path;

use super::super::{Layers, load_text, show};
use super::*;

fn read(text: &str) -> Result<Option<OtelSettings>, String> {
    let layers = Layers { services: true, ..Layers::default() };
    load_text(Path::new("t.toml"), text, &layers)
        .map(|settings| settings.otel)
        .map_err(|error| error.to_string())
}

#[test]
fn without_an_endpoint_nothing_is_traced() {
    for text in ["", "[otel]\n", "[otel]\nendpoint = \"\"\n", "[otel]\nservice_name = \"a\"\n"] {
        assert_eq!(read(text), Ok(None), "{text}");
    }
}

#[test]
fn every_key_is_read() {
    let settings = read(
        "[otel]\nendpoint = \"http://collector:4318\"\nservice_name = \"gateway\"\n\
         sample_ratio = 0.25\ntimeout = \"3s\"\nheaders = { Authorization = \"Bearer x\" }\n",
    )
    .unwrap()
    .unwrap();
    assert_eq!(settings.endpoint, "http://collector:4318/v1/traces");
    assert_eq!((&*settings.service_name, settings.timeout), ("gateway", Duration::from_secs(3)));
    assert!((settings.sample_ratio - 0.25).abs() < f64::EPSILON);
    let [(name, value)] = settings.headers.as_slice() else { panic!("one header") };
    assert_eq!(
        (name.as_str(), value.expose()),
        ("authorization", &HeaderValue::from_static("Bearer x"))
    );
}

#[test]
fn the_path_for_traces_is_added_where_it_is_missing() {
    for (given, expected) in [
        ("http://h:1", "http://h:1/v1/traces"),
        ("http://h:1/", "http://h:1/v1/traces"),
        ("http://[::1]:1/otlp", "http://[::1]:1/otlp/v1/traces"),
        ("http://h:1/v1/traces", "http://h:1/v1/traces"),
    ] {
        let text = format!("[otel]\nendpoint = \"{given}\"\n");
        assert_eq!(read(&text).unwrap().unwrap().endpoint, expected, "{given}");
    }
}

#[test]
fn defaults_and_whole_numbers() {
    let settings = read("otel = { endpoint = \"http://h\", sample_ratio = 0 }").unwrap().unwrap();
    assert!(settings.sample_ratio.abs() < f64::EPSILON);
    assert_eq!((&*settings.service_name, settings.timeout), (SERVICE_NAME, TIMEOUT));
    let settings = read("otel = { endpoint = \"http://h\", sample_ratio = \"0.5\" }").unwrap();
    assert!((settings.unwrap().sample_ratio - 0.5).abs() < f64::EPSILON);
}

#[test]
fn mistakes_are_named() {
    for (given, key) in [
        ("endpoint = \"https://h\"", "otel.endpoint"),
        ("endpoint = \"http://u:secret@h\"", "otel.endpoint"),
        ("endpoint = \"collector:4318\"", "otel.endpoint"),
        ("endpoint = \"http://h/?k=v\"", "otel.endpoint"),
        ("sample_ratio = 1.5", "otel.sample_ratio"),
        ("sample_ratio = -1", "otel.sample_ratio"),
        ("sample_ratio = nan", "otel.sample_ratio"),
        ("headers = { \"a b\" = \"secret\" }", "otel.headers.a b"),
        ("headers = { a = \"secret\\n\" }", "otel.headers.a"),
        ("endpont = \"http://h\"", "did you mean `endpoint`"),
    ] {
        let error = read(&format!("[otel]\n{given}\n")).unwrap_err();
        assert!(error.contains(key), "{given}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn headers_are_not_shown() {
    let layers = Layers { services: true, ..Layers::default() };
    let text = "[otel]\nendpoint = \"http://h\"\nheaders = { x-key = \"s3cret\" }\n";
    let settings = load_text(Path::new("t.toml"), text, &layers).unwrap();
    let shown = show(&settings);
    assert!(shown.contains("endpoint = \"http://h/v1/traces\""), "{shown}");
    assert!(shown.contains("x-key = \"[redacted]\""), "{shown}");
    assert!(!shown.contains("s3cret") && !format!("{settings:?}").contains("s3cret"), "{shown}");
}
