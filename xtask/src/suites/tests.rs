//! Choosing suites, and counting what they say.

use super::{choose, count, names};
use crate::tally::Tally;

#[test]
fn no_name_means_all_suites() {
    let chosen = choose(&[]).unwrap();
    assert_eq!(chosen.len(), names().len());
}

#[test]
fn named_suites_are_chosen_and_unknown_names_are_refused() {
    let chosen = choose(&["differential".to_owned()]).unwrap();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].name, "differential");
    let refused = choose(&["conformance".to_owned(), "none".to_owned()]);
    let message = refused.err().unwrap().to_string();
    assert!(message.contains("none") && message.contains("conformance"));
}

#[test]
fn only_verdicts_are_counted() {
    let mut tally = Tally::default();
    for line in ["ok a", "starting", "not ok b: it broke", "ok c"] {
        count("suite", line, &mut tally);
    }
    assert_eq!((tally.counted(), tally.failed()), (3, 1));
}
