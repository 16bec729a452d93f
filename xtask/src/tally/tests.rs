//! The lines that feed the total, and the total itself.

use super::{Tally, Verdict, cargo_test_line, failed_test, suite_line};

#[test]
fn a_result_line_of_cargo_test_gives_both_numbers() {
    let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s";
    assert_eq!(cargo_test_line(line), Some((12, 0)));
    let line = "test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s";
    assert_eq!(cargo_test_line(line), Some((7, 2)));
}

#[test]
fn other_lines_of_cargo_test_are_not_counted() {
    for line in [
        "test foo ... ok",
        "running 3 tests",
        "test result: ok. many passed; 0 failed",
        "test result: ok. 1 failed; 2 passed",
        "",
    ] {
        assert_eq!(cargo_test_line(line), None, "{line}");
    }
}

#[test]
fn a_failed_test_gives_its_name() {
    assert_eq!(failed_test("test a::b ... FAILED"), Some("a::b"));
    assert_eq!(failed_test("test a::b ... ok"), None);
}

#[test]
fn a_suite_line_is_ok_not_ok_or_free_text() {
    assert_eq!(suite_line("ok a/b"), Some(Verdict::Ok("a/b")));
    assert_eq!(suite_line("not ok a/b: why"), Some(Verdict::NotOk("a/b: why")));
    assert_eq!(suite_line("okay"), None);
    assert_eq!(suite_line("# starting"), None);
}

#[test]
fn the_total_counts_every_source() {
    let mut tally = Tally::default();
    tally.pass();
    tally.add(5, 2, vec!["test a".to_owned(), "test b".to_owned()]);
    tally.fail("a step");
    assert_eq!(tally.total(), "6 passed, 3 failed");
    assert_eq!(tally.counted(), 9);
    assert_eq!(tally.failures, ["test a", "test b", "a step"]);
    assert!(!tally.is_good());
}
