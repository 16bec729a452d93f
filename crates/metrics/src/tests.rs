//! What a scrape shows, and when series come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use standpipe_core::service::ServiceId;
use tokio::time::Instant;

use super::*;

fn id(name: &str) -> ServiceId {
    ServiceId::new(name).unwrap()
}

/// The value of the one series whose text starts like this.
fn value(text: &str, series: &str) -> f64 {
    let mut found = text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = found.next().unwrap_or_else(|| panic!("no {series} in\n{text}"));
    assert!(found.next().is_none(), "{series} appears twice");
    value.parse().unwrap()
}

#[test]
fn a_service_is_there_from_the_start_at_zero() {
    let metrics = Metrics::new("1.2.3");
    let _fs = metrics.service(&id("fs"));
    let text = metrics.render();
    for series in [
        r#"standpipe_requests_total{era="legacy",outcome="ok",service="fs",transport="sse"}"#,
        r#"standpipe_request_duration_seconds_count{service="fs",transport="streamable_http"}"#,
        r#"standpipe_requests_in_flight{service="fs"}"#,
        r#"standpipe_sessions{service="fs",transport="sse"}"#,
        r#"standpipe_open_streams{service="fs",transport="streamable_http"}"#,
        r#"standpipe_process_starts_total{outcome="ready",service="fs"}"#,
        r#"standpipe_process_start_duration_seconds_count{service="fs"}"#,
        r#"standpipe_process_exits_total{reason="signal",service="fs"}"#,
        r#"standpipe_service_phase{phase="crash_loop",service="fs"}"#,
        r#"standpipe_service_restarts_total{service="fs"}"#,
        r#"standpipe_probe_failures_total{service="fs"}"#,
        r#"standpipe_health_cache_hits_total{service="fs"}"#,
        r#"standpipe_noise_lines_total{service="fs"}"#,
        r#"standpipe_oversized_lines_total{service="fs"}"#,
        r#"standpipe_dropped_messages_total{reason="late",service="fs"}"#,
        r#"standpipe_refused_questions_total{reason="ambiguous",service="fs"}"#,
        r#"standpipe_process_cpu_seconds_total{service="fs"}"#,
        r#"standpipe_process_resident_memory_bytes{service="fs"}"#,
        r#"standpipe_process_open_fds{service="fs"}"#,
        "standpipe_config_cache_hits_total",
        "standpipe_config_cache_misses_total",
        "standpipe_config_cache_evictions_total",
        r#"standpipe_config_reloads_total{outcome="rejected"}"#,
        r#"standpipe_http_refusals_total{reason="host"}"#,
    ] {
        assert_eq!(value(&text, series).to_bits(), 0_f64.to_bits(), "{series}");
    }
    assert!(text.contains(r#"version="1.2.3""#), "{text}");
}

#[test]
fn the_series_go_with_the_last_handle() {
    let metrics = Metrics::new("0");
    let one = metrics.service(&id("fs"));
    let two = metrics.service(&id("fs"));
    assert!(Arc::ptr_eq(&one, &two));
    let guard = one.in_flight(Wire::Sse, Instant::now());
    drop((one, two));
    assert!(metrics.render().contains("service=\"fs\""), "a guard keeps the service");
    drop(guard);
    assert!(!metrics.render().contains("fs"), "{}", metrics.render());
    let back = metrics.service(&id("fs"));
    back.noise_line();
    let text = metrics.render();
    assert_eq!(
        value(&text, r#"standpipe_noise_lines_total{service="fs"}"#).to_bits(),
        1f64.to_bits()
    );
}

#[test]
fn services_that_come_and_go_at_once_leave_the_right_series() {
    let metrics = Metrics::new("0");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    metrics.service(&id("fs")).noise_line();
                }
            });
        }
    });
    assert!(!metrics.render().contains("fs"));
    let _fs = metrics.service(&id("fs"));
    let text = metrics.render();
    assert_eq!(
        value(&text, r#"standpipe_noise_lines_total{service="fs"}"#).to_bits(),
        0f64.to_bits()
    );
}

#[test]
fn guards_count_and_uncount() {
    let metrics = Metrics::new("0");
    let fs = metrics.service(&id("fs"));
    let request = fs.in_flight(Wire::StreamLegacy, Instant::now());
    let session = fs.open_session(Wire::Sse);
    let stream = fs.open_stream(Wire::StreamLegacy);
    let connection = metrics.open_connection();
    let open = [
        r#"standpipe_requests_in_flight{service="fs"}"#,
        r#"standpipe_sessions{service="fs",transport="sse"}"#,
        r#"standpipe_open_streams{service="fs",transport="streamable_http"}"#,
        "standpipe_http_connections",
    ];
    let text = metrics.render();
    for series in open {
        assert!((value(&text, series) - 1.0).abs() < f64::EPSILON, "{series}");
    }
    request.finish(Outcome::Ok);
    drop((session, stream, connection, fs.in_flight(Wire::StreamLegacy, Instant::now())));
    let text = metrics.render();
    for series in open {
        assert!(value(&text, series).abs() < f64::EPSILON, "{series}");
    }
    for outcome in ["ok", "cancelled"] {
        let series = format!(
            "standpipe_requests_total{{era=\"legacy\",outcome=\"{outcome}\",service=\"fs\",\
             transport=\"streamable_http\"}}"
        );
        assert!((value(&text, &series) - 1.0).abs() < f64::EPSILON, "{series}");
    }
}

