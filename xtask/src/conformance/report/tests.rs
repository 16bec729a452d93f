//! The suite's report, as version 0.2.0-alpha.12 prints it.

use super::{Exception, Line, Report, Scenario, parse};
use crate::tally::Tally;

/// Printed by the suite against a reference server that is not built for it, shortened.
const REPORT: &str = "\
Running requirements 2025-11-25 (33 scenarios) against http://127.0.0.1:3911/mcp


=== Running scenario: server-initialize ===
Running client scenario 'server-initialize' against server: http://127.0.0.1:3911/mcp

=== SUMMARY ===
✓ server-initialize: 3 passed, 0 failed
✗ completion-complete: 1 passed, 1 failed
✓ tools-list: 3 passed, 0 failed, 1 warnings
✗ server-session-lifecycle: 2 passed, 1 failed
✓ server-sse-polling: 1 passed, 0 failed

Total: 47 passed, 22 failed

Not scored for 2025-11-25: 2 scenario(s) run, 1 failing. These do not affect conformance.
  ✗ server-session-lifecycle (added-after-release)
  ✓ server-sse-polling (pending)
";

fn read(text: &str) -> Report {
    let mut report = Report::default();
    for line in text.lines() {
        report.read(line);
    }
    report
}

#[test]
fn a_scenario_line_gives_its_name_and_numbers() {
    assert_eq!(
        parse("✗ completion-complete: 1 passed, 2 failed"),
        Some(Line::Result(Scenario {
            name: "completion-complete".to_owned(),
            passed: 1,
            failed: 2,
        }))
    );
    assert_eq!(
        parse("  ✗ json-schema-2020-12 (pending)"),
        Some(Line::NotScored("json-schema-2020-12".to_owned()))
    );
}

#[test]
fn other_lines_are_free_text() {
    for line in ["", "Total: 47 passed, 22 failed", "✓ done", "=== SUMMARY ==="] {
        assert_eq!(parse(line), None, "{line}");
    }
}

#[test]
fn scenarios_that_do_not_count_are_left_out() {
    let report = read(REPORT);
    let names: Vec<&str> = report.scored().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, ["server-initialize", "completion-complete", "tools-list"]);
}

#[test]
fn a_failing_scenario_and_a_missing_one_are_failures() {
    let mut tally = Tally::default();
    read(REPORT).count("pass", 30, &[], &mut tally);
    // Two scenarios passed; one failed, and three are not the number required.
    assert_eq!((tally.counted(), tally.failed()), (4, 2));
}

#[test]
fn a_full_and_clean_report_passes() {
    let report = Report {
        scenarios: (0..30)
            .map(|number| Scenario { name: number.to_string(), passed: 1, failed: 0 })
            .collect(),
        not_scored: Vec::new(),
    };
    let mut tally = Tally::default();
    report.count("pass", 30, &[], &mut tally);
    assert!(tally.is_good());
}

#[test]
fn a_scenario_that_checked_nothing_is_a_failure() {
    let mut tally = Tally::default();
    read("✓ empty: 0 passed, 0 failed").count("pass", 1, &[], &mut tally);
    assert_eq!(tally.failed(), 1);
}

#[test]
fn an_exception_has_to_fail() {
    let exception = |scenario| Exception { revision: "", child: "", scenario, reason: "why" };
    let [failing, passing] = [exception("completion-complete"), exception("tools-list")];
    let mut tally = Tally::default();
    read(REPORT).count("pass", 3, &[&failing], &mut tally);
    assert!(tally.is_good());
    read(REPORT).count("pass", 3, &[&failing, &passing], &mut tally);
    assert_eq!(tally.failed(), 1);
}

#[test]
fn the_numbers_are_those_that_count() {
    assert_eq!(read(REPORT).numbers(), (2, 3));
}
