//! A secret shows in no textual form, and is still comparable.

use super::Redacted;

#[test]
fn no_textual_form_shows_the_value() {
    let secret = Redacted::new("hunter2".to_owned());
    let shown = format!(
        "{secret:?} {secret:#?} {secret} {} {:?}",
        serde_json::to_string(&secret).unwrap(),
        Some(&secret)
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
}

#[test]
fn equality_looks_at_the_value() {
    assert_eq!(Redacted::new(1), Redacted::new(1));
    assert_ne!(Redacted::new(1), Redacted::new(2));
}

#[test]
fn deserialising_is_transparent() {
    let secret: Redacted<String> = serde_json::from_str("\"hunter2\"").unwrap();
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(secret.into_exposed(), "hunter2");
}
