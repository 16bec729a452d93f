//! What children ask of a modern client, in results.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Modern, again, answers_as, text};
use crate::support::process::Standpipe;
use crate::support::{in_time, together};

fn ask(kind: &str) -> Value {
    json!({ "name": "ask", "arguments": { "kind": kind, "message": "well?" } })
}

#[tokio::test]
async fn a_legacy_child_asks_and_is_answered() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = Modern::new(&standpipe).asked_everything();
    for (kind, key, expected) in [
        ("elicitation", "elicitation-1", "\"username\":\"ada\""),
        ("sampling", "sampling-1", "\"text\":\"ada\""),
        ("url", "elicitation-1", "accept"),
        ("roots", "roots-1", "file:///ada"),
    ] {
        let (status, first) = client.answer(1, "tools/call", ask(kind)).await;
        let result = &first["result"];
        assert_eq!((status, &result["resultType"]), (200, &json!("input_required")), "{first}");
        let keys: Vec<&String> =
            result["inputRequests"].as_object().expect("asked").keys().collect();
        assert_eq!(keys, [key], "{kind}");
        let retry = again(&ask(kind), result, answers_as("ada"));
        let (status, second) = client.answer(2, "tools/call", retry.clone()).await;
        assert_eq!(
            (status, &second["result"]["resultType"]),
            (200, &json!("complete")),
            "{second}"
        );
        assert!(text(&second["result"]).contains(expected), "{kind}: {second}");
        // Again with the same state.
        let (status, replayed) = client.answer(3, "tools/call", retry).await;
        assert_eq!((status, &replayed["error"]["code"]), (400, &json!(-32602)), "{replayed}");
    }
}

#[tokio::test]
async fn prompts_and_resources_ask_too() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = Modern::new(&standpipe).asked_everything();
    let read = json!({ "uri": "test://asking" });
    let (answer, rounds) = client.rounds("resources/read", read, answers_as("ada")).await;
    assert_eq!(rounds, 2);
    assert!(answer["result"]["contents"][0]["text"].as_str().expect("text").contains("ada"));
    assert!(answer["result"]["ttlMs"].is_u64(), "{answer}");
    let prompt = json!({ "name": "test_input_required_result_prompt" });
    let (answer, rounds) = client.rounds("prompts/get", prompt, answers_as("ada")).await;
    assert_eq!(rounds, 2);
    assert!(answer["result"]["messages"].is_array(), "{answer}");
}

#[tokio::test]
async fn several_questions_and_several_rounds() {
    let _turn = together().await;
    for era in ["legacy", "modern"] {
        let fixture = standpipe_testkit::fixture_path();
        let fixture = fixture.to_str().expect("paths of builds are text");
        let standpipe = Standpipe::run(&[], &[fixture, "--era", era]);
        let client = Modern::new(&standpipe).asked_everything();
        let several = json!({ "name": "test_multiple_inputs", "arguments": {} });
        let (_, first) = client.answer(1, "tools/call", several.clone()).await;
        let asked = first["result"]["inputRequests"].as_object().expect("asked").len();
        assert_eq!(asked, 3, "{era}: at once: {first}");
        let (answer, rounds) = client.rounds("tools/call", several, answers_as("ada")).await;
        assert_eq!(rounds, 2, "{era}");
        let all = answer["result"]["content"].to_string();
        for kind in ["elicitation/create", "sampling/createMessage", "roots/list"] {
            assert!(all.contains(&format!("{kind} answered")), "{era}: {all}");
        }
        let rounds_of =
            json!({ "name": "test_input_required_result_multi_round", "arguments": {} });
        let (answer, rounds) = client.rounds("tools/call", rounds_of, answers_as("ada")).await;
        assert_eq!(rounds, 3, "{era}: {answer}");
    }
}

#[tokio::test]
async fn a_missing_capability_is_named() {
    let _turn = together().await;
    for era in ["legacy", "modern"] {
        let fixture = standpipe_testkit::fixture_path();
        let fixture = fixture.to_str().expect("paths of builds are text");
        let standpipe = Standpipe::run(&[], &[fixture, "--era", era]);
        let client = Modern::new(&standpipe);
        let needs = json!({ "name": "test_missing_capability", "arguments": {} });
        // With its status, unless the answer was so slow that a stream had begun.
        let (status, answer) = client.answer(1, "tools/call", needs).await;
        assert!(matches!(status, 400 | 200), "{era}: {status}");
        assert_eq!(answer["error"]["code"], -32021, "{era}: {answer}");
        let required = &answer["error"]["data"]["requiredCapabilities"];
        assert_eq!(required["sampling"], json!({}), "{era}: {answer}");
    }
}

#[tokio::test]
async fn a_url_that_has_to_be_opened_first() {
    let _turn = together().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = Modern::new(&standpipe).asked_everything();
    let first = json!({ "name": "url_first", "arguments": { "label": "l" } });
    let (_, asked) = client.answer(1, "tools/call", first.clone()).await;
    let request = &asked["result"]["inputRequests"]["url-1"];
    assert_eq!(request["method"], "elicitation/create", "{asked}");
    assert_eq!(request["params"]["mode"], "url", "{asked}");
    let retry = again(&first, &asked["result"], answers_as("ada"));
    let (status, answer) = client.answer(2, "tools/call", retry).await;
    assert_eq!((status, &answer["result"]["resultType"]), (200, &json!("complete")), "{answer}");
}

#[tokio::test]
async fn forged_states_are_refused_before_a_child_of_either_era() {
    let _turn = together().await;
    for era in ["legacy", "modern"] {
        let fixture = standpipe_testkit::fixture_path();
        let fixture = fixture.to_str().expect("paths of builds are text");
        let standpipe = Standpipe::run(&[], &[fixture, "--era", era]);
        let client = Modern::new(&standpipe).asked_everything();
        let call = json!({ "name": "test_input_required_result_tampered_state", "arguments": {} });
        let (_, first) = client.answer(1, "tools/call", call.clone()).await;
        let state = first["result"]["requestState"].as_str().expect("a state").to_owned();
        for forged in [format!("{state}-TAMPERED"), "standpipe.x.y".to_owned(), "zzz".to_owned()] {
            let mut retry = again(&call, &first["result"], answers_as("ada"));
            retry["requestState"] = json!(forged);
            let (_, answer) = client.answer(2, "tools/call", retry).await;
            assert!(answer["error"]["code"].is_i64(), "{era} {forged}: {answer}");
        }
        let retry = again(&call, &first["result"], answers_as("ada"));
        let (status, answer) = client.answer(3, "tools/call", retry).await;
        assert_eq!(
            (status, &answer["result"]["resultType"]),
            (200, &json!("complete")),
            "{era}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_call_that_nobody_carries_on_is_given_up() {
    let _turn = together().await;
    let servers = json!({ "fixture": {
        "command": standpipe_testkit::fixture_path(), "question_timeout": "3s",
    } });
    let standpipe = Standpipe::serve(&[], &servers);
    let client = Modern::new(&standpipe).asked_everything();
    let (_, first) = client.answer(1, "tools/call", ask("elicitation")).await;
    let retry = again(&ask("elicitation"), &first["result"], answers_as("ada"));
    let declined = r#"standpipe_refused_questions_total{reason="unanswered",service="fixture"} 1"#;
    in_time("the end of the question", async {
        loop {
            let metrics =
                reqwest::get(standpipe.url("/metrics")).await.expect("the server is there");
            if metrics.text().await.expect("text").contains(declined) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (status, late) = client.answer(2, "tools/call", retry).await;
    assert_eq!((status, &late["error"]["code"]), (400, &json!(-32602)), "{late}");
}
