//! Tables of header values and what they say.

use http::{HeaderMap, HeaderValue};
use standpipe_core::protocol::ProtocolVersion;

use super::*;

fn with(name: &'static str, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn the_most_specific_range_of_accept_decides() {
    for (accept, json, events) in [
        (&["application/json, text/event-stream"][..], true, true),
        (&["application/json", "text/event-stream"], true, true),
        (&["text/event-stream;q=0.1,application/json;q=1.0"], true, true),
        (&["*/*"], true, true),
        (&["application/*"], true, false),
        (&["text/*, application/json"], true, true),
        (&["*/*, text/event-stream;q=0"], true, false),
        (&["text/event-stream;q=0, */*"], true, false),
        (&["text/*;q=0, */*"], true, false),
        (&["text/*;q=0.000, text/event-stream"], false, true),
        (&["*/*;q=0"], false, false),
        (&["APPLICATION/JSON;version=1;Q=0"], false, false),
        (&["application/jsonp, text/event-streams"], false, false),
        (&["json"], false, false),
        (&[""], false, false),
        (&[], false, false),
    ] {
        let headers = with("accept", accept);
        assert_eq!(accepts(&headers, Media::Json), json, "{accept:?}");
        assert_eq!(accepts(&headers, Media::EventStream), events, "{accept:?}");
    }
}

#[test]
fn the_era_is_in_the_version() {
    let claim_of = |text: &str| claim(&with("mcp-protocol-version", &[text]));
    for version in ProtocolVersion::ALL {
        let claimed = claim_of(version.as_str());
        match version.era() {
            Era::Legacy => assert!(matches!(claimed, Claim::Legacy(Some(v)) if v == version)),
            Era::Modern => assert!(matches!(claimed, Claim::Modern)),
        }
    }
    assert!(matches!(claim(&HeaderMap::new()), Claim::Legacy(None)));
    assert!(matches!(claim_of("2026-07-29"), Claim::Modern));
    for junk in
        ["", "1", "2025-11-24", "2025-11-26", "2026-7-28", "2026-07-28x", "9999/99/99", "v999.0.0"]
    {
        assert!(matches!(claim_of(junk), Claim::Unclear(_)), "{junk:?}");
    }
    let twice = with("mcp-protocol-version", &["2025-11-25", "2026-07-28"]);
    assert!(matches!(claim(&twice), Claim::Unclear(_)));
    let same = with("mcp-protocol-version", &["2025-11-25", "2025-11-25"]);
    assert!(matches!(claim(&same), Claim::Legacy(Some(_))));
    assert!(matches!(claim_of("\u{e9}"), Claim::Unclear(_)));
}

#[test]
fn an_event_id_survives_its_text_form_and_nothing_else_is_one() {
    for stream in [StreamId::Call(0), StreamId::Call(u32::MAX), StreamId::Listener(7)] {
        let id = EventId { stream, event: 3 };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
    }
    for text in [
        "",
        "/",
        "1/",
        "/1",
        "g/1",
        "1",
        "+1/1",
        "1/+1",
        "1/-1",
        " 1/1",
        "1/1/1",
        "G1/1",
        "gg1/1",
        "4294967296/0",
        "1/4294967296",
        "1/g1",
        "0x1/1",
    ] {
        assert_eq!(EventId::parse(text), None, "{text:?}");
    }
}

#[test]
fn json_is_recognised_whatever_its_parameters() {
    for (value, json) in [
        ("application/json", true),
        ("application/json; charset=utf-8", true),
        (" Application/Json ;x=y", true),
        ("application/json-rpc", false),
        ("text/json", false),
        ("", false),
    ] {
        assert_eq!(carries_json(&with("content-type", &[value])), json, "{value:?}");
    }
}
