//! What is a message, what is not, and what its sender is told.

use super::*;

#[test]
fn the_three_kinds_of_message() {
    let Message::Request(request) =
        accepted(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{}}"#)
    else {
        panic!("a request");
    };
    assert_eq!((request.id.as_str(), &*request.method), ("1", "m"));
    assert_eq!(request.params.unwrap().raw().as_str(), "{}");
    let message = accepted(r#"{"method":"m","jsonrpc":"2.0"}"#);
    assert!(matches!(message, Message::Notification(n) if &*n.method == "m" && n.params.is_none()));
    let message = accepted(r#"{"result":null,"id":"a","jsonrpc":"2.0"}"#);
    assert!(matches!(&message, Message::Response(r)
        if matches!(&r.outcome, Outcome::Result(raw) if raw.as_str() == "null")));
    let message = accepted(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#);
    assert!(matches!(&message, Message::Response(r) if matches!(&r.outcome, Outcome::Error(_))));
}

#[test]
fn what_is_refused_names_the_fault_and_carries_the_id() {
    let cases = [
        ("", None, -32700, "not valid JSON: EOF"),
        ("nonsense", None, -32700, "not valid JSON"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m"}{}"#, None, -32700, "trailing characters"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m",}"#, None, -32700, "not valid JSON"),
        ("{\"jsonrpc\":\"2.0\",\"method\":\"a\nb\"}", None, -32700, "control character"),
        ("\u{feff}{}", None, -32700, "not valid JSON"),
        ("1", None, -32600, "must be a JSON object"),
        ("\"text\"", None, -32600, "must be a JSON object"),
        ("[{}]", None, -32600, "must be a JSON object"),
        ("true", None, -32600, "must be a JSON object"),
        ("{}", None, -32600, "`jsonrpc` must be"),
        (r#"{"id":1,"method":"m"}"#, Some("1"), -32600, "`jsonrpc` must be"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, Some("1"), -32600, "`jsonrpc` must be"),
        (r#"{"jsonrpc":"2","id":"x","method":"m"}"#, Some("\"x\""), -32600, "`jsonrpc` must be"),
        (r#"{"jsonrpc":"2.0","id":1}"#, Some("1"), -32600, "neither"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#, Some("1"), -32600, "more than one"),
        (r#"{"jsonrpc":"2.0","id":1,"error":{},"result":1}"#, Some("1"), -32600, "more than one"),
        (r#"{"jsonrpc":"2.0","id":1,"method":1}"#, Some("1"), -32600, "`method` must be a string"),
        (r#"{"jsonrpc":"2.0","result":1}"#, None, -32600, "`id` is missing"),
        (r#"{"jsonrpc":"2.0","error":{}}"#, None, -32600, "`id` is missing"),
        (r#"{"jsonrpc":"2.0","id":1,"error":"x"}"#, Some("1"), -32600, "`error` must be an object"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#, Some("1"), -32602, "an object"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#, Some("1"), -32602, "an object"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, Some("1"), -32600, "`method` is"),
        (r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"b"}"#, None, -32600, "`id` is given"),
        (r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"b"}"#, None, -32600, "`ID` differs from `id`"),
        (r#"{"jsonrpc":"2.0","Id":2,"id":1,"method":"b"}"#, None, -32600, "`Id` differs from `id`"),
    ];
    for (text, id, code, words) in cases {
        let rejected = rejected(text);
        assert_eq!(rejected.id.as_ref().map(Id::as_str), id, "{text}");
        assert_eq!(rejected.code(), code, "{text}");
        let explanation = rejected.explanation();
        assert!(explanation.contains(words), "{text}: {explanation}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_place() {
    let text = b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}";
    let rejected = parse(&Bytes::from_static(text)).unwrap_err();
    assert_eq!(rejected.code(), -32700);
    assert_eq!(rejected.to_string(), "the message is not valid UTF-8 (byte 27)");
}

#[test]
fn every_member_is_refused_twice_and_in_other_spellings() {
    for name in ["jsonrpc", "id", "method", "params", "result", "error"] {
        let title = name[..1].to_uppercase() + &name[1..];
        for variant in [name.to_uppercase(), title, name.replace('s', "ſ")] {
            if variant == name {
                continue;
            }
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","{variant}":1}}"#);
            let message = rejected(&text).to_string();
            assert_eq!(message, format!("`{variant}` differs from `{name}` only in case"));
        }
        let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        let text = format!(r#"{{"jsonrpc":"2.0","{name}":1,"{escaped}":1}}"#);
        assert_eq!(rejected(&text).to_string(), format!("`{name}` is given more than once"));
    }
}

#[test]
fn escaped_spellings_are_the_same_members() {
    let message =
        accepted(r#"{"js\u006Fnrpc":"2\u002e0","\u0069d":7,"m\u0065thod":"tools\/c\u0061ll"}"#);
    assert_eq!(line(&message), r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#);
}

#[test]
fn unknown_members_are_dropped_whatever_they_are() {
    let text = r#"{"x":1,"x":2,"jsonrpc":"2.0","meta":{"id":9},"method":"m","Ünïcode":[],"":0}"#;
    assert_eq!(line(&accepted(text)), r#"{"jsonrpc":"2.0","method":"m"}"#);
}

#[test]
fn half_a_surrogate_pair_is_refused_where_it_would_be_read() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"m","\ud800":1}"#,
        r#"{"jsonrpc":"2.0","method":"\udc00"}"#,
        r#"{"jsonrpc":"2.0","method":"m","params":{"\ud800x":1}}"#,
        r#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{"\ud800":1}}}"#,
    ] {
        rejected(text);
    }
    // Elsewhere it is the sender's and the receiver's affair.
    let text = r#"{"jsonrpc":"2.0","method":"m","params":{"x":"\ud800","name":"\udfff"}}"#;
    let message = accepted(text);
    assert_eq!(line(&message), text);
    let Message::Notification(Notification { params: Some(params), .. }) = message else {
        panic!("a notification with parameters");
    };
    assert_eq!(params.name(), None);
}

#[test]
fn batches_are_judged_one_by_one() {
    let element = r#"{"jsonrpc":"2.0","method":"m"}"#;
    let text = format!(" \r\n[ {element} ,\n{{\"id\":1}},[],3,{element}]\t");
    let Incoming::Batch(batch) = parse_body(&text.into()).unwrap() else {
        panic!("a batch");
    };
    let judged: Vec<bool> = batch.iter().map(Result::is_ok).collect();
    assert_eq!(judged, [true, false, false, false, true]);
    let id = batch[1].as_ref().unwrap_err().id.as_ref();
    assert_eq!(id.map(Id::as_str), Some("1"));
}

#[test]
fn a_batch_has_one_to_a_hundred_elements() {
    let body = |count: usize| {
        let elements = vec![r#"{"jsonrpc":"2.0","method":"m"}"#; count];
        parse_body(&format!("[{}]", elements.join(",")).into())
    };
    assert!(matches!(body(0).unwrap_err().error, EnvelopeError::EmptyBatch));
    assert!(matches!(body(MAX_BATCH), Ok(Incoming::Batch(batch)) if batch.len() == MAX_BATCH));
    assert!(matches!(body(MAX_BATCH + 1).unwrap_err().error, EnvelopeError::BatchTooLong));
    for broken in ["[", "[1", "[1,]", "[1] 2", "[1}"] {
        let rejected = parse_body(&broken.into()).unwrap_err();
        assert_eq!(rejected.code(), -32700, "{broken}");
    }
    assert!(matches!(parse_body(&Bytes::from_static(b"[\xff]")), Err(r) if r.code() == -32700));
}

#[test]
fn nesting_does_not_use_the_stack() {
    const DEEP: usize = 100_000;
    let check = || {
        let nest = |open: &str, close: &str| open.repeat(DEEP) + "1" + &close.repeat(DEEP);
        for nested in [nest("[", "]"), nest("{\"a\":", "}"), nest("[{\"\":", "}]")] {
            let params = format!(r#"{{"x":{nested},"_meta":{{"progressToken":1,"y":{nested}}}}}"#);
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
            let message = accepted(&text);
            assert!(line(&message) == text);
            let Message::Request(Request { params: Some(params), .. }) = message else {
                panic!("a request with parameters");
            };
            let spliced = params.with_meta_progress_token(&Id::from_number(22));
            assert_eq!(spliced.raw().as_bytes().len(), params.raw().as_bytes().len() + 1);
            accepted(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{nested}}}"#));
            rejected(&nested);
            rejected(&format!(r#"{{"jsonrpc":"2.0","id":{nested},"method":"m"}}"#));
            rejected(&format!(r#"{{"jsonrpc":{nested},"method":{nested}}}"#));
            let _judged = parse_body(&format!("[{nested}]").into());
            // Without its end.
            rejected(&format!(r#"{{"jsonrpc":"2.0","x":{}"#, &nested[..DEEP]));
        }
    };
    let small_stack = std::thread::Builder::new().stack_size(256 * 1024);
    small_stack.spawn(check).unwrap().join().unwrap();
}

#[test]
fn many_members_cost_neither_time_nor_memory() {
    let many = "\"\":0,".repeat(500_000);
    let text = format!(r#"{{{many}"jsonrpc":"2.0","method":"m","params":{{{many}"name":"t"}}}}"#);
    let Message::Notification(Notification { params: Some(params), .. }) = accepted(&text) else {
        panic!("a notification with parameters");
    };
    assert_eq!(params.name().as_deref(), Some("t"));
}
