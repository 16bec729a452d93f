//! How long a soak takes, by its arguments.

use std::time::Duration;

use super::length;

fn of(line: &str) -> Result<Duration, String> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    length(&arguments).map_err(|error| error.to_string())
}

#[test]
fn the_length_is_read_wherever_it_stands() {
    assert_eq!(of(""), Ok(Duration::from_mins(1)));
    assert_eq!(of("--seconds 5"), Ok(Duration::from_secs(5)));
    assert_eq!(of("--seed 7 --minutes 30"), Ok(Duration::from_mins(30)));
}

#[test]
fn mistakes_are_named() {
    for (line, says) in [("--minutes", "--minutes"), ("--hours 2", "--hours"), ("--seconds x", "x")]
    {
        let error = of(line).expect_err(line);
        assert!(error.contains(says), "{line}: {error}");
    }
}
