//! Percentiles of few and of many values.

use std::time::Duration;

use super::Latencies;

fn of(micros: impl IntoIterator<Item = u64>) -> Latencies {
    let mut latencies = Latencies::default();
    for value in micros {
        latencies.add(Duration::from_micros(value));
    }
    latencies.sort();
    latencies
}

#[test]
fn a_percentile_is_the_value_at_its_rank() {
    let latencies = of((1..=1000).rev());
    let found = [500, 900, 990, 1000].map(|permille| latencies.permille(permille).round());
    assert_eq!(found.map(|value| value.to_string()), ["500", "900", "990", "1000"]);
}

#[test]
fn few_values_have_percentiles_too() {
    assert_eq!(of([]).permille(500).to_string(), "0");
    assert_eq!(of([7]).permille(990).to_string(), "7");
    assert_eq!(of([1, 9]).permille(500).to_string(), "1");
    assert_eq!(of([1, 9]).permille(990).to_string(), "9");
}
