//! Multi round-trip requests of `standpipe-fixture`, and how the same tools ask a legacy client.
#![expect(clippy::needless_pass_by_value, reason = "tests write `json!(…)` in place")]

use serde_json::{Value, json};
use standpipe_testkit::fixture_path;

use crate::driver::Driver;
use crate::fixture::{everything, open};

fn start() -> Driver {
    Driver::start(&fixture_path(), &["--era", "modern"])
}

fn call(fixture: &mut Driver, params: Value) -> Value {
    fixture.modern(json!("call"), "tools/call", params, &everything())
}

fn accepted(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[test]
fn a_round_asks_and_the_retry_is_answered() {
    let mut fixture = start();
    let ask = json!({"name": "ask", "arguments": {"kind": "roots", "message": "?"}});
    let asked = call(&mut fixture, ask.clone())["result"].take();
    assert_eq!(asked["resultType"], "input_required");
    assert_eq!(asked["inputRequests"]["answer"]["method"], "roots/list");
    let mut retry = ask;
    retry["inputResponses"] = json!({"answer": {"roots": []}, "other": 7});
    retry["requestState"] = asked["requestState"].clone();
    let result = call(&mut fixture, retry)["result"].take();
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["content"][0]["text"], r#"{"roots":[]}"#);
}

#[test]
fn each_round_has_a_state_of_its_own_and_keeps_the_answers_before() {
    let mut fixture = start();
    let name = "test_input_required_result_multi_round";
    let first = call(&mut fixture, json!({"name": name}))["result"].take();
    let answer = json!({"step1": accepted(json!({"name": "Ada"}))});
    let retry =
        json!({"name": name, "inputResponses": answer, "requestState": first["requestState"]});
    let second = call(&mut fixture, retry.clone())["result"].take();
    assert_eq!(second["inputRequests"]["step2"]["method"], "elicitation/create");
    assert_ne!(second["requestState"], first["requestState"]);
    let answer = json!({"step2": accepted(json!({"color": "blue"}))});
    let last =
        json!({"name": name, "inputResponses": answer, "requestState": second["requestState"]});
    let result = call(&mut fixture, last)["result"].take();
    assert_eq!(result["content"][0]["text"], "Multi-round complete for Ada who likes blue");
    // The same round once more has another state.
    assert_ne!(call(&mut fixture, retry)["result"]["requestState"], second["requestState"]);
}

#[test]
fn several_are_asked_at_once_and_only_what_is_missing_is_asked_again() {
    let mut fixture = start();
    let name = "test_input_required_result_multiple_inputs";
    let asked = call(&mut fixture, json!({"name": name}))["result"].take();
    assert_eq!(asked["inputRequests"].as_object().unwrap().len(), 3);
    let some = json!({"client_roots": {"roots": []}, "user_name": {"action": "decline"}});
    let retry =
        json!({"name": name, "inputResponses": some, "requestState": asked["requestState"]});
    let again = call(&mut fixture, retry)["result"].take();
    let keys: Vec<_> = again["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["greeting"]);
}

#[test]
fn a_state_that_was_changed_or_is_another_request_s_is_refused() {
    let mut fixture = start();
    let name = "test_input_required_result_request_state";
    let state = call(&mut fixture, json!({"name": name}))["result"]["requestState"].take();
    let state = state.as_str().unwrap();
    for (tool, state) in [
        (name, format!("{state}-TAMPERED")),
        (name, state.replace("answers", "Answers")),
        (name, "nonsense".to_owned()),
        ("test_input_required_result_tampered_state", state.to_owned()),
    ] {
        let answer = call(&mut fixture, json!({"name": tool, "requestState": state}));
        assert_eq!(answer["error"]["code"], -32602, "{tool} {state}");
    }
}

#[test]
fn an_answer_of_another_shape_is_refused() {
    let mut fixture = start();
    let name = "test_input_required_result_elicitation";
    for answer in [json!(12345), json!(null), json!({"action": "maybe"})] {
        let retry = json!({"name": name, "inputResponses": {"user_name": answer}});
        assert_eq!(call(&mut fixture, retry)["error"]["code"], -32602, "{answer}");
    }
    let other = json!({"name": name, "inputResponses": {"wrong": accepted(json!({}))}});
    let again = call(&mut fixture, other)["result"].take();
    assert_eq!(again["inputRequests"]["user_name"]["method"], "elicitation/create");
    assert_eq!(again.get("requestState"), None);
}

#[test]
fn what_was_not_declared_is_not_asked() {
    let mut fixture = start();
    let tool = json!({"name": "test_missing_capability"});
    let refused = fixture.modern(json!(1), "tools/call", tool, &json!({"roots": {}}));
    assert_eq!(refused["error"]["code"], -32021);
    assert_eq!(refused["error"]["data"]["requiredCapabilities"], json!({"sampling": {}}));
    let tool = json!({"name": "test_input_required_result_capabilities"});
    let asked = fixture.modern(json!(2), "tools/call", tool, &json!({"sampling": {}}));
    let keys: Vec<_> = asked["result"]["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["sample_input"]);
}

#[test]
fn prompts_and_resources_ask_in_either_era() {
    let prompt = json!({"name": "test_input_required_result_prompt"});
    let resource = json!({"uri": "test://asking"});
    let mut modern = start();
    for (method, params, key) in
        [("prompts/get", &prompt, "user_context"), ("resources/read", &resource, "pass")]
    {
        let asked = modern.modern(json!(1), method, params.clone(), &everything())["result"].take();
        assert_eq!(asked["inputRequests"][key]["method"], "elicitation/create", "{method}");
        assert_eq!(asked.get("ttlMs"), None, "{method}");
        let mut retry = params.clone();
        retry["inputResponses"] = json!({key: accepted(json!({"context": "Ada"}))});
        if let Some(state) = asked.get("requestState") {
            retry["requestState"] = state.clone();
        }
        let answer = modern.modern(json!(2), method, retry, &everything());
        assert!(answer["result"].to_string().contains("Ada"), "{method}: {answer}");
    }
    let mut legacy = open(&everything());
    for (id, method, params) in [(1, "prompts/get", &prompt), (2, "resources/read", &resource)] {
        legacy.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let question = legacy.incoming("elicitation/create")["id"].take();
        let result = accepted(json!({"context": "Ada"}));
        legacy.send(&json!({"jsonrpc": "2.0", "id": question, "result": result}));
        let answer = legacy.answer(&json!(id));
        assert!(answer["result"].to_string().contains("Ada"), "{method}: {answer}");
    }
    let mut mute = open(&json!({}));
    assert_eq!(mute.request(json!(1), "prompts/get", prompt)["error"]["code"], -32600);
}

#[test]
fn a_url_has_to_be_visited_first() {
    let mut legacy = open(&everything());
    let tool = json!({"name": "url_first", "arguments": {"label": "a"}});
    let error = legacy.request(json!(1), "tools/call", tool.clone())["error"].take();
    assert_eq!(error["code"], -32042);
    assert_eq!(error["data"]["elicitations"][0]["mode"], "url");
    let again = legacy.request(json!(2), "tools/call", tool.clone());
    assert_eq!(again["result"]["content"][0]["text"], "a may go on");
    let mut modern = start();
    let asked = call(&mut modern, tool)["result"].take();
    let visit = &asked["inputRequests"]["visit"]["params"];
    assert_eq!((&visit["mode"], visit.get("elicitationId")), (&json!("url"), None));
}
