//! What is shown of a status, and what is not.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

#[test]
fn moments_are_written_as_rfc_3339() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
        (1_798_761_599_001, "2026-12-31T23:59:59.001Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ];
    for (millis, text) in cases {
        let moment = Moment::from(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(moment.to_string(), text);
    }
}

#[test]
fn what_a_process_wrote_is_not_serialised() {
    let status = ServiceStatus {
        last_exit: Some(LastExit {
            reason: "exited with status 3".into(),
            status: Some(3),
            signal: None,
            at: Moment::from(UNIX_EPOCH),
            stderr: vec!["token=abc".into()],
        }),
        ..ServiceStatus::default()
    };
    let text = serde_json::to_string(&status).unwrap();
    assert!(!text.contains("abc"), "{text}");
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["state"], "pending");
    assert_eq!(shown["last_exit"]["status"], 3);
    assert_eq!(shown["last_exit"]["at"], "1970-01-01T00:00:00.000Z");
    assert_eq!(shown["calls_in_flight"], 0);
    assert!(shown.get("last_accessed").is_none());
}

#[test]
fn only_what_is_limited_is_shown() {
    let mut status = ServiceStatus::default();
    let shown = serde_json::to_value(&status).unwrap();
    assert!(shown.get("limits").is_none(), "{shown}");
    status.limits.memory = Some(Enforcement::Cgroup);
    status.limits.open_files = Some(Enforcement::Rlimit);
    let shown = serde_json::to_value(&status).unwrap();
    let expected = serde_json::json!({ "memory": "cgroup", "open_files": "rlimit" });
    assert_eq!(shown["limits"], expected);
}
