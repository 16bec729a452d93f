//! Spellings that are read, spellings that are refused, and that writing inverts reading.

use std::time::Duration;

use super::*;

#[test]
fn durations() {
    let cases = [
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("2d", 172_800_000),
        ("1h30m", 5_400_000),
        ("1m500ms", 60_500),
        (" 30s ", 30_000),
        ("0s", 0),
    ];
    for (text, millis) in cases {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text:?}");
    }
}

#[test]
fn bad_durations_say_why() {
    let cases = [
        ("", "is missing"),
        ("30", "write `30s`"),
        ("s", "does not start with a number"),
        ("-5s", "does not start with a number"),
        ("1.5s", "`.` is not a unit"),
        ("5min", "`min` is not a unit"),
        ("5S", "`S` is not a unit"),
        ("1s1m", "from large to small"),
        ("1s1s", "from large to small"),
        ("99999999999999999999s", "too long"),
        ("9999999999999999d", "too long"),
    ];
    for (text, expected) in cases {
        let message = parse_duration(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?}: {message}");
    }
}

#[test]
fn sizes() {
    let cases = [
        ("0", 0),
        ("4096", 4096),
        ("4096B", 4096),
        ("16MiB", 16 << 20),
        ("16 MiB", 16 << 20),
        ("16M", 16 << 20),
        ("64kB", 64_000),
        ("1GiB", 1 << 30),
    ];
    for (text, bytes) in cases {
        assert_eq!(parse_size(text), Ok(bytes), "{text:?}");
    }
}

#[test]
fn bad_sizes_say_why() {
    let cases = [
        ("", "number of bytes"),
        ("MiB", "number of bytes"),
        ("-1", "number of bytes"),
        ("1.5MiB", "`.5MiB` is not a unit"),
        ("16mib", "`mib` is not a unit"),
        ("99999999999GiB", "too large"),
        ("99999999999999999999", "too large"),
    ];
    for (text, expected) in cases {
        let message = parse_size(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?}: {message}");
    }
}

#[test]
fn writing_inverts_reading() {
    for millis in [0, 1, 500, 1000, 1500, 60_000, 5_400_000, 86_400_001, 3_155_760_000_000] {
        let duration = Duration::from_millis(millis);
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
    for bytes in [0, 1, 1000, 1024, 1025, 17 << 20, (17 << 20) + 1, 3 << 30] {
        assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
    }
    assert_eq!(format_duration(Duration::from_mins(90)), "1h30m");
    assert_eq!(format_size(17 << 20), "17MiB");
}
