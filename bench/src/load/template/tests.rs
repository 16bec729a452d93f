//! What is sent, and what is taken for right.

use super::{Target, Template, Tool, Transport, Verdict};

fn template(transport: Transport, tool: Tool) -> Template {
    let target = Target::new("http://127.0.0.1:1/mcp").unwrap();
    Template::new(&target, transport, Some("s"), 7, tool, 20)
}

fn body(template: &Template) -> String {
    let text = String::from_utf8(template.bytes.clone()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    body.to_owned()
}

#[test]
fn only_the_numbers_of_a_request_change() {
    let mut template = template(Transport::Stream, Tool::ProgressEcho);
    template.next();
    template.next();
    assert_eq!(
        body(&template),
        concat!(
            r#"{"jsonrpc":"2.0","id":1000000002,"method":"tools/call","params":"#,
            r#"{"name":"progress_echo","arguments":{"text":"00007-1000000002-abc"},"#,
            r#""_meta":{"progressToken":1000000002}}}"#
        )
    );
}

#[test]
fn a_modern_request_carries_its_headers_and_its_meta() {
    let template = template(Transport::Modern, Tool::Echo);
    let text = String::from_utf8(template.bytes.clone()).unwrap();
    for header in [
        "MCP-Protocol-Version: 2026-07-28",
        "Mcp-Method: tools/call",
        "Mcp-Name: echo",
        "Accept: application/json, text/event-stream",
    ] {
        assert!(text.contains(&format!("\r\n{header}\r\n")), "{header}");
    }
    let body: serde_json::Value = serde_json::from_str(&body(&template)).unwrap();
    let meta = &body["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
}

#[test]
fn an_answer_is_right_with_its_own_id_and_text_only() {
    let mut template = template(Transport::Stream, Tool::Echo);
    template.next();
    let judge = |id: &str, text: &str| {
        let message = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"text":"{text}"}}]}}}}"#
        );
        template.judge(message.as_bytes())
    };
    assert_eq!(judge("1000000001", "00007-1000000001-abc"), Verdict::Right);
    assert_eq!(judge("1000000002", "00007-1000000001-abc"), Verdict::Wrong);
    assert_eq!(judge("1000000001", "00008-1000000001-abc"), Verdict::Wrong);
    assert_eq!(judge("\"1000000001\"", "00007-1000000001-abc"), Verdict::Wrong);
    assert_eq!(template.judge(br#"{"id":1000000001,"error":{"code":1}}"#), Verdict::Wrong);
    assert_eq!(template.judge(br#"{"method":"notifications/message"}"#), Verdict::Other);
    assert_eq!(template.judge(b"x"), Verdict::Wrong);
}

#[test]
fn progress_is_right_with_its_own_token_only() {
    let mut template = template(Transport::Stream, Tool::ProgressEcho);
    template.next();
    let judge = |token: &str| {
        let message = format!(
            r#"{{"method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
        );
        template.judge(message.as_bytes())
    };
    assert_eq!(judge("1000000001"), Verdict::Progress);
    assert_eq!(judge("1000000000"), Verdict::Wrong);
}

#[test]
fn a_blob_is_compared_as_a_whole() {
    let mut template = template(Transport::Stream, Tool::Blob);
    template.next();
    let judge = |text: &str| {
        let message = format!(
            r#"{{"id":1000000001,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
        );
        template.judge(message.as_bytes())
    };
    assert_eq!(judge("abcdefghijklmnopqrst"), Verdict::Right);
    assert_eq!(judge("abcdefghijklmnopqrsx"), Verdict::Wrong);
}
