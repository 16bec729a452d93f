//! The members of `params` that are acted on: found, refused when in doubt, replaced in place.

use super::*;

const NAMES: [&str; 9] = [
    "_meta",
    "name",
    "uri",
    "requestState",
    "inputResponses",
    "progressToken",
    "requestId",
    "level",
    "elicitationId",
];

const META_NAMES: [&str; 6] = [
    "progressToken",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/subscriptionId",
];

/// Spellings that some reader takes for `name`.
fn variants(name: &str) -> Vec<String> {
    let all = [
        name.to_uppercase(),
        name.to_lowercase(),
        name.replace('s', "ſ"),
        name.replace('k', "\u{212a}"),
        name.replace('e', "E"),
    ];
    all.into_iter().filter(|variant| variant != name).collect()
}

#[test]
fn members_are_read_decoded() {
    let params = params(
        r#"{"n\u0061me":"a\/b","uri":"file:\/\/x","level":"\u0069nfo","elicitationId":"e","mode":"url"}"#,
    )
    .unwrap();
    assert_eq!(params.name().as_deref(), Some("a/b"));
    assert_eq!(params.uri().as_deref(), Some("file://x"));
    assert_eq!(params.level().as_deref(), Some("info"));
    assert_eq!(params.elicitation_id().as_deref(), Some("e"));
    assert_eq!(params.mode().as_deref(), Some("url"));
}

#[test]
fn what_is_not_there_or_no_string_is_not_read() {
    let params = params(r#"{"name":1,"uri":null,"x":{"level":"info"}}"#).unwrap();
    assert_eq!(params.name(), None);
    assert_eq!(params.uri(), None);
    assert_eq!(params.level(), None);
    assert!(params.progress_token().is_none());
    assert!(params.meta_progress_token().is_none());
    assert!(params.request_id().is_none());
}

#[test]
fn members_acted_on_are_refused_twice() {
    for name in NAMES {
        let value = if name == "_meta" { "{}" } else { "\"v\"" };
        let last = name.len() - 1;
        let escaped = format!("{}\\u{:04X}", &name[..last], u32::from(name.as_bytes()[last]));
        for second in [name, &escaped] {
            let text = format!(r#"{{"{name}":{value},"between":0,"{second}":{value}}}"#);
            let expected = MemberError::Duplicate(format!("params.{name}"));
            assert_eq!(params(&text).unwrap_err(), expected, "{text}");
        }
    }
    params(r#"{"cursor":1,"cursor":2}"#).expect("nobody acts on it");
}

#[test]
fn members_acted_on_are_refused_in_other_spellings() {
    for name in NAMES {
        for found in variants(name) {
            let text = format!(r#"{{"{found}":"v"}}"#);
            let expected = MemberError::CaseVariant { found, meant: name };
            assert_eq!(params(&text).unwrap_err(), expected, "{text}");
        }
    }
    for name in META_NAMES {
        for found in variants(name) {
            let text = format!(r#"{{"_meta":{{"{found}":"v"}}}}"#);
            let expected = MemberError::CaseVariant { found, meant: name };
            assert_eq!(params(&text).unwrap_err(), expected, "{text}");
        }
    }
    params(r#"{"names":1,"nam":2,"_met":3,"arguments":{"Name":1,"name":2,"NAME":3}}"#).unwrap();
}

#[test]
fn any_member_of_meta_stands_once() {
    for text in [
        r#"{"_meta":{"progressToken":1,"progressToken":1}}"#,
        r#"{"_meta":{"x/y":1,"x\/y":1}}"#,
        r#"{"_meta":{"key":1,"KEY":1}}"#,
        r#"{"_meta":{"key":1,"Key":1}}"#,
    ] {
        assert!(matches!(params(text), Err(MemberError::Duplicate(_))), "{text}");
    }
}

#[test]
fn meta_is_an_object_or_nothing() {
    assert!(params(r#"{"_meta":null}"#).unwrap().meta_progress_token().is_none());
    for meta in ["[]", "1", "\"x\"", "true"] {
        let error = params(&format!(r#"{{"_meta":{meta}}}"#)).unwrap_err();
        assert_eq!(error, MemberError::NotAnObject("params._meta"));
    }
    for token in ["null", "true", "{}", "[]"] {
        let error = params(&format!(r#"{{"_meta":{{"progressToken":{token}}}}}"#)).unwrap_err();
        assert_eq!(error, MemberError::NotAToken("params._meta.progressToken"));
    }
}

#[test]
fn members_of_meta_are_bounded() {
    let meta = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":0")).collect();
        params(&format!(r#"{{"_meta":{{{}}}}}"#, members.join(",")))
    };
    meta(MAX_META_MEMBERS).unwrap();
    assert_eq!(meta(MAX_META_MEMBERS + 1).unwrap_err(), MemberError::TooManyInMeta);
    assert_eq!(meta(300_000).unwrap_err(), MemberError::TooManyInMeta);
}

#[test]
fn one_value_is_replaced_and_nothing_else() {
    let text = r#"{ "a":[1 ,2], "_meta" : {"x":"\u0041" , "progressToken" : "old token" },"progressToken":1.0,"requestId" :"r","level":"info", "z":{} }"#;
    let params = params(text).unwrap();
    let (new, level) = (Id::from_number(12345), raw("12345"));
    let replaced = [
        (params.with_meta_progress_token(&new), "\"old token\""),
        (params.with_progress_token(&new), "1.0"),
        (params.with_request_id(&new), "\"r\""),
        (params.with_level(&level), "\"info\""),
    ];
    for (result, old) in replaced {
        assert_eq!(result.raw().as_str(), text.replacen(old, "12345", 1));
    }
}

#[test]
fn nothing_is_replaced_that_is_not_there() {
    let text = r#"{"x":{"_meta":{"progressToken":1},"level":1}}"#;
    let params = params(text).unwrap();
    let (new, level) = (Id::from_number(2), raw("2"));
    assert_eq!(params.with_meta_progress_token(&new).raw().as_str(), text);
    assert_eq!(params.with_level(&level).raw().as_str(), text);
    // Nor in parameters of our own making.
    let own = Params::opaque(raw(r#"{"level":"info"}"#));
    assert_eq!(own.level(), None);
    assert_eq!(own.with_level(&level).raw().as_str(), r#"{"level":"info"}"#);
}

#[test]
fn payloads_do_not_show_in_debug_output() {
    let message = accepted(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"key":"secret"}}"#);
    assert!(!format!("{message:?}").contains("secret"));
}
