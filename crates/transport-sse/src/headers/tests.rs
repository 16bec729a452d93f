//! Tables of header values.

use super::*;

fn headers(name: &http::HeaderName, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, value.parse().unwrap());
    }
    headers
}

#[test]
fn accept_is_read_as_http_has_it() {
    let cases: [(&[&str], bool); 15] = [
        (&[], true),
        (&["text/event-stream"], true),
        (&["TEXT/Event-Stream"], true),
        (&["text/event-stream; charset=utf-8"], true),
        (&["text/*"], true),
        (&["*/*"], true),
        (&["application/json, text/event-stream"], true),
        (&["application/json", "text/event-stream"], true),
        (&["application/json"], false),
        (&["text/html,application/xhtml+xml"], false),
        (&[""], false),
        (&["text/event-stream;q=0"], false),
        (&["text/event-stream;q=0.000, */*"], false),
        (&["*/*;q=0, text/event-stream;q=0.1"], true),
        (&["text/event-streaming"], false),
    ];
    for (values, accepted) in cases {
        assert_eq!(accepts_event_stream(&headers(&ACCEPT, values)), accepted, "{values:?}");
    }
}

#[test]
fn only_json_is_json() {
    let cases: [(&[&str], bool); 7] = [
        (&[], false),
        (&["application/json"], true),
        (&["Application/JSON; charset=utf-8"], true),
        (&["application/json;charset=utf-8"], true),
        (&["text/plain"], false),
        (&["application/json-patch+json"], false),
        (&["application/x-www-form-urlencoded"], false),
    ];
    for (values, json) in cases {
        assert_eq!(is_json(&headers(&CONTENT_TYPE, values)), json, "{values:?}");
    }
}

#[test]
fn the_session_is_found_among_other_parameters() {
    let cases = [
        ("/message", None),
        ("/message?", None),
        ("/message?sessionId", None),
        ("/message?sessionId=", None),
        ("/message?sessionid=ab", None),
        ("/message?sessionId=ab", Some("ab")),
        ("/message?x=1&sessionId=ab&y=2", Some("ab")),
    ];
    for (uri, session_id) in cases {
        assert_eq!(session(&uri.parse().unwrap()), session_id, "{uri}");
    }
}
