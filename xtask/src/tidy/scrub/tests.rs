//! What is code and what is not.

use super::code_only;

/// `X` marks text that must go, everything else must stay.
#[track_caller]
fn keeps_all_but_x(source: &str) {
    let code = code_only(source);
    assert!(!code.contains('X'), "{source:?} -> {code:?}");
    assert!(code.contains("keep"), "{source:?} -> {code:?}");
    assert_eq!(code.lines().count(), source.lines().count());
}

#[test]
fn comments_go() {
    keeps_all_but_x("// X\nkeep");
    keeps_all_but_x("/* X /* X */ X\n */ keep // X");
    keeps_all_but_x("//! X \"\nkeep");
}

#[test]
fn literals_go() {
    keeps_all_but_x(r#"("X \" X", keep)"#);
    keeps_all_but_x("(r\"X\\\", keep)");
    keeps_all_but_x("(r#\"X \" X\"#, keep)");
    keeps_all_but_x("(br##\"X \"# X\"##, keep)");
    keeps_all_but_x("(b\"X\", c\"X\", b'X', 'X', keep)");
    keeps_all_but_x(r"('\'', 'X', '\u{58}', '\\', keep)");
    keeps_all_but_x("\"X\nX\"; keep");
}

#[test]
fn code_that_looks_like_a_literal_stays() {
    for source in [
        "fn f<'a>(keep: &'a str) -> Box<dyn Trait + 'a> { keep }",
        "let r#type = keep;",
        "let var = number + keep;",
        "b + c + r - keep",
    ] {
        assert_eq!(code_only(source), source);
    }
}

#[test]
fn text_that_never_ends_is_no_panic() {
    for source in ["\"X", "/* X", "r#\"X", "'\\", "b'", "'", "r", "\"\\", "br#"] {
        assert!(!code_only(source).contains('X'), "{source}");
    }
}
