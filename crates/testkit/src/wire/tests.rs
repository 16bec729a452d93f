//! The envelope keeps what it does not understand.

use super::*;

fn lines(input: &str) -> Vec<Line> {
    let mut input = input.as_bytes();
    let mut buffer = Vec::new();
    std::iter::from_fn(|| read_line(&mut input, &mut buffer).expect("a slice cannot fail"))
        .collect()
}

#[test]
fn members_stay_raw() {
    let lines =
        lines(r#"{"jsonrpc":"2.0","id":1.0,"method":"tools\/call","params":{"b":1,"a":1e2}}"#);
    let [Line::Message(message)] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(message.id.as_ref().unwrap().get(), "1.0");
    assert_eq!(message.method.as_deref(), Some("tools/call"));
    assert_eq!(message.params.as_ref().unwrap().get(), r#"{"b":1,"a":1e2}"#);
}

#[test]
fn arrays_and_nonsense_are_told_apart_and_reading_goes_on() {
    let lines = lines("[]\n\nnot json\n{\"method\":\"ping\",\"id\":2}");
    assert!(
        matches!(lines.as_slice(), [Line::Array, Line::Malformed(_), Line::Message(_)]),
        "{lines:?}"
    );
}

#[test]
fn messages_are_written_member_by_member() {
    assert_eq!(response("\"a\"", "{}"), r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
    assert_eq!(notification("x", ""), r#"{"jsonrpc":"2.0","method":"x"}"#);
    assert_eq!(
        failure("1", -32002, "no \"it\"", Some("{}")),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no \"it\"","data":{}}}"#
    );
    assert_eq!(
        request(3, "roots/list", "{}"),
        r#"{"jsonrpc":"2.0","id":3,"method":"roots/list","params":{}}"#
    );
}
