//! When a goal is reached.

use super::super::metrics::{Measured, Metrics};
use super::super::scenario::{Scenario, Server, Side, Work};
use super::{Goal, Test};

fn judge(test: Test, metric: &'static str) -> Option<bool> {
    let names = ["floor", "standpipe", "slow", "slower", "absent"];
    let side = |name: &str| Side { name: name.to_owned(), server: Server::Child, work: Work::Rest };
    let scenario = Scenario {
        name: "name",
        title: String::new(),
        sides: names.iter().map(|name| side(name)).collect(),
        against: None,
        goals: Vec::new(),
    };
    let figures = [Some(100.0), Some(80.0), Some(2.0), Some(1.0), None];
    let measured: Vec<Measured> = figures
        .iter()
        .map(|rps| Measured {
            rounds: vec![rps.map(|rps| ("rps", rps)).into_iter().collect::<Metrics>()],
            failure: None,
        })
        .collect();
    let goal = Goal { says: "", side: "standpipe", metric, test };
    goal.judge(&scenario, &measured).map(|verdict| verdict.is_reached)
}

#[test]
fn each_kind_of_goal_is_judged_at_its_limit() {
    let reached = |test| judge(test, "rps");
    assert_eq!(reached(Test::TimesAtLeast("floor", 0.8)), Some(true));
    assert_eq!(reached(Test::TimesAtLeast("floor", 0.81)), Some(false));
    assert_eq!(reached(Test::TimesAtMost("floor", 0.8)), Some(true));
    assert_eq!(reached(Test::TimesAtMost("floor", 0.79)), Some(false));
    assert_eq!(reached(Test::MoreAtMost("slow", 78.0)), Some(true));
    assert_eq!(reached(Test::MoreAtMost("slow", 77.0)), Some(false));
    assert_eq!(reached(Test::AtMost(80.0)), Some(true));
    assert_eq!(reached(Test::AtMost(79.0)), Some(false));
}

#[test]
fn peers_are_compared_by_the_best_of_those_that_were_measured() {
    let reached = |peers, least| judge(Test::TimesBestAtLeast(peers, least), "rps");
    assert_eq!(reached(&["slower", "slow", "absent", "unknown"], 40.0), Some(true));
    assert_eq!(reached(&["slower", "slow"], 41.0), Some(false));
    assert_eq!(reached(&["absent"], 1.0), None);
}

#[test]
fn without_figures_there_is_no_verdict() {
    assert_eq!(judge(Test::AtMost(1.0), "p50_us"), None);
    assert_eq!(judge(Test::TimesAtLeast("absent", 1.0), "rps"), None);
}
