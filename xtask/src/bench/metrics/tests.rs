//! Medians, spreads and ratios.

use super::{Measured, Metrics, Spread, shown};

fn measured(values: &[Option<f64>]) -> Measured {
    let round = |value: &Option<f64>| value.map(|value| ("rps", value)).into_iter().collect();
    Measured { rounds: values.iter().map(round).collect::<Vec<Metrics>>(), failure: None }
}

#[test]
fn the_median_is_the_middle_one_or_between_two() {
    let spread = |median, min, max| Some(Spread { median, min, max });
    assert_eq!(Spread::of([3.0, 1.0, 9.0]), spread(3.0, 1.0, 9.0));
    assert_eq!(Spread::of([4.0, 1.0, 2.0, 9.0]), spread(3.0, 1.0, 9.0));
    assert_eq!(Spread::of([]), None);
    assert_eq!(Spread::of([f64::NAN]), None);
}

#[test]
fn ratios_are_taken_within_a_round() {
    let there = measured(&[Some(100.0), Some(10.0), None]);
    let here = measured(&[Some(50.0), Some(20.0), Some(7.0)]);
    let ratio = here.ratio("rps", &there).unwrap();
    assert_eq!((ratio.min.to_string(), ratio.max.to_string()), ("0.5".into(), "2".into()));
    let more = here.difference("rps", &there).unwrap();
    assert_eq!((more.min.to_string(), more.max.to_string()), ("-50".into(), "10".into()));
    assert_eq!(here.ratio("p50_us", &there), None);
}

#[test]
fn numbers_have_three_digits() {
    assert_eq!(
        [1234.5, 99.94, 12.34, 1.234, 0.0].map(shown),
        ["1234", "99.9", "12.3", "1.23", "0.00"]
    );
}
