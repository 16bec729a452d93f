//! What is taken from a command line, and what is refused.

use super::Arguments;

fn of(line: &str) -> Arguments {
    Arguments::new(line.split_whitespace().map(str::to_owned))
}

#[test]
fn values_flags_and_the_command_are_taken_apart() {
    let mut arguments = of("--pid 1 --flag --pid 2 -- cat --flag");
    assert_eq!(arguments.all::<u32>("--pid").unwrap(), [1, 2]);
    assert!(arguments.flag("--flag"));
    assert!(!arguments.flag("--flag"));
    assert_eq!(arguments.one::<u32>("--none").unwrap(), None);
    assert_eq!(arguments.finish().unwrap(), ["cat", "--flag"]);
}

#[test]
fn what_nobody_takes_is_an_error() {
    assert!(of("--unknown").finish().is_err());
    assert!(of("--pid").one::<u32>("--pid").is_err());
    assert!(of("--pid x").one::<u32>("--pid").is_err());
}
