//! Bad input: the status, the words, and that nothing reaches the child.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::bench::*;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn error(id: &str, code: i32, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

#[tokio::test(start_paused = true)]
async fn the_stream_takes_get_from_those_who_take_events() {
    let bench = Bench::new();
    let (headers, refused) = said(bench.get(&[("accept", "application/json")])).await;
    let message =
        "this endpoint answers with `text/event-stream`, which the `Accept` header excludes";
    assert_eq!(refused, Said::new(406, &error("null", -32012, message)));
    assert_eq!(headers["content-type"], "application/json");

    let request = Request::post("/sse").body(()).unwrap();
    let (headers, refused) = said(bench.transport.open(&bench.route, PATH, &request)).await;
    assert_eq!(refused.status, 405);
    assert_eq!(headers["allow"], "GET");
    assert_eq!(bench.transport.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_are_posted_as_json() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    let mut request = Request::get(&client.uri).body(Full::new(Bytes::new())).unwrap();
    let (headers, refused) = said(bench.transport.message(&bench.route, &mut request).await).await;
    assert_eq!(refused.status, 405);
    assert_eq!(headers["allow"], "POST");

    for content_type in [None, Some("text/plain"), Some("application/xml")] {
        let mut request = Request::post(&client.uri);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let mut request = request.body(Full::new(Bytes::from(LIST))).unwrap();
        let (_, refused) = said(bench.transport.message(&bench.route, &mut request).await).await;
        let message = "the `Content-Type` header must be `application/json`";
        assert_eq!(refused, Said::new(415, &error("1", -32012, message)));
    }
    assert!(child.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_session_must_be_named_known_and_of_this_service() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (client, _session) = bench.initialized(&mut child).await;
    let message = "the query parameter `sessionId` is missing; POST to the URI of the `endpoint` event of the event stream";
    for uri in [PATH, "/servers/demo/message?sessionId="] {
        let missing = Said::new(400, &error("1", -32011, message));
        assert_eq!(bench.post(uri, LIST).await, missing);
    }
    let unknown = Said::new(
        404,
        &error("1", -32011, "unknown session; open a new event stream and initialize again"),
    );
    for id in
        ["0", "../../etc", &"0".repeat(32), &client.uri[client.uri.len() - 32..].to_uppercase()]
    {
        let uri = format!("{PATH}?sessionId={id}");
        // A capital letter is needed for the last one to differ.
        if uri != client.uri {
            assert_eq!(bench.post(&uri, LIST).await, unknown, "{uri}");
        }
    }
    let (other, _keeper) = route(&bench.metrics, "other");
    let mut request = Request::post(&client.uri)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(LIST)))
        .unwrap();
    let (_, refused) = said(bench.transport.message(&other, &mut request).await).await;
    assert_eq!(refused, unknown);
    assert!(child.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn texts_that_are_no_messages_are_refused_with_their_id() {
    let bench = Bench::new();
    let (_inbox, mut child) = bench.start();
    let (mut client, _session) = bench.initialized(&mut child).await;
    let cases = [
        ("", "null", -32700),
        ("{", "null", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x", "null", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[]}"#, "1", -32602),
        (r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, "1", -32600),
        (r#"{"id":"a","method":"x"}"#, r#""a""#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, "null", -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, "null", -32600),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#, "null", -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","Params":{}}"#, "1", -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":1,"n\u0061me":2}}"#, "1", -32602),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "null", -32600),
        ("[]", "null", -32600),
        ("null", "null", -32600),
    ];
    for (text, id, code) in cases {
        let refused = bench.post(&client.uri, text).await;
        assert_eq!(refused.status, 400, "{text}");
        let begins = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":""#);
        assert!(refused.body.starts_with(&begins), "{text}: {}", refused.body);
    }
    assert!(child.try_next().is_none());
    assert!(client.now().await.is_none(), "nothing is answered twice");
    assert_eq!(bench.bodies.used(), 0);
    assert_eq!(bench.requests("rejected"), cases.len().to_string());
}