#[test]
fn children_add_up_and_cpu_time_never_goes_down() {
    let metrics = Metrics::new("0");
    let fs = metrics.service(&id("fs"));
    let (mut one, mut two) = (fs.child(), fs.child());
    one.observe(1.5, 1000, 10);
    two.observe(2.0, 500, 5);
    one.observe(2.5, 800, 9);
    drop(two);
    let text = metrics.render();
    let of = |name: &str| value(&text, &format!("standpipe_{name}{{service=\"fs\"}}"));
    assert!((of("process_cpu_seconds_total") - 4.5).abs() < 1e-9);
    assert!((of("process_resident_memory_bytes") - 800.0).abs() < 1e-9);
    assert!((of("process_open_fds") - 9.0).abs() < 1e-9);
    assert!((of("processes") - 1.0).abs() < 1e-9);
}

#[test]
fn exactly_one_phase_is_set() {
    let metrics = Metrics::new("0");
    let fs = metrics.service(&id("fs"));
    for &phase in Phase::ALL {
        fs.set_phase(phase);
        let text = metrics.render();
        for &other in Phase::ALL {
            let series =
                format!("standpipe_service_phase{{phase=\"{}\",service=\"fs\"}}", other.as_str());
            let expected = if other == phase { 1.0 } else { 0.0 };
            assert!((value(&text, &series) - expected).abs() < f64::EPSILON, "{series}");
        }
    }
}

#[test]
fn a_failed_start_has_no_duration() {
    let metrics = Metrics::new("0");
    let fs = metrics.service(&id("fs"));
    fs.start_ended(StartOutcome::Died, Duration::from_secs(1));
    fs.start_ended(StartOutcome::Ready, Duration::from_secs(1));
    let text = metrics.render();
    let count = value(&text, r#"standpipe_process_start_duration_seconds_count{service="fs"}"#);
    assert!((count - 1.0).abs() < f64::EPSILON);
}

#[test]
fn the_hook_runs_before_each_scrape() {
    let metrics = Metrics::new("0");
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    metrics.before_scrape(move || {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    metrics.render();
    metrics.render();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// What `promtool check metrics` asks for, as far as it concerns names and comments.
#[test]
fn names_follow_the_conventions() {
    let metrics = Metrics::new("0");
    let _fs = metrics.service(&id("fs"));
    let text = metrics.render();
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{help}");
            families.push(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(families.last().map(String::as_str), Some(name), "HELP goes with TYPE");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}: {kind}");
            assert_eq!(kind == "histogram", name.ends_with("_duration_seconds"), "{name}: {kind}");
        } else {
            let family = families.last().unwrap();
            assert!(line.starts_with(family.as_str()), "{line} is not under its HELP");
            assert!(family.starts_with("standpipe_"), "{family}");
            assert!(!family.contains("milliseconds") && !family.contains("_kb"), "{family}");
        }
    }
    let total = families.len();
    families.sort();
    families.dedup();
    assert_eq!(families.len(), total, "a family appears twice");
    assert_eq!(total, 30);
}

#[test]
fn families_and_series_come_in_order() {
    let metrics = Metrics::new("0");
    // Enough of them for a family to be written in parts.
    let services: Vec<_> = (0..40).rev().map(|n| metrics.service(&id(&format!("s{n}")))).collect();
    let text = metrics.render();
    let families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(families.is_sorted_by(|one, next| one < next), "{families:?}");
    let series: Vec<_> =
        text.lines().filter(|line| line.starts_with("standpipe_requests_total")).collect();
    assert_eq!(series.len(), services.len() * Wire::ALL.len() * Outcome::ALL.len());
    assert!(series.is_sorted(), "{series:?}");
}

#[test]
fn a_duration_counts_in_the_first_bucket_that_is_as_long() {
    let metrics = Metrics::new("0");
    let fs = metrics.service(&id("fs"));
    for milliseconds in [1, 2, 400_000] {
        fs.request(Wire::Sse, Outcome::Ok, Duration::from_millis(milliseconds));
    }
    let text = metrics.render();
    for (series, expected) in [
        ("bucket{service=\"fs\",transport=\"sse\",le=\"0.0005\"}", 0.0),
        ("bucket{service=\"fs\",transport=\"sse\",le=\"0.001\"}", 1.0),
        ("bucket{service=\"fs\",transport=\"sse\",le=\"0.0025\"}", 2.0),
        ("bucket{service=\"fs\",transport=\"sse\",le=\"300\"}", 2.0),
        ("bucket{service=\"fs\",transport=\"sse\",le=\"+Inf\"}", 3.0),
        ("count{service=\"fs\",transport=\"sse\"}", 3.0),
        ("sum{service=\"fs\",transport=\"sse\"}", 400.003),
    ] {
        let series = format!("standpipe_request_duration_seconds_{series}");
        assert!((value(&text, &series) - expected).abs() < 1e-9, "{series} in\n{text}");
    }
}
