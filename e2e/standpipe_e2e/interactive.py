"""The interactive suite: what a server asks reaches the client whose call caused it, and nobody else.

Every client signs its answers with its label. A server's tool asks its client (sampling, elicitation in
both forms, roots) and puts the answer into its own result, where the label must be the caller's.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import clients, environment, proxy, schemas, servers
from .servers import Server, Step, step, tool
from .tap import Tap
from .transcript import Step as Outcome

# The transport that a client of the mixed company uses, and how often each asks for everything.
COMPANY = (
    ("ts-sdk-1", "http"),
    ("py-sdk-1", "sse"),
    ("ts-sdk-2", "sse"),
    ("py-sdk-2", "http"),
    ("ts-sdk-2-modern", "http"),
    ("py-sdk-2-modern", "http"),
)
ROUNDS = 3

# Cases at the same time; each is mostly waiting for small processes.
WORKERS = 2


def run(tap: Tap, only_servers: list[str], only_clients: list[str]) -> None:
    scratch = environment.scratch()
    asking = [s for s in servers.named(only_servers) if s.name in QUESTIONS]
    drivers = [c for c in clients.all_clients() if c.driver is not None]
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = []
        for server in asking:
            for sharing in ("shared", "session"):
                for client in drivers:
                    if only_clients and client.name not in only_clients:
                        continue
                    for transport in client.transports:
                        jobs.append(pool.submit(_alone, tap, scratch, server, client, transport, sharing))
                if not only_clients:
                    jobs.append(pool.submit(_in_company, tap, scratch, server, drivers, sharing))
        for job in jobs:
            job.result()
    schemas.check(tap, "interactive", scratch)


def questions(server: str, rounds: int = 1) -> list[Step]:
    """The calls of which each makes the server ask."""
    return [{**asks, "name": f"{asks['name']}-{n}"} for n in range(rounds) for asks in QUESTIONS[server]]


FIXTURE = [
    tool("sampling", "ask", {"kind": "sampling", "message": "your name?"}),
    tool("elicitation", "ask", {"kind": "elicitation", "message": "your name?"}),
    tool("roots", "ask", {"kind": "roots"}),
    tool("all-at-once", "test_multiple_inputs"),
    tool("in-rounds", "test_input_required_result_multi_round"),
    step("in-a-prompt", "prompts/get", {"name": "test_input_required_result_prompt"}),
    step("in-a-resource", "resources/read", {"uri": "test://asking"}),
]
QUESTIONS: dict[str, list[Step]] = {
    "fixture": FIXTURE,
    "fixture-modern": FIXTURE,
    "everything": [
        tool("sampling", "trigger-sampling-request", {"prompt": "your name?", "maxTokens": 9}),
        tool("elicitation", "trigger-elicitation-request"),
        tool("roots", "get-roots-list"),
    ],
}


def _script(label: str, steps: list[Step]) -> dict[str, Any]:
    return {"label": label, "roots": [{"uri": f"file:///home/{label}", "name": label}], "steps": steps}


def problems(label: str, others: list[str], transcript: list[Outcome], expected: int) -> list[str]:
    """What is wrong with one client's transcript: a refusal, a missing answer, or somebody else's."""
    found = []
    if len(transcript) != expected + 1:
        found.append(f"{label} has {len(transcript) - 1} answers of {expected}")
    for step in transcript[1:]:
        outcome = json.loads(step.text)
        result = outcome.get("result")
        if result is None or result.get("isError"):
            found.append(f"{label} {step.name}: refused: {step.text[:400]}")
            continue
        if label not in step.text:
            found.append(f"{label} {step.name}: not its own answer: {step.text[:400]}")
        found += [f"{label} {step.name}: holds the answer of {other}" for other in others if other in step.text]
    return found


def _alone(tap: Tap, scratch: Path, server: Server, client: clients.Client, transport: str, sharing: str) -> None:
    case = f"{server.name} asks {client.name} {transport} {sharing}"
    home = scratch / case.replace(" ", "-")
    home.mkdir()
    steps = questions(server.name)
    try:
        with proxy.running(server.command(home), home / "standpipe.log", sharing=sharing) as standpipe:
            got = clients.through(client, transport, standpipe.url(transport), _script("solveig", steps), home)
    except Exception as failure:
        tap.not_ok(case, f"{type(failure).__name__}: {failure}")
        return
    tap.check(case, problems("solveig", [], got, len(steps)))


def _in_company(tap: Tap, scratch: Path, server: Server, drivers: list[clients.Client], sharing: str) -> None:
    """Different clients at the same time, all of whose calls make the server ask."""
    case = f"{server.name} asks several at once {sharing}"
    home = scratch / case.replace(" ", "-")
    home.mkdir()
    known = {client.name: client for client in drivers}
    first, steps = questions(server.name), questions(server.name, ROUNDS)
    labels = [f"label-of-{name}-{transport}" for name, transport in COMPANY]
    try:
        with proxy.running(server.command(home), home / "standpipe.log", sharing=sharing) as standpipe:
            # A call that has asked before is known to ask: the next ones need not be refused when
            # several are open and it would be a guess whose question it is.
            client, transport = known[COMPANY[0][0]], COMPANY[0][1]
            clients.through(client, transport, standpipe.url(transport), _script("pioneer", first), home)
            running: list[subprocess.Popen[str]] = []
            for label, (name, transport) in zip(labels, COMPANY):
                target = {"url": standpipe.url(transport)}
                running.append(clients.start(known[name], transport, target, _script(label, steps), home))
            found = []
            for label, driver in zip(labels, running):
                others = [other for other in [*labels, "pioneer"] if other != label]
                found += problems(label, others, clients.finish(driver), len(steps))
    except Exception as failure:
        tap.not_ok(case, f"{type(failure).__name__}: {failure}")
        return
    tap.check(case, found)
