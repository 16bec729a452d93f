//! What a caller learns of questions that were refused.

use serde_json::{Value, json};

use super::*;
use crate::bridge::refused::Refused;
use crate::message::Outcome;
use crate::protocol::Era;

fn explained(refused: &Refused, era: Era, outcome: Outcome) -> Value {
    let (name, raw) = match refused.explain(era, outcome) {
        Outcome::Result(raw) => ("result", raw),
        Outcome::Error(raw) => ("error", raw),
    };
    json!({ name: serde_json::from_str::<Value>(raw.as_str()).unwrap() })
}

fn refused(missing: bool) -> Refused {
    let mut refused = Refused::default();
    refused.note("elicitation/create", "because");
    if missing {
        refused.undeclared("elicitation/create", None);
    }
    refused
}

#[test]
fn a_call_that_succeeds_in_spite_of_it_is_left_alone() {
    for era in [Era::Legacy, Era::Modern] {
        for text in ["{}", r#"{"content":[]}"#, r#"{"isError":false,"content":[]}"#] {
            let outcome = explained(&refused(true), era, Outcome::Result(raw(text)));
            assert_eq!(outcome["result"], serde_json::from_str::<Value>(text).unwrap());
        }
    }
}

#[test]
fn a_failure_names_the_question() {
    let error = || Outcome::Error(raw(r#"{"code":5,"message":"no","data":1}"#));
    for era in [Era::Legacy, Era::Modern] {
        let outcome = explained(&refused(false), era, error());
        let text = outcome["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("no (") && text.contains("`elicitation/create`"), "{text}");
        assert_eq!((&outcome["error"]["code"], &outcome["error"]["data"]), (&json!(5), &json!(1)));
    }
    for content in ["[]", "[ ]", r#"[{"type":"text","text":"no"}]"#] {
        let result = raw(&format!(r#"{{"isError":true,"content":{content}}}"#));
        let outcome = explained(&refused(false), Era::Legacy, Outcome::Result(result));
        let said = outcome["result"]["content"].as_array().unwrap().last().unwrap();
        assert!(
            said["text"].as_str().unwrap().contains("`elicitation/create` was refused, because")
        );
    }
}

#[test]
fn a_modern_caller_learns_what_it_would_have_had_to_declare() {
    let ends = [
        Outcome::Error(raw(r#"{"code":5,"message":"no"}"#)),
        Outcome::Result(raw(r#"{"isError":true,"content":[]}"#)),
    ];
    for end in ends {
        let outcome = explained(&refused(true), Era::Modern, end);
        assert_eq!(outcome["error"]["code"], -32021);
        let needed = &outcome["error"]["data"]["requiredCapabilities"];
        assert_eq!(needed, &json!({"elicitation": {"form": {}}}));
    }
}
