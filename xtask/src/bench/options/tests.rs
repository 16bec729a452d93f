//! What the command line may say.

use super::Options;

fn read(line: &str) -> anyhow::Result<Options> {
    Options::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn nothing_asks_for_everything() {
    let options = read("").unwrap();
    assert!(options.wants("log") && !options.quick && !options.peers);
    assert_eq!(options.rounds, 5);
}

#[test]
fn several_scenarios_may_be_named() {
    let options = read("--scenario log metrics --rounds 2 --scenario fanout --peers").unwrap();
    assert_eq!(options.scenarios, ["log", "metrics", "fanout"]);
    assert_eq!(options.rounds, 2);
    assert!(options.peers && options.wants("fanout") && !options.wants("cold-start"));
}

#[test]
fn quick_is_one_short_round_unless_said_otherwise() {
    let options = read("--quick --seconds 1").unwrap();
    assert_eq!(options.rounds, 1);
    assert!((options.seconds - 1.0).abs() < f64::EPSILON);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in ["--rounds", "--rounds x", "--rounds 0", "--seconds 0", "--else", "log"] {
        assert!(read(line).is_err(), "{line}");
    }
}
