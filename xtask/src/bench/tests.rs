//! The order of sides.

use std::time::Duration;

use super::shuffled;

#[test]
fn every_side_has_its_turn_in_another_order() {
    let orders: Vec<Vec<usize>> =
        (1..50).map(|nanos| shuffled(5, Duration::from_nanos(nanos * 1_000_003))).collect();
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
    }
    assert!(orders.iter().any(|order| *order != orders[0]));
    assert_eq!(shuffled(0, Duration::ZERO), [0; 0]);
}
