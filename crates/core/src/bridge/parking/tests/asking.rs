//! What a client is asked, and what it answers.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::bridge::parking::{
    InputResponses, Kind, Questions, Settled, UrlElicitations, required_capabilities,
};
use crate::budget::Budget;
use crate::message::{Id, Message, RawJson, Request, error_object, parse};
use crate::protocol::ClientCapabilities;

fn raw(text: &str) -> RawJson {
    RawJson::new(&Bytes::copy_from_slice(text.as_bytes())).expect("JSON")
}

fn request(id: u64, method: &str, params: &str) -> Request {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"{params}}}"#);
    match parse(&Bytes::from(text)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn responses(text: &str) -> InputResponses {
    InputResponses::read(&raw(text)).expect("responses")
}

fn none() -> InputResponses {
    InputResponses::default()
}

fn value(raw: &RawJson) -> Value {
    serde_json::from_str(raw.as_str()).expect("JSON")
}

/// Three questions, one of each kind, and a second elicitation.
fn four() -> Questions {
    let mut questions = Questions::default();
    for (id, method, params) in [
        (11, "elicitation/create", r#","params":{"message":"who?"}"#),
        (12, "sampling/createMessage", r#","params":{"maxTokens":1}"#),
        (13, "roots/list", ""),
        (14, "elicitation/create", r#","params":{"message":"why?"}"#),
    ] {
        let answered = questions.ask(request(id, method, params), None, &mut none());
        assert!(answered.expect("askable").is_none());
    }
    questions
}

fn ids(settled: &[Settled]) -> Vec<Option<u64>> {
    settled.iter().map(|settled| settled.id.as_number()).collect()
}

#[test]
fn questions_become_a_result() {
    let result = value(&four().input_required("state"));
    assert_eq!(
        result,
        json!({
            "resultType": "input_required",
            "inputRequests": {
                "elicitation-1": {"method": "elicitation/create", "params": {"message": "who?"}},
                "sampling-1": {"method": "sampling/createMessage", "params": {"maxTokens": 1}},
                "roots-1": {"method": "roots/list", "params": {}},
                "elicitation-2": {"method": "elicitation/create", "params": {"message": "why?"}},
            },
            "requestState": "state",
        })
    );
}

#[test]
fn what_is_answered_is_settled_and_the_rest_asked_again() {
    let mut questions = four();
    let mut answers = responses(
        r#"{"elicitation-2":{"action":"decline"},"roots-1":{"roots":[]},"roots-2":{"x":1}}"#,
    );
    questions.check(&answers).expect("shapes");
    let settled = questions.settle(&mut answers);
    assert_eq!(ids(&settled), [Some(13), Some(14)]);
    assert_eq!(settled[1].result.as_str(), r#"{"action":"decline"}"#);
    let left = value(&questions.input_required("s"));
    let left: Vec<&String> = left["inputRequests"].as_object().expect("object").keys().collect();
    assert_eq!(left, ["elicitation-1", "sampling-1"]);

    // Keys are not given twice in one call.
    let again = questions.ask(request(15, "roots/list", ""), None, &mut none());
    assert!(again.expect("askable").is_none());
    assert!(questions.input_required("s").as_str().contains("\"roots-2\""));

    assert!(questions.withdraw(&Id::from_number(12)));
    assert!(!questions.withdraw(&Id::from_number(12)));
    let mut all = responses(r#"{"elicitation-1":{"action":"cancel"},"roots-2":{"roots":[]}}"#);
    assert_eq!(ids(&questions.settle(&mut all)), [Some(11), Some(15)]);
    assert!(questions.is_empty());
}

#[test]
fn answers_that_came_before_the_question() {
    let mut questions = Questions::default();
    let mut prefilled = responses(
        r#"{"elicitation-1":{"action":"accept","content":{}},"sampling-1":{"roots":[]}}"#,
    );
    let asked = questions.ask(request(1, "elicitation/create", ""), None, &mut prefilled);
    let settled = asked.expect("askable").expect("answered");
    assert_eq!(settled.id, Id::from_number(1));
    assert_eq!(settled.result.as_str(), r#"{"action":"accept","content":{}}"#);
    // Once.
    let asked = questions.ask(request(2, "elicitation/create", ""), None, &mut prefilled);
    assert!(asked.expect("askable").is_none());
    // Not one of its kind: asked after all.
    let asked = questions.ask(request(3, "sampling/createMessage", ""), None, &mut prefilled);
    assert!(asked.expect("askable").is_none());
    let open: Vec<Kind> = questions.open().map(|(_, kind, _)| kind).collect();
    assert_eq!(open, [Kind::Elicitation, Kind::Sampling]);
}

#[test]
fn only_three_things_can_be_asked() {
    let mut questions = Questions::default();
    let refused = questions.ask(request(5, "tasks/get", ""), None, &mut none());
    assert_eq!(refused.expect_err("unaskable").id, Id::from_number(5));
    assert!(questions.is_empty());
}

#[test]
fn a_question_holds_what_it_weighs() {
    let budget = Budget::new(100);
    let mut questions = Questions::default();
    let permit = budget.take(60);
    questions.ask(request(1, "roots/list", ""), permit, &mut none()).expect("askable");
    assert_eq!(budget.used(), 60);
    questions.settle(&mut responses(r#"{"roots-1":{"roots":[]}}"#));
    assert_eq!(budget.used(), 0);
}

#[test]
fn shapes() {
    let kinds = [
        (Kind::Elicitation, "elicitation/create", "elicitation-1"),
        (Kind::Sampling, "sampling/createMessage", "sampling-1"),
        (Kind::Roots, "roots/list", "roots-1"),
    ];
    let good = [
        (Kind::Elicitation, r#"{"action":"accept","content":{"a":[1]},"_meta":{}}"#),
        (Kind::Elicitation, r#"{"action":"decline"}"#),
        (Kind::Elicitation, r#"{"action":"cancel","content":null}"#),
        (Kind::Sampling, r#"{"role":"assistant","content":{"type":"text"},"model":"m","x":1}"#),
        (Kind::Sampling, r#"{"role":"user","content":[],"model":""}"#),
        (Kind::Roots, r#"{"roots":[]}"#),
        (Kind::Roots, r#"{"roots":[{"uri":"file:///a","name":"n"}]}"#),
    ];
    let bad = [
        (Kind::Elicitation, "{}", "action"),
        (Kind::Elicitation, r#"{"action":"yes"}"#, "accept"),
        (Kind::Elicitation, r#"{"action":3}"#, "string"),
        (Kind::Elicitation, r#"{"action":"accept","content":3}"#, "map"),
        (Kind::Sampling, r#"{"role":"assistant","model":"m"}"#, "content"),
        (Kind::Sampling, r#"{"role":"system","content":{},"model":"m"}"#, "role"),
        (Kind::Sampling, r#"{"role":"user","content":"hi","model":"m"}"#, "content"),
        (Kind::Sampling, r#"{"role":"user","content":{}}"#, "model"),
        (Kind::Roots, "{}", "roots"),
        (Kind::Roots, r#"{"roots":{}}"#, "sequence"),
        (Kind::Roots, r#"{"roots":[{}]}"#, "uri"),
    ];
    let try_one = |kind: Kind, text: &str| {
        let (_, method, key) = kinds.iter().find(|(k, ..)| *k == kind).expect("known");
        let mut questions = Questions::default();
        questions.ask(request(1, method, ""), None, &mut none()).expect("askable");
        questions.check(&responses(&format!(r#"{{"{key}":{text}}}"#)))
    };
    for (kind, text) in good {
        assert!(try_one(kind, text).is_ok(), "{text}: {:?}", try_one(kind, text));
    }
    for (kind, text, words) in bad {
        let why = try_one(kind, text).expect_err(text).to_string();
        assert!(why.contains(words) && why.contains("inputResponses."), "{text}: {why}");
    }
}

#[test]
fn responses_that_are_none() {
    for (text, words) in [
        ("null", "must be an object"),
        ("[]", "must be an object"),
        ("\"x\"", "must be an object"),
        (r#"{"a":null}"#, "`inputResponses.a` must be an object"),
        (r#"{"a":12345}"#, "`inputResponses.a` must be an object"),
        (r#"{"a":{},"\u0061":{}}"#, "`a` is given more than once"),
    ] {
        let why = InputResponses::read(&raw(text)).expect_err(text).to_string();
        assert!(why.contains(words), "{text}: {why}");
    }
    assert!(responses("{}").is_empty());
    assert_eq!(responses(r#"{"a":{"b":1}}"#).get("a").map(RawJson::as_str), Some(r#"{"b":1}"#));
}

#[test]
fn urls_that_have_to_be_opened_first() {
    let error = raw(
        r#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a.example/","message":"sign in"},{"url":3},{"mode":"url","elicitationId":"f","url":"https://b.example/","message":"pay"}]}}"#,
    );
    let urls = UrlElicitations::read(&error).expect("of this kind");
    let result = value(&urls.input_required());
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(result.get("requestState"), None);
    assert_eq!(result["inputRequests"]["url-1"]["method"], "elicitation/create");
    assert_eq!(result["inputRequests"]["url-1"]["params"]["url"], "https://a.example/");
    assert_eq!(result["inputRequests"]["url-2"]["params"]["message"], "pay");
    assert_eq!(result["inputRequests"].as_object().map(serde_json::Map::len), Some(2));

    for empty in [r#"{"code":-32042,"message":"m"}"#, r#"{"code":-32042,"message":"m","data":3}"#] {
        assert!(UrlElicitations::read(&raw(empty)).expect("of this kind").is_empty());
    }
    assert!(UrlElicitations::read(&error_object(-32602, "m", None)).is_none());
    assert!(UrlElicitations::read(&raw("{}")).is_none());
}

#[test]
fn capabilities_are_named_as_clients_declare_them() {
    let all = ClientCapabilities {
        sampling: true,
        elicitation: true,
        elicitation_url: true,
        roots: true,
    };
    assert_eq!(
        value(&required_capabilities(all)),
        json!({"requiredCapabilities": {
            "sampling": {}, "roots": {}, "elicitation": {"form": {}, "url": {}}
        }})
    );
    let sampling = ClientCapabilities { sampling: true, ..ClientCapabilities::default() };
    assert_eq!(
        value(&required_capabilities(sampling)),
        json!({"requiredCapabilities": {"sampling": {}}})
    );
}
