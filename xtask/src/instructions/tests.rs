//! What is read of cargo and callgrind, and what follows from a figure.

use std::path::PathBuf;

use super::baseline::{Counts, Recorded, Verdict, change, verdict};
use super::judge;
use super::program::{Operation, executables, operation, total};
use crate::tally::Tally;

#[test]
fn a_figure_may_be_a_twentieth_off() {
    for (counted, says) in [
        (1000, Verdict::Same),
        (1050, Verdict::Same),
        (1051, Verdict::More),
        (950, Verdict::Same),
        (949, Verdict::Less),
    ] {
        assert_eq!(verdict(counted, Some(1000)), says, "{counted}");
    }
    assert_eq!(verdict(1000, None), Verdict::New);
}

#[test]
fn a_change_is_told_to_a_tenth_of_a_percent() {
    for (counted, recorded, says) in [
        (1000, Some(1000), "+0.0 %"),
        (1013, Some(1000), "+1.3 %"),
        (875, Some(1000), "-12.5 %"),
        (2, Some(3), "-33.3 %"),
        (9999, Some(10_000), "+0.0 %"),
        (1, None, "new"),
        (1, Some(0), "new"),
    ] {
        assert_eq!(change(counted, recorded), says, "{counted} {recorded:?}");
    }
}

#[test]
fn every_operation_is_a_check_and_none_gets_lost() {
    let counts = |figures: &[(&str, u64)]| -> Counts {
        figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect()
    };
    let recorded = counts(&[("same", 100), ("more", 100), ("less", 100), ("gone", 100)]);
    let recorded = Recorded::from([("z80".to_owned(), recorded)]);
    let now = counts(&[("same", 101), ("more", 110), ("less", 50), ("new", 7)]);
    let mut tally = Tally::default();
    judge(&now, &recorded, "z80", &mut tally);
    assert_eq!((tally.counted(), tally.failed()), (5, 3), "{tally:?}");

    let mut tally = Tally::default();
    judge(&now, &recorded, "6502", &mut tally);
    assert_eq!((tally.counted(), tally.failed()), (1, 1), "{tally:?}");
}

#[test]
fn benchmarks_are_found_in_what_cargo_says() {
    let said = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"a"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"b"},"executable":"/t/b-1"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"c"},"executable":"/t/c"}
no JSON
{"reason":"build-finished","success":true}"#;
    assert_eq!(executables(said), [PathBuf::from("/t/b-1")]);
}

#[test]
fn an_operation_is_a_number_and_a_name() {
    let read = Operation { name: "read request, 160 B".to_owned(), messages: 4000 };
    assert_eq!(operation("4000 read request, 160 B"), Some(read));
    for line in ["", "4000", "x read", "0 read", "-1 read"] {
        assert_eq!(operation(line), None, "{line}");
    }
}

#[test]
fn a_profile_has_one_total() {
    let profile = "events: Ir\nsummary: 12\n\nfn=(1) main\n3 12\n\ntotals: 35744013\n";
    assert_eq!(total(profile), Some(35_744_013));
    assert_eq!(total("totals: 12 3 4"), Some(12));
    for text in ["", "events: Ir", "totals:", "totals: x"] {
        assert_eq!(total(text), None, "{text}");
    }
}
