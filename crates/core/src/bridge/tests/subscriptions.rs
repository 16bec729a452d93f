//! What a listening request wants, and how what it gets is marked.

use super::*;
use crate::bridge::filter::{Filter, FilterError, MAX_URIS, is_part_of, tagged, untagged};
use crate::message::{Message, Notification};

#[test]
fn a_wish_is_read_and_written() {
    let text = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["b","a\"","b"]}}"#;
    let wish = Filter::read(Some(&params(text))).unwrap();
    assert!(wish.wants_list("notifications/tools/list_changed"));
    assert!(!wish.wants_list("notifications/prompts/list_changed"));
    assert!(!wish.wants_list("notifications/message"));
    let written = wish.written();
    assert_eq!(
        written.as_str(),
        r#"{"toolsListChanged":true,"resourceSubscriptions":["a\"","b"]}"#
    );
    let nothing = Filter::read(Some(&params(r#"{"notifications":{}}"#))).unwrap();
    assert_eq!(nothing.written().as_str(), "{}");
}

#[test]
fn what_is_no_wish_is_refused() {
    for text in [r"{}", r#"{"notifications":null}"#, r#"{"notifications":[]}"#] {
        assert_eq!(Filter::read(Some(&params(text))), Err(FilterError::Missing), "{text}");
    }
    for text in [
        r#"{"notifications":{"toolsListChanged":1}}"#,
        r#"{"notifications":{"resourceSubscriptions":"u"}}"#,
        r#"{"notifications":{"resourceSubscriptions":[1]}}"#,
    ] {
        assert_eq!(Filter::read(Some(&params(text))), Err(FilterError::Shape), "{text}");
    }
    assert_eq!(Filter::read(None), Err(FilterError::Missing));
    let many: Vec<String> = (0..=MAX_URIS).map(|n| format!("\"{n}\"")).collect();
    let text = format!(r#"{{"notifications":{{"resourceSubscriptions":[{}]}}}}"#, many.join(","));
    assert_eq!(Filter::read(Some(&params(&text))), Err(FilterError::TooMany));
}

#[test]
fn a_mark_is_put_on_and_taken_off() {
    let table = [
        (None, r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"x"}}"#),
        (
            Some(r#"{"uri":"u"}"#),
            r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"x"},"uri":"u"}"#,
        ),
        (
            Some(r#"{"uri":"u","_meta":{"a":1}}"#),
            r#"{"uri":"u","_meta":{"a":1,"io.modelcontextprotocol/subscriptionId":"x"}}"#,
        ),
    ];
    for (bare, marked) in table {
        let notification = Notification { method: "n".into(), params: bare.map(params) };
        let Message::Notification(tagged) = tagged(&notification, &Id::from(&raw("\"x\""))) else {
            panic!("it stays a notification");
        };
        assert_eq!(tagged.params.as_ref().unwrap().raw().as_str(), marked);
        // As it is read from a child.
        let read = Notification { method: "n".into(), params: Some(params(marked)) };
        let back = untagged(&read).params.map(|params| params.raw().as_str().to_owned());
        assert_eq!(back.as_deref(), bare);
    }
}

#[test]
fn what_is_no_longer_marked_still_says_which_resource_it_is_about() {
    let marked = r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":5},"uri":"test:\/\/a"}"#;
    let read = Notification { method: "n".into(), params: Some(params(marked)) };
    assert_eq!(untagged(&read).params.unwrap().uri().as_deref(), Some("test://a"));
}

#[test]
fn a_part_of_a_resource_belongs_to_the_whole() {
    for (uri, watched, is) in [
        ("a://b", "a://b", true),
        ("a://b/c", "a://b", true),
        ("a://b/c", "a://b/", true),
        ("a://b?x", "a://b", true),
        ("a://bc", "a://b", false),
        ("a://b", "a://b/c", false),
    ] {
        assert_eq!(is_part_of(uri, watched), is, "{uri} of {watched}");
    }
}
