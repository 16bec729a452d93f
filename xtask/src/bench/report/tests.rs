//! The table that people read.

use super::super::goal::{Goal, Test};
use super::super::metrics::{Measured, Metrics};
use super::super::scenario::{Scenario, Server, Side, Work};
use super::{Options, Outcome, as_json, machine, markdown};

fn outcome() -> Outcome {
    let side = |name: &str| Side { name: name.to_owned(), server: Server::Child, work: Work::Rest };
    let round = |rps: f64, kib: f64| Metrics::from([("rps", rps), ("rss_peak_kib", kib)]);
    let failed =
        Measured { rounds: vec![Metrics::new()], failure: Some("3 wrong | answers".to_owned()) };
    Outcome {
        scenario: Scenario {
            name: "stream-32",
            title: "32 sessions".to_owned(),
            sides: ["floor", "standpipe", "peer"].map(side).to_vec(),
            against: Some("floor"),
            goals: vec![Goal {
                says: "rps ≥ 75 % of floor",
                side: "standpipe",
                metric: "rps",
                test: Test::TimesAtLeast("floor", 0.75),
            }],
        },
        measured: vec![
            Measured { rounds: vec![round(100.0, 976.5625)], failure: None },
            Measured { rounds: vec![round(60.0, 1953.125)], failure: None },
            failed,
        ],
    }
}

#[test]
fn figures_ratios_and_goals_stand_in_the_table() {
    let options = Options::read(&[]).unwrap();
    let text = markdown(&[outcome()], &machine::described(), &[], &options);
    for line in [
        "| stream-32 | rps ≥ 75 % of floor | 60 % | **no** |",
        "| | requests/s | peak RSS MB | % of floor |",
        "|---|---|---|---|",
        "| floor | 100 | 1.00 | 100 |",
        "| standpipe | 60.0 | 2.00 | 60.0 |",
        "| peer | failed: 3 wrong   answers | |  |",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn programs_get_the_same_as_numbers() {
    let json = as_json(&outcome());
    assert_eq!(json["sides"][1]["ratios"]["rps"]["median"], 0.6);
    assert_eq!(json["goals"][0]["reached"], false);
    assert_eq!(json["sides"][2]["failure"], "3 wrong | answers");
}
