//! The results as files: JSON for programs, Markdown for people.
//!
//! Owns `bench/results`. Must not know how anything was measured.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::fs;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::Outcome;
use super::machine;
use super::metrics::{COLUMNS, Measured, SELDOM, Spread, shown};
use super::options::Options;
use super::peers::Peer;
use super::scenario::Side;
use super::table::{BARE_THREADS, FLOOR_THREADS};
use crate::workspace;

/// The figure by which sides are compared, the first that there is.
const LEADING: &[&str] = &["mb_per_s", "rps"];

/// Writes both files and says where they are.
pub(super) fn write(outcomes: &[Outcome], peers: &[Peer], options: &Options) -> anyhow::Result<()> {
    let folder = workspace::root().join("bench").join("results");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let machine = machine::described();
    let report = json!({
        "machine": machine,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "peers": peers.iter().map(Peer::described).collect::<Vec<_>>(),
        "scenarios": outcomes.iter().map(as_json).collect::<Vec<_>>(),
    });
    let text = markdown(outcomes, &machine, peers, options);
    println!("\n{text}");
    let json = serde_json::to_string_pretty(&report).context("a report that is no JSON")?;
    for (name, text) in [("latest.json", json + "\n"), ("latest.md", text)] {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
        println!("written: bench/results/{name}");
    }
    Ok(())
}

fn as_json(outcome: &Outcome) -> Value {
    let Outcome { scenario, measured } = outcome;
    let against = scenario.against.and_then(|name| scenario.side(name));
    let sides: Vec<Value> = scenario
        .sides
        .iter()
        .zip(measured)
        .map(|(side, here)| {
            let mut metrics = Map::new();
            let mut ratios = Map::new();
            for (name, ..) in COLUMNS {
                if let Some(spread) = here.spread(name) {
                    metrics.insert((*name).to_owned(), spread_json(spread));
                }
                let ratio = against.and_then(|number| here.ratio(name, &measured[number]));
                if let Some(spread) = ratio {
                    ratios.insert((*name).to_owned(), spread_json(spread));
                }
            }
            json!({
                "name": side.name,
                "metrics": metrics,
                "ratios": ratios,
                "failure": here.failure,
            })
        })
        .collect();
    let goals: Vec<Value> = scenario
        .goals
        .iter()
        .map(|goal| {
            let verdict = goal.judge(scenario, measured);
            json!({
                "reach": goal.says,
                "side": goal.side,
                "metric": goal.metric,
                "value": verdict.map(|verdict| verdict.value),
                "reached": verdict.map(|verdict| verdict.is_reached),
            })
        })
        .collect();
    json!({
        "name": scenario.name,
        "title": scenario.title,
        "against": scenario.against,
        "sides": sides,
        "goals": goals,
    })
}

fn spread_json(spread: Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

fn markdown(outcomes: &[Outcome], machine: &Value, peers: &[Peer], options: &Options) -> String {
    let said = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
    let mut text = String::from("# Results of `cargo xtask bench`\n\n");
    let _ = writeln!(
        text,
        "{}, revision {}, {}, {}, {} cores. Rounds: {}, of {} s, interleaved; medians, and in\n\
         brackets the least and the most. Ratios are taken within each round.\n",
        said("date"),
        said("revision"),
        said("kernel"),
        said("processor"),
        machine["cores"],
        options.rounds,
        options.seconds,
    );
    let _ = writeln!(
        text,
        "*bare*: hyper, the same bytes, no child, {BARE_THREADS} thread. *floor*: hyper with one \
         shared\nchild, ids replaced in raw bytes, nothing else, {FLOOR_THREADS} thread. \
         *standpipe*: all defaults.",
    );
    goals(&mut text, outcomes);
    for Outcome { scenario, measured } in outcomes {
        let _ = writeln!(text, "\n## {}\n\n{}.\n", scenario.name, scenario.title);
        let against = scenario.against.and_then(|name| Some((name, scenario.side(name)?)));
        let wanted = |name: &str| {
            !SELDOM.contains(&name) || scenario.goals.iter().any(|goal| goal.metric == name)
        };
        let columns: Vec<_> = COLUMNS
            .iter()
            .filter(|(name, ..)| wanted(name) && measured.iter().any(|m| m.spread(name).is_some()))
            .collect();
        text += "| |";
        for (_, title, _) in &columns {
            let _ = write!(text, " {title} |");
        }
        if let Some((name, _)) = against {
            let _ = write!(text, " % of {name} |");
        }
        let _ = write!(text, "\n|---|{}", "---|".repeat(columns.len()));
        text += if against.is_some() { "---|\n" } else { "\n" };
        for (side, here) in scenario.sides.iter().zip(measured) {
            row(&mut text, side, here, &columns, against.map(|(_, number)| &measured[number]));
        }
    }
    if !peers.is_empty() {
        text += "\n## Peers\n\n";
        for peer in peers {
            let _ = writeln!(text, "- {}", peer.described());
        }
    }
    text
}

/// All goals, and what came of them.
fn goals(text: &mut String, outcomes: &[Outcome]) {
    if outcomes.iter().all(|outcome| outcome.scenario.goals.is_empty()) {
        return;
    }
    *text += "\n| scenario | reach | measured | reached |\n|---|---|---|---|\n";
    for Outcome { scenario, measured } in outcomes {
        for goal in &scenario.goals {
            let (value, reached) = match goal.judge(scenario, measured) {
                Some(verdict) if verdict.is_reached => (goal.shown(verdict.value), "yes"),
                Some(verdict) => (goal.shown(verdict.value), "**no**"),
                None => ("–".to_owned(), "not measured"),
            };
            let _ = writeln!(text, "| {} | {} | {value} | {reached} |", scenario.name, goal.says);
        }
    }
}

fn row(
    text: &mut String,
    side: &Side,
    here: &Measured,
    columns: &[&(&str, &str, f64)],
    against: Option<&Measured>,
) {
    let _ = write!(text, "| {} |", side.name);
    if let Some(failure) = &here.failure {
        let failure = failure.replace(['\n', '|'], " ");
        let _ = write!(text, " failed: {failure} |");
        *text += &" |".repeat(columns.len().saturating_sub(1));
    } else {
        for (name, _, unit) in columns {
            let cell = here.spread(name).map_or_else(String::new, |spread| cell(spread, *unit));
            let _ = write!(text, " {cell} |");
        }
    }
    if let Some(there) = against {
        let ratio = LEADING.iter().find_map(|name| here.ratio(name, there));
        let ratio = ratio.map_or_else(String::new, |ratio| cell(ratio, 0.01));
        let _ = write!(text, " {ratio} |");
    }
    *text += "\n";
}

fn cell(Spread { median, min, max }: Spread, unit: f64) -> String {
    if (max - min).abs() < f64::EPSILON {
        return shown(median / unit);
    }
    format!("{} ({}–{})", shown(median / unit), shown(min / unit), shown(max / unit))
}
