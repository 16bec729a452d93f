//! Questions and cancellation between `standpipe-fixture` and its client.

use serde_json::json;
use standpipe_testkit::{fixture_path, wait_until};

use crate::driver::{Driver, PATIENCE};
use crate::fixture::{everything, open};

#[test]
fn a_cancelled_call_is_not_answered_and_is_remembered_by_its_label() {
    let mut fixture = open(&json!({}));
    fixture.begin(7, "slow", json!({"ms": 600_000, "label": "seven"}));
    let params = json!({"requestId": 7, "reason": "enough"});
    fixture.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    let mut id = 100;
    let labels = wait_until(PATIENCE, || {
        id += 1;
        let labels = fixture.call(id, "cancelled_calls", json!({}));
        (labels["structuredContent"]["labels"] != json!([])).then_some(labels)
    });
    assert_eq!(labels.unwrap()["structuredContent"]["labels"], json!(["seven"]));
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
}

#[test]
fn a_cancelled_call_withdraws_its_question() {
    let mut fixture = open(&everything());
    fixture.begin(7, "ask", json!({"kind": "elicitation"}));
    let question = fixture.incoming("elicitation/create");
    let params = json!({"requestId": 7});
    fixture.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    let cancelled = fixture.incoming("notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
}

#[test]
fn three_questions_come_at_once_and_a_refused_one_does_not_spoil_the_rest() {
    let mut fixture = open(&everything());
    fixture.begin(1, "test_multiple_inputs", json!({}));
    let elicitation = fixture.incoming("elicitation/create");
    let sampling = fixture.incoming("sampling/createMessage");
    let roots = fixture.incoming("roots/list");
    let refusal = json!({"code": -1, "message": "no"});
    fixture.send(&json!({"jsonrpc": "2.0", "id": sampling["id"], "error": refusal}));
    fixture.send(&json!({"jsonrpc": "2.0", "id": roots["id"], "result": {"roots": []}}));
    fixture
        .send(&json!({"jsonrpc": "2.0", "id": elicitation["id"], "result": {"action": "decline"}}));
    let result = fixture.answer(&json!(1))["result"].take();
    assert_eq!(result.get("isError"), None, "{result}");
    let texts: Vec<_> = result["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["text"].as_str().unwrap())
        .collect();
    assert!(texts[0].starts_with("elicitation/create answered"), "{texts:?}");
    assert!(texts[1].starts_with("sampling/createMessage refused"), "{texts:?}");
    assert!(texts[2].starts_with("roots/list answered"), "{texts:?}");
}

#[test]
fn a_question_nobody_can_answer_is_an_error_and_is_not_asked() {
    let mut fixture = open(&json!({"sampling": null}));
    for (id, tool) in
        (1..).zip(["test_sampling", "test_elicitation_sep1034_defaults", "test_multiple_inputs"])
    {
        let result = fixture.call(id, tool, json!({"prompt": "?"}));
        assert_eq!(result["isError"], true, "{result}");
    }
    assert!(fixture.passed.is_empty(), "{:?}", fixture.passed);
}

#[test]
fn the_answer_to_a_question_is_given_back_byte_for_byte() {
    let mut fixture = open(&everything());
    fixture.begin(1, "ask", json!({"kind": "roots"}));
    let id = fixture.incoming("roots/list")["id"].take();
    fixture.send_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[],"b":1.0}}}}"#));
    let result = fixture.answer(&json!(1))["result"].take();
    assert_eq!(result["content"][0]["text"], r#"{"roots":[],"b":1.0}"#);
}

#[test]
fn a_question_after_the_answer_belongs_to_no_call() {
    let mut fixture = open(&everything());
    fixture.call(1, "ask", json!({"kind": "roots", "after_answer": true}));
    let id = fixture.incoming("roots/list")["id"].take();
    fixture.send(&json!({"jsonrpc": "2.0", "id": id, "result": {"roots": []}}));
    let mut id = 10;
    let replies = wait_until(PATIENCE, || {
        id += 1;
        let replies = fixture.call(id, "late_replies", json!({}));
        (replies["structuredContent"]["replies"] != json!([])).then_some(replies)
    });
    assert_eq!(replies.unwrap()["structuredContent"]["replies"], json!([{"roots": []}]));
}

#[test]
fn roots_are_asked_for_at_the_start_if_told_so() {
    let mut fixture = Driver::open(&fixture_path(), &["--roots-at-start"], &everything());
    fixture.incoming("roots/list");
}
