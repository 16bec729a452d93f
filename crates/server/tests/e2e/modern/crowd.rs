//! Many modern clients at once on one shared child: those who are asked, and those who never are.

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{Modern, answers_as, text};
use crate::support::alone;
use crate::support::process::Standpipe;

const ASKERS: usize = 32;
const OTHERS: usize = 32;
const CALLS: usize = 20;
/// More than there are side processes: the last ones get the places of those that went first.
const LEAVERS: usize = 12;

/// Calls that ask nothing, by everybody who is not asked. Returns how many were made in a second.
async fn others(client: &Modern) -> f64 {
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for other in 0..OTHERS {
        let client = client.clone();
        calls.spawn(async move {
            for call in 0..CALLS {
                let label = format!("{other}-{call}");
                let echoed = client.tool("echo", json!({ "label": label })).await;
                assert_eq!(text(&echoed), json!({ "label": label }).to_string());
            }
        });
    }
    calls.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let calls = (OTHERS * CALLS) as f64;
    calls / began.elapsed().as_secs_f64()
}

#[tokio::test]
async fn askers_and_others_do_not_disturb_each_other() {
    let _turn = alone().await;
    let standpipe = Standpipe::fixture(&[]);
    let client = Modern::new(&standpipe);
    let asked = client.asked_everything();
    // The tool is known to ask from here on.
    asked.rounds("tools/call", ask("first"), answers_as("first")).await;
    let undisturbed = others(&client).await;
    let mut askers = JoinSet::new();
    for asker in 0..ASKERS {
        let asked = asked.clone();
        askers.spawn(async move {
            let name = format!("asker-{asker}");
            let person = |request: &serde_json::Value| {
                let message = request["params"]["message"].as_str().unwrap_or_default();
                assert_eq!(message, name, "asked for somebody else");
                answers_as(&name)(request)
            };
            let (answer, _) = asked.rounds("tools/call", ask(&name), person).await;
            let said = text(&answer["result"]);
            assert!(said.contains(&format!("\"username\":\"{name}\"")), "{name}: {said}");
        });
    }
    let disturbed = others(&client).await;
    askers.join_all().await;
    println!("calls a second: {undisturbed:.0} alone, {disturbed:.0} beside {ASKERS} that ask");

    // The same while those who are asked go away, and their calls stay parked.
    let mut askers = JoinSet::new();
    for asker in 0..LEAVERS {
        let asked = asked.clone();
        askers.spawn(async move {
            let (_, answer) = asked.answer(1, "tools/call", ask(&format!("gone-{asker}"))).await;
            assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        });
    }
    let abandoned = others(&client).await;
    askers.join_all().await;
    println!("calls a second: {abandoned:.0} beside calls that are abandoned");
    let (answer, _) = asked.rounds("tools/call", ask("last"), answers_as("last")).await;
    assert!(text(&answer["result"]).contains("last"));
}

fn ask(name: &str) -> serde_json::Value {
    json!({ "name": "ask", "arguments": { "kind": "elicitation", "message": name } })
}
